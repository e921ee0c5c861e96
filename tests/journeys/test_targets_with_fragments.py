"""A request target with a fragment: whoever decides in front of us by the address has read more of it than we would."""

from journeys.answers import assert_problem


def test_an_account_is_not_deleted_where_its_sessions_were_meant(make_house):
    house = make_house("embedded")
    admin, person = house.administrator(), house.register()
    path = f"/api/v1/users/{person.id}"

    answer = house.client().delete(path, headers=admin.headers, environ_overrides={"RAW_URI": f"{path}#frag/sessions"})

    assert_problem(answer, 400)
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200
