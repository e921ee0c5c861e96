"""What stands in an address where a name or an id belongs: whatever it is, it is not there, and nothing breaks."""

from journeys.answers import assert_problem
from support.cases import Cases

API = "/api/v1"
NAMES = ("%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%98%80", "..", "%2e%2e", "a" * 2000, "%27%20OR%201=1--", "ADMIN", "%E2%80%AE")


def test_a_role_or_an_account_of_such_a_name_is_not_there(house):
    admin = house.administrator()
    client = house.client()

    with Cases() as case:
        for name in NAMES:
            with case(name):
                for method, path, body in (
                    ("PATCH", f"/admin/roles/{name}", {"description": "x"}),
                    ("DELETE", f"/admin/roles/{name}", None),
                    ("GET", f"/users/{name}", None),
                    ("PATCH", f"/users/{name}", {"bio": "x"}),
                    ("POST", f"/users/{name}/lock", None),
                    ("DELETE", f"/auth/api-keys/{name}", None),
                    ("GET", f"/auth/api-keys/{name}/usage", None),
                    ("DELETE", f"/auth/sessions/{name}", None),
                ):
                    answer = client.open(API + path, method=method, json=body, headers=admin.headers)
                    assert answer.status_code in {404, 405}, (method, path, answer.text)
                    assert_problem(answer, answer.status_code)


def test_a_question_with_such_a_value_is_answered_or_refused(house):
    admin = house.administrator()

    with Cases() as case:
        for value in (*NAMES, ""):
            for query in ("/admin/authz/explain?permission=users:read&user=", "/users?after=", "/users?role=", "/users?q="):
                with case(value, query):
                    answer = house.client().get(API + query + value, headers=admin.headers)

                    assert answer.status_code in {200, 404, 422}, (query, value, answer.text)
