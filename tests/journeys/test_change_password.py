"""Changing one's own password: only with the present one. That it is no way to guess that is in test_guesses."""

from journeys.answers import assert_problem, faults
from support.cases import Cases

PATHS = ["/api/v1/auth/change-password", "/api/v1/users/me/change-password", "/auth/change-password", "/users/me/change-password"]
PATH = PATHS[0]
NEW = "Other-Trees-43!"


def change(house, person, current, new=NEW, path=PATH):
    return house.client().post(path, headers=person.headers, json={"current_password": current, "new_password": new})


def signs_in(house, person, password):
    return house.client().post("/api/v1/auth/login", json={"username": person.username, "password": password}).status_code == 200


def test_somebody_changes_his_password_and_his_other_sessions_end(house):
    with Cases() as case:
        for path in PATHS:
            with case(path):
                person = house.register()
                phone = house.sign_in(person)
                assert person.headers

                answer = change(house, person, person.password, path=path)

                assert (answer.status_code, answer.json) == (200, {"message": "Password changed successfully"})
                assert signs_in(house, person, NEW)
                assert not signs_in(house, person, person.password)
                assert house.client().get("/users/me", headers=person.headers).status_code == 200
                assert_problem(house.client().get("/users/me", headers=phone.headers), 401, "invalid_token")
                assert_problem(house.client().post("/auth/refresh", json={"refresh_token": phone.refresh}), 401)
                (event,) = house.events("auth.password.changed", subject=person)
                assert (event.actor_id, event.details) == (person.id, {"ended": 1})
                assert person.password not in str(event)


def test_without_the_present_password_nothing_changes(house):
    with Cases() as case:
        for current in ("wrong", " ", "{} ", "{}x", "NULL"):
            with case(current):
                person = house.register()

                answer = change(house, person, current.replace("{}", person.password))

                problem = assert_problem(answer, 403, "wrong_current_password")
                assert problem["detail"] == "Current password is incorrect"
                assert signs_in(house, person, person.password)
                (event,) = house.events("auth.password.change_refused", subject=person)
                assert (event.outcome, event.details) == ("failure", {"reason": "wrong_password"})


def test_a_weak_or_unchanged_new_password_is_refused(house):
    with Cases() as case:
        for new, rule in (
            ("weak", "too_short"),
            ("password123!", "common"),
            ("alllowercase1!", "no_upper"),
            ("{}", "unchanged"),
            ("Gardener7!", "personal"),
        ):
            with case(new, rule):
                person = house.register(email=f"gardener@{house.register().username}.example.com")

                answer = change(house, person, person.password, new.replace("{}", person.password))

                problem = assert_problem(answer, 400, "weak_password")
                assert rule in {fault["code"] for fault in problem["errors"]}
                assert set(faults(answer)) == {"/new_password"}
                assert signs_in(house, person, person.password)


def test_whoever_is_signed_in_may_change_his_own_password(house):
    with Cases() as case:
        for role in ("admin", "moderator", "user", "viewer"):
            with case(role):
                person = house.person(role=role)

                assert change(house, person, person.password).status_code == 200


def test_nobody_changes_a_password_without_a_good_access_token(house):
    person = house.register()
    body = {"current_password": person.password, "new_password": NEW}

    assert_problem(house.client().post(PATH, json=body), 401, "unauthenticated")
    refused = house.client().post(PATH, json=body, headers={"Authorization": f"Bearer {person.tokens.refresh}"})
    assert_problem(refused, 401, "invalid_token")


def test_an_open_session_in_which_the_password_was_changed_can_still_be_refreshed(house):
    person = house.register()
    assert person.headers
    change(house, person, person.password)

    answer = house.client().post("/api/v1/auth/refresh", json={"refresh_token": person.tokens.refresh})

    assert answer.status_code == 200
