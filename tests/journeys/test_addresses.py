"""Two ways to address the public API, one handler behind both, and no redirect anywhere."""

import re

from journeys.answers import assert_problem
from support.cases import Cases

API = "/api/v1"


def public_rules(app):
    return sorted(
        {(rule.rule.removeprefix(API), method) for rule in app.url_map.iter_rules() if rule.rule.startswith(API) for method in rule.methods}
    )


def test_every_endpoint_is_reached_in_both_ways_by_the_very_same_handler(house):
    adapter = house.app.url_map.bind("localhost")
    rules = [(path, method) for path, method in public_rules(house.app) if method != "OPTIONS"]
    assert len(rules) >= 15

    for path, method in rules:
        concrete = re.sub("<id:[a-z_]+>", "01890000-0000-7000-8000-000000000000", path)
        canonical, _ = adapter.match(API + concrete, method)
        short, _ = adapter.match(concrete, method)
        assert house.app.view_functions[canonical] is house.app.view_functions[short], path


def test_the_short_way_names_the_canonical_one(house):
    administrator = house.administrator()

    with Cases() as case:
        for method, path, status in (
            ("GET", "/users/me", 200),
            ("PATCH", "/users/me", 200),
            ("GET", "/users", 200),
            ("GET", "/users/", 200),
            ("GET", "/security/events", 200),
            ("GET", "/security/health", 200),
            ("GET", "/admin/stats", 200),
            ("POST", "/auth/login", 422),
            ("POST", "/auth/register", 422),
            ("POST", "/auth/refresh", 422),
            ("GET", "/users/01890000-0000-7000-8000-000000000000", 404),
        ):
            with case(method, path, status):
                body = {"full_name": "x"} if method == "PATCH" else {} if method == "POST" else None

                short = house.client().open(path, method=method, headers=administrator.headers, json=body)
                canonical = house.client().open(API + path, method=method, headers=administrator.headers, json=body)

                assert (short.status_code, canonical.status_code) == (status, status)
                assert f'<{API}{path}>; rel="canonical"' in ", ".join(short.headers.getlist("Link"))
                assert "canonical" not in ", ".join(canonical.headers.getlist("Link"))


def test_the_list_answers_with_and_without_a_slash_and_without_a_redirect(house, base):
    administrator = house.administrator()

    with Cases() as case:
        for method in ("GET", "HEAD"):
            with case(method):
                answers = [house.client().open(f"{base}/users{slash}", method=method, headers=administrator.headers) for slash in ("", "/")]

                assert [answer.status_code for answer in answers] == [200, 200]
                assert not any("Location" in answer.headers for answer in answers)


def test_no_address_is_redirected_to_another(house, base):
    person = house.register()

    with Cases() as case:
        for path in ("//users/me", "/users//me", "/users/me/", "//evil.example/users", "/users/me?", "/./users/me", "/auth/../users/me"):
            with case(path):
                answer = house.client().get(base + path, headers=person.headers, base_url="http://localhost")

                assert "Location" not in answer.headers
                if answer.status_code != 200:
                    assert answer.status_code in {400, 403, 404}  # the test client takes `//name` for a host
                    assert_problem(answer, answer.status_code)


def test_a_head_has_the_headers_of_a_get_and_changes_nothing(house):
    person = house.register()

    answer = house.client().head(f"{API}/users/me", headers=person.headers)

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"


def test_what_changes_something_answers_to_post_only(house, base):
    with Cases() as case:
        for path in ("/auth/login", "/auth/logout", "/auth/refresh", "/auth/register"):
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
                with case(path, method):
                    answer = house.client().open(base + path, method=method)

                    assert answer.status_code == 405
                    assert {word.strip() for word in answer.headers["Allow"].split(",")} == {"POST", "OPTIONS"}


def test_a_questioner_of_methods_gets_an_answer_and_no_more(house, base):
    answer = house.client().options(f"{base}/users/me")

    assert answer.status_code == 200
    assert answer.data == b""
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "PUT", "PATCH", "OPTIONS"}
