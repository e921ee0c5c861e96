"""A real browser with a page of ours, and with pages of others beside it."""

import http.server
import re
import threading

import pytest

from support.live import ROOT

API = "/api/v1"
ASK = """
async ({path, method, body, csrf}) => {
    const headers = body === null ? {} : {"Content-Type": "application/json"};
    if (csrf) headers["X-CSRF-Token"] = csrf;
    const answer = await fetch(path, {method, headers, body: body === null ? undefined : JSON.stringify(body)});
    return {status: answer.status, json: await answer.json()};
}
"""
TRY = """
async ({url, headers}) => {
    const tried = [];
    for (const mode of ["cors", "no-cors"]) {
        for (const type of ["text/plain", "application/x-www-form-urlencoded", null]) {
            const sent = {method: "POST", mode, credentials: "include", headers: {...headers}};
            if (type) { sent.headers["Content-Type"] = type; sent.body = "a=b"; }
            try { const answer = await fetch(url, sent); tried.push(answer.type + " " + answer.status); }
            catch (error) { tried.push(error.name); }
        }
    }
    return tried;
}
"""


@pytest.fixture
def browser(chromium):
    """Chromium with nothing in it: a context shares neither cookies nor caches with another one."""
    context = chromium.new_context()
    yield context
    context.close()


@pytest.fixture
def neighbour():
    """The port of a server that somebody else runs on this machine."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>evil</title><p>Nothing to see here.")

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


class OurPage:
    """A page of the application's own origin. `/docs` allows scripts to talk to this origin, as a page of an application would."""

    def __init__(self, context, url):
        self.page = context.new_page()
        self.page.goto(f"{url}/docs")
        self.csrf = None

    def ask(self, method, path, body=None, *, with_csrf=True):
        told = {"path": f"{API}{path}", "method": method, "body": body, "csrf": self.csrf if with_csrf else None}
        return self.page.evaluate(ASK, told)

    def sign_in(self, person):
        answer = self.ask("POST", "/auth/login", {"username": person.username, "password": person.password, "delivery": "cookie"})
        assert answer["status"] == 200, answer
        self.csrf = answer["json"]["csrf_token"]
        return answer["json"]

    def shown(self):
        """What scripts can see of the cookies."""
        return dict(pair.split("=", 1) for pair in self.page.evaluate("document.cookie").split("; ") if pair)


@pytest.mark.parametrize(("host", "is_secure"), [("localhost", True), ("127.0.0.1", False)])
def test_a_page_signs_in_reads_changes_refreshes_and_signs_out(make_live, browser, host, is_secure):
    live = make_live("embedded", environment="development", secure_cookies=is_secure)
    person = live.house.register()
    page = OurPage(browser, f"http://{host}:{live.port}")
    prefix = "__Host-" if is_secure else ""

    told = page.sign_in(person)

    assert told.keys() == {"token_type", "expires_in", "refresh_expires_in", "csrf_token"}
    assert page.shown() == {f"{prefix}secureapi_csrf": page.csrf}, "scripts see the CSRF token and nothing else"
    kept = {cookie["name"].removeprefix("__Host-").removeprefix("__Secure-"): cookie for cookie in browser.cookies()}
    assert {name: (c["path"], c["httpOnly"], c["secure"], c["sameSite"], c["domain"]) for name, c in kept.items()} == {
        "secureapi_access": ("/", True, is_secure, "Strict", host),
        "secureapi_refresh": (f"{API}/auth", True, is_secure, "Strict", host),
        "secureapi_csrf": ("/", False, is_secure, "Strict", host),
        "secureapi_device": ("/", True, is_secure, "Strict", host),
    }
    assert page.ask("GET", "/users/me")["json"]["id"] == person.id
    assert page.ask("PATCH", "/users/me", {"bio": "x"}, with_csrf=False)["json"]["code"] == "csrf_failed"
    assert page.ask("PATCH", "/users/me", {"bio": "x"})["json"]["bio"] == "x"
    assert page.ask("POST", "/auth/refresh", with_csrf=False)["json"]["code"] == "csrf_failed"
    assert page.ask("POST", "/auth/refresh")["status"] == 200
    assert page.ask("GET", "/users/me")["status"] == 200
    assert page.ask("POST", "/auth/reauthenticate", {"password": person.password})["json"].keys() == {"token_type", "expires_in"}
    assert page.ask("POST", "/auth/logout")["status"] == 200
    assert [cookie["name"].removeprefix("__Host-") for cookie in browser.cookies()] == ["secureapi_device"], "it is known, not let in"
    assert page.ask("GET", "/users/me")["status"] == 401


def test_a_page_that_was_loaded_again_goes_on_with_the_token_in_the_cookie(embedded, browser):
    live = embedded
    page = OurPage(browser, f"http://localhost:{live.port}")
    page.sign_in(live.house.register())
    browser.clear_cookies(name="__Host-secureapi_access")

    page.page.reload()
    page.csrf = page.shown()["__Host-secureapi_csrf"]

    assert page.ask("GET", "/users/me")["status"] == 401
    assert page.ask("POST", "/auth/refresh")["status"] == 200
    assert page.ask("GET", "/users/me")["status"] == 200


@pytest.mark.parametrize(
    ("host", "is_neighbour"), [("localhost", True), ("127.0.0.1", False)], ids=["another port of our host", "another site"]
)
def test_a_page_of_another_origin_makes_the_browser_change_nothing(embedded, browser, neighbour, host, is_neighbour):
    live = embedded
    person = live.house.register()
    ours = f"http://localhost:{live.port}"
    page = OurPage(browser, ours)
    page.sign_in(person)
    evil = browser.new_page()
    evil.goto(f"http://{host}:{neighbour}/")
    # Cookies know nothing of ports: a page on another port of our host even reads the CSRF token.
    seen = evil.evaluate("document.cookie")
    assert (page.csrf in seen) is is_neighbour
    before = len(browser.cookies())

    for path in ("/auth/logout", "/auth/logout-all", "/auth/refresh"):
        for headers in ({}, {"X-CSRF-Token": page.csrf}):
            tried = evil.evaluate(TRY, {"url": f"{ours}{API}{path}", "headers": headers})
            assert tried[:3] == ["TypeError"] * 3, "no answer of ours may be read"
    for path in ("/auth/logout", "/auth/refresh"):
        with evil.expect_navigation() as navigation:
            evil.set_content(f"<form method=post action='{ours}{API}{path}'></form>")
            evil.evaluate("document.forms[0].submit()")
        assert navigation.value.status in {401, 403, 415, 422}
        evil.goto(f"http://{host}:{neighbour}/")
    login = {"username": person.username, "password": person.password, "delivery": "cookie"}
    inputs = "".join(f"<input name={name} value='{value}'>" for name, value in login.items())
    with evil.expect_navigation() as navigation:
        evil.set_content(f"<form method=post action='{ours}{API}/auth/login'>{inputs}</form>")
        evil.evaluate("document.forms[0].submit()")
    assert navigation.value.status == 403

    assert page.ask("GET", "/users/me")["status"] == 200
    assert page.ask("POST", "/auth/refresh")["status"] == 200
    assert len(browser.cookies()) == before
    refused = live.house.events("auth.csrf.refused", subject=person)
    assert {event.details["reason"] for event in refused} == ({"cross_site_request"} if is_neighbour else set())
    assert len(live.house.events("auth.login.succeeded", subject=person)) == 1
    assert live.house.events("auth.logout.succeeded", subject=person) == []


def test_the_page_in_the_documentation_works_as_it_is_written(embedded, browser):
    live = embedded
    person = live.house.register(email="john@example.com", password="Tall-Trees-42!")
    (script,) = re.findall(r"```js\n(.*?)```", (ROOT / "docs" / "browser.md").read_text(), re.DOTALL)
    opening, closing = script.split('await call("POST", "/auth/logout");')
    page = OurPage(browser, f"http://localhost:{live.port}").page

    page.evaluate(f"async () => {{ {opening}; window.call = call; }}")
    browser.clear_cookies(name="__Host-secureapi_access")
    statuses = page.evaluate("async () => (await call('PATCH', '/users/me', {bio: 'Refreshed'})).status")

    assert (closing.strip(), statuses) == ("", 200)
    assert page.evaluate("async () => (await call('POST', '/auth/logout')).status") == 200
    assert [cookie["name"].removeprefix("__Host-") for cookie in browser.cookies()] == ["secureapi_device"], "it is known, not let in"
    seen = [event.type for event in live.house.events(subject=person) if event.type.startswith(("auth.", "users.profile"))]
    assert seen == [
        "auth.login.succeeded",
        "users.profile.changed",
        "auth.session.refreshed",
        "users.profile.changed",
        "auth.logout.succeeded",
    ]
