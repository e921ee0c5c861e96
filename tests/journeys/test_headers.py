"""The fixed headers: on every answer, whatever it is and whoever has made it, and each exactly once."""

from collections import Counter

import pytest
from flask import Blueprint, Response, abort

from journeys.answers import SECURITY_HEADERS, assert_headers
from secureapi.security.guard import public
from support.cases import Cases

API = "/api/v1"
PROXY, TLS = {"REMOTE_ADDR": "10.0.0.5"}, {"X-Forwarded-Proto": "https"}
FIXED = {*SECURITY_HEADERS, "Content-Security-Policy", "Permissions-Policy"}
ONCE = {*FIXED, "Cache-Control", "X-Request-ID", "Content-Length"}
OWN = {
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "usb=()",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def of_somebody_else():
    """A blueprint by somebody who builds on us, with ideas of his own."""
    blueprint = Blueprint("theirs", __name__)
    blueprint.get("/theirs/page")(public(page))
    blueprint.get("/theirs/kept")(public(kept))
    blueprint.get("/theirs/strict")(public(strict))
    blueprint.get("/theirs/broken")(public(broken))
    blueprint.get("/theirs/teapot")(public(teapot))
    blueprint.get("/theirs/stream")(public(stream))
    return blueprint


def strict():
    return Response("theirs", headers=OWN)


def page():
    return "<p>theirs</p>"


def kept():
    return Response("theirs", headers={"Cache-Control": "public, max-age=60", "X-Theirs": "1"})


def broken():
    raise RuntimeError


def teapot():
    abort(418)


def stream():
    return Response((piece for piece in ("a", "b")), content_type="text/plain")


@pytest.fixture(scope="module")
def house(site):
    """One for all of these tests: behind a proxy, with a limit that is used up by the third sign-in."""
    own = site.within()
    yield own.house(trusted_proxies="10.0.0.5", login_rate_limit="2/minute", max_body_bytes=2048, blueprints=(of_somebody_else(),))
    own.close()


@pytest.fixture(scope="module")
def person(house):
    person = house.person()
    assert person.headers
    return person


def ask(house, method, path, **options):
    return house.app.test_client(use_cookies=False).open(path, method=method, buffered=True, **options)


# Method, path, options, status.
ANSWERS = [
    ("GET", "/livez", {}, 200),
    ("HEAD", "/livez", {}, 200),
    ("GET", "/readyz", {}, 200),
    ("GET", f"{API}/users/me", {"as_person": True}, 200),
    ("GET", "/users/me", {"as_person": True}, 200),
    ("GET", f"{API}/users/me", {}, 401),
    ("GET", f"{API}/users", {"as_person": True}, 403),
    ("GET", "/nothing", {}, 404),
    ("GET", "/docs/assets/nothing.js", {}, 404),
    ("DELETE", f"{API}/auth/login", {}, 405),
    ("OPTIONS", f"{API}/auth/login", {}, 200),
    ("POST", f"{API}/auth/register", {"json": {"username": "x" * 4096}}, 413),
    ("POST", f"{API}/auth/register", {"data": "x", "content_type": "text/plain"}, 415),
    ("POST", f"{API}/auth/register", {"json": {}}, 422),
    ("GET", f"{API}/users/me", {"headers": {"Host": "evil.example"}}, 400),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/docs", {}, 200),
    ("GET", "/docs/assets/start.js", {}, 200),
    ("GET", "/docs/assets/start.js", {"again": True}, 304),
    ("GET", "/docs/assets/swagger-ui.css", {"headers": {"Range": "bytes=0-9"}}, 206),
    ("GET", "/.well-known/jwks.json", {}, 200),
    ("GET", "/theirs/page", {}, 200),
    ("GET", "/theirs/kept", {}, 200),
    ("GET", "/theirs/stream", {}, 200),
    ("GET", "/theirs/teapot", {}, 418),
    ("GET", "/theirs/broken", {}, 500),
    ("POST", "/theirs/page", {}, 405),
]


def answered(house, person, method, path, options, **more):
    options = dict(options)
    headers = options.pop("headers", {}) | (person.headers if options.pop("as_person", False) else {}) | more.pop("headers", {})
    if options.pop("again", False):
        headers |= {"If-None-Match": ask(house, method, path).headers["ETag"]}
    return ask(house, method, path, headers=headers, **options, **more)


def test_each_fixed_header_is_there_exactly_once(house, person):
    with Cases() as case:
        for asked in ANSWERS:
            with case(asked):
                *request, status = asked

                answer = answered(house, person, *request)

                assert answer.status_code == status, answer.text
                counted = Counter(name.title() for name, _ in answer.headers if name != "Set-Cookie")
                assert {name: counted[name.title()] for name in FIXED} == dict.fromkeys(FIXED, 1)
                assert {name for name in ONCE if counted[name.title()] > 1} == set()
                assert (counted["Cache-Control"], counted["X-Request-Id"]) == (1, 1)
                assert_headers(answer)
                assert "Strict-Transport-Security" not in answer.headers


def test_browsers_are_told_to_stay_with_tls_once_and_only_over_it(house, person):
    with Cases() as case:
        for asked in ANSWERS:
            with case(asked):
                *request, status = asked

                over_tls = answered(house, person, *request, headers=TLS, environ_overrides=PROXY)
                a_lie = answered(house, person, *request, headers=TLS)

                assert (over_tls.status_code, a_lie.status_code) == (status, status)
                assert over_tls.headers.getlist("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"]
                assert a_lie.headers.getlist("Strict-Transport-Security") == []
                counted = Counter(name for name, _ in over_tls.headers)
                assert {name: counted[name] for name in FIXED} == dict.fromkeys(FIXED, 1)


def test_what_was_told_to_one_is_not_told_to_the_next(house):
    """Headers are put together once for each policy: neither TLS nor the policy of the page may stick to another answer."""
    for _ in range(2):
        for headers, peer, has_it in ((TLS, PROXY, 1), ({}, {}, 0), (TLS, PROXY, 1), ({}, PROXY, 0)):
            for path, policy in (("/docs", "script-src 'self'"), ("/livez", NOTHING), ("/nothing", NOTHING)):
                answer = ask(house, "GET", path, headers=headers, environ_overrides=peer)
                assert len(answer.headers.getlist("Strict-Transport-Security")) == has_it
                assert policy in answer.headers["Content-Security-Policy"]
                assert ("script-src" in answer.headers["Content-Security-Policy"]) is (path == "/docs")


def test_the_page_has_the_only_policy_of_its_own(house, person):
    policies = {
        path: answered(house, person, method, path, options).headers.getlist("Content-Security-Policy")
        for method, path, options, status in ANSWERS
        if status == 200
    }
    page_policy = policies.pop("/docs")

    assert set(map(tuple, policies.values())) == {(NOTHING,)}
    assert len(page_policy) == 1
    assert "unsafe" not in page_policy[0]


def test_a_view_that_says_one_of_them_itself_says_it_alone(house):
    """Of two that contradict each other a browser takes the last, or neither."""
    answer = ask(house, "GET", "/theirs/strict")

    assert {name: len(answer.headers.getlist(name)) for name in FIXED} == dict.fromkeys(FIXED, 1)


def test_only_what_is_said_to_be_kept_is_kept(house, person):
    kept_for = {
        path: answered(house, person, method, path, options).headers.getlist("Cache-Control")
        for method, path, options, status in ANSWERS
        if status not in {304, 206}
    }
    told = {path: values for path, values in kept_for.items() if values != ["no-store"]}

    assert told.pop("/theirs/kept") == ["public, max-age=60"]
    assert set(told) == {"/docs/assets/start.js", "/.well-known/jwks.json"}
    assert all(value.startswith("public, max-age=") for (value,) in told.values())


def test_a_page_of_somebody_else_that_is_kept_is_not_kept_for_whom_it_was_made(house, person):
    """What is public is the same for everybody; all else that was asked for with a token is told apart by it."""
    by_somebody, by_nobody = (ask(house, "GET", "/theirs/page", headers=headers) for headers in (person.headers, {}))

    assert "Authorization" in by_somebody.headers["Vary"]
    assert "Authorization" not in by_nobody.headers.get("Vary", "")
    assert "Authorization" not in ask(house, "GET", "/theirs/kept", headers=person.headers).headers.get("Vary", "")


def test_a_sign_in_too_many_has_them_too(house):
    answers = [ask(house, "POST", f"{API}/auth/login", json={"username": "nobody-here", "password": "x"}) for _ in range(4)]

    assert answers[-1].status_code == 429
    for answer in answers:
        assert {name: len(answer.headers.getlist(name)) for name in FIXED} == dict.fromkeys(FIXED, 1)
        assert_headers(answer)
