"""Sessions in a browser: tokens in cookies that scripts cannot read, taken when they are clear, and gone after signing out."""

import threading

import pytest

from journeys.answers import assert_headers, assert_problem, faults
from journeys.with_cookies import DEVICE, HIDDEN, LOGIN, LOGOUT, ME, REFRESHING, SHOWN, plain
from support.browser import ACCESS, CSRF, REFRESH, SITE, SetCookie, browser_of, cookies_of
from support.cases import Cases


@pytest.fixture
def browser(house):
    return browser_of(house)


def test_signing_in_by_cookie_puts_no_token_into_the_answer(house, base):
    person = house.register()
    body = {"username": person.username, "password": person.password, "delivery": "cookie"}

    with Cases() as case:
        for kind in ("json", "data"):
            with case(kind):
                answer = house.client().post(f"{base}/auth/login", base_url=SITE, **{kind: body})

                assert answer.status_code == 200
                assert_headers(answer)
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.json.keys() == {"token_type", "expires_in", "refresh_expires_in", "csrf_token"}
                cookies = cookies_of(answer)
                life, csrf_token = answer.json["refresh_expires_in"], answer.json["csrf_token"]
                assert cookies == {
                    ACCESS: SetCookie(ACCESS, cookies[ACCESS].value, "/", 900, "Strict", HIDDEN, frozenset()),
                    REFRESH: SetCookie(REFRESH, cookies[REFRESH].value, f"{base}/auth", life, "Strict", HIDDEN, frozenset()),
                    CSRF: SetCookie(CSRF, csrf_token, "/", life, "Strict", SHOWN, frozenset()),
                    DEVICE: SetCookie(DEVICE, cookies[DEVICE].value, "/", 180 * 86400, "Strict", HIDDEN, frozenset()),
                }
                assert answer.json["expires_in"] == 900
                assert 7 * 86400 - 60 < life <= 7 * 86400
                assert cookies[REFRESH].value.startswith("sar_")
                assert "eyJ" not in answer.text
                assert "sar_" not in answer.text


def test_without_secure_cookies_the_names_promise_nothing(make_house, engine):
    house = make_house(engine, environment="development", secure_cookies=False)
    person = house.register()

    answer = house.client().post(LOGIN, json={"username": person.username, "password": person.password, "delivery": "cookie"})

    assert {name: (cookie.flags, cookie.path) for name, cookie in cookies_of(answer).items()} == {
        "secureapi_access": (frozenset(["httponly"]), "/"),
        "secureapi_refresh": (frozenset(["httponly"]), "/api/v1/auth"),
        "secureapi_csrf": (frozenset(), "/"),
        "secureapi_device": (frozenset(["httponly"]), "/"),
    }
    access = cookies_of(answer)["secureapi_access"].value
    assert plain(house, "GET", ME, f"secureapi_access={access}").status_code == 200
    assert_problem(plain(house, "GET", ME, f"{ACCESS}={access}"), 401, "unauthenticated")


@pytest.mark.parametrize("extra", [{}, {"delivery": "body"}])
def test_tokens_come_in_the_body_unless_cookies_are_asked_for(house, extra):
    person = house.register()

    answer = house.client().post(LOGIN, json={"username": person.username, "password": person.password} | extra)

    assert answer.json.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "device_token"}
    assert cookies_of(answer).keys() == {DEVICE}


def test_no_other_delivery_is_known(house):
    with Cases() as case:
        for delivery in ("Cookie", "cookies", "", None, 1, ["cookie"], {"cookie": True}):
            with case(delivery):
                answer = house.client().post(LOGIN, json={"username": "x", "password": "y", "delivery": delivery})

                assert_problem(answer, 422)
                assert set(faults(answer)) == {"/delivery"}


def test_a_refused_sign_in_sets_no_cookie(house):
    person = house.register()

    answer = house.client().post(LOGIN, json={"username": person.username, "password": "wrong", "delivery": "cookie"})

    assert_problem(answer, 401, "invalid_credentials")
    assert cookies_of(answer) == {}


def test_a_page_reads_and_changes_with_its_cookies(house, base):
    person = house.register()
    browser = browser_of(house, person, base)

    assert browser.get("/users/me").json["id"] == person.id
    changed = browser.patch("/users/me", json={"bio": "From a page"})

    assert (changed.status_code, changed.json["bio"]) == (200, "From a page")
    assert cookies_of(changed) == {}
    (event,) = house.events("users.profile.changed", subject=person)
    assert event.actor_id == person.id


def test_a_refresh_by_cookie_needs_no_body_and_answers_by_cookie(house, base):
    with Cases() as case:
        for body in ({}, {"json": {}}, {"data": b""}, {"content_type": "application/json"}, {"content_type": "text/plain"}):
            with case(body):
                browser = browser_of(house, base=base)
                before = dict(browser.jar)

                answer = browser.post("/auth/refresh", **body)

                assert answer.status_code == 200, answer.text
                assert answer.json.keys() == {"token_type", "expires_in", "refresh_expires_in", "csrf_token"}
                cookies = cookies_of(answer)
                assert set(cookies) == {ACCESS, REFRESH, CSRF}
                assert cookies[REFRESH].path == f"{base}/auth"
                assert {name: browser.value(name) == before[name, cookies[name].path] for name in cookies} == {
                    ACCESS: False,
                    REFRESH: False,
                    CSRF: True,
                }
                assert answer.json["csrf_token"] == browser.csrf_token, "tabs that know the present one must not be surprised"
                assert browser.get("/users/me").status_code == 200
                assert browser.post("/auth/refresh").status_code == 200


def test_a_refresh_with_neither_token_nor_cookie_says_what_is_missing(house):
    with Cases() as case:
        for body in ({}, {"json": {}}, {"json": {"refresh_token": None}}):
            with case(body):
                answer = plain(house, "POST", REFRESHING, **body)

                assert_problem(answer, 422)
                assert set(faults(answer)) == {"/refresh_token"}


def test_a_body_that_is_there_is_read_as_strictly_as_ever(house, browser):
    text = {"data": "{}", "content_type": "text/plain"}
    assert_problem(browser.post("/auth/refresh", **text), 415)
    assert_problem(browser.post("/auth/refresh", json={"x": 1}), 422)
    assert_problem(browser.post("/auth/refresh", data="{", content_type="application/json"), 400)
    assert browser.post("/auth/refresh").status_code == 200


def test_a_token_in_the_body_is_answered_in_the_body(house):
    person = house.register()

    answer = plain(house, "POST", REFRESHING, json={"refresh_token": person.tokens.refresh})

    assert "refresh_token" in answer.json
    assert "csrf_token" not in answer.json
    assert cookies_of(answer) == {}


AMBIGUOUS = {
    "the access cookie twice": f"{ACCESS}={{access}}; {ACCESS}={{access}}",
    "another access cookie first": f"{ACCESS}=x; {ACCESS}={{access}}",
    "another access cookie last": f"{ACCESS}={{access}}; {ACCESS}=x",
    "the plain name beside it": f"{ACCESS}={{access}}; secureapi_access={{access}}",
    "the csrf cookie twice": f"{ACCESS}={{access}}; {CSRF}={{csrf}}; {CSRF}={{csrf}}",
    "the refresh cookie twice": f"{ACCESS}={{access}}; {REFRESH}={{refresh}}; {REFRESH}=x",
    "two headers joined by a comma": f"{ACCESS}={{access}},{ACCESS}=x",
}


def test_a_neighbour_who_plants_a_second_cookie_gets_nobody_in(house, browser):
    values = {"access": browser.value(ACCESS), "refresh": browser.value(REFRESH), "csrf": browser.value(CSRF)}

    with Cases() as case:
        for name, header in AMBIGUOUS.items():
            with case(name):
                cookies = header.format(**values)

                for method, path in (("GET", ME), ("PATCH", ME), ("POST", LOGOUT), ("POST", "/api/v1/auth/logout-all")):
                    answer = plain(house, method, path, cookies, headers={"X-CSRF-Token": browser.csrf_token})
                    assert_problem(answer, 400, "ambiguous_credentials")
                assert_problem(
                    plain(house, "POST", REFRESHING, cookies, headers={"X-CSRF-Token": browser.csrf_token}), 400, "ambiguous_credentials"
                )
                assert browser.get("/users/me").status_code == 200


@pytest.mark.parametrize("name", [ACCESS, REFRESH])
def test_a_header_and_a_cookie_are_one_too_many_even_for_the_same_token(house, name):
    person = house.register()
    browser = browser_of(house, person)
    cookie = f"{name}={browser.value(name)}"

    for headers in (person.headers, {"Authorization": f"Bearer {browser.value(ACCESS)}"}, {"Authorization": "Basic eDp5"}):
        for method, path in (("GET", ME), ("POST", LOGOUT), ("POST", REFRESHING)):
            if path == REFRESHING and name == ACCESS:
                continue
            answer = plain(house, method, path, cookie, headers=headers | {"X-CSRF-Token": browser.csrf_token})
            assert_problem(answer, 400, "ambiguous_credentials")
    assert browser.get("/users/me").status_code == 200


def test_a_refresh_token_in_the_body_and_one_in_the_cookie_are_one_too_many(house, browser):
    for token in (browser.value(REFRESH), house.register().tokens.refresh, "x"):
        assert_problem(browser.post("/auth/refresh", json={"refresh_token": token}), 400, "ambiguous_credentials")
    assert browser.post("/auth/refresh").status_code == 200


def test_cookies_of_other_software_and_a_csrf_cookie_alone_do_not_disturb_a_header(house):
    person = house.register()

    for cookies in ("session=abc; theme=dark", f"{CSRF}=x", "sessionid=secureapi", f"theirs=1,{ACCESS}=x"):
        assert plain(house, "PATCH", ME, cookies, headers=person.headers, json={"bio": "x"}).status_code == 200


def test_two_cookie_headers_on_the_wire_are_two_cookies(live):
    browser = browser_of(live.house)
    access = browser.value(ACCESS)

    def asked(*headers):
        lines = "".join(f"{header}\r\n" for header in headers)
        request = f"GET {ME} HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nConnection: close\r\n{lines}\r\n"
        return live.speak(request.encode()).split(b"\r\n", 1)[0]

    assert b" 200 " in asked(f"Cookie: {ACCESS}={access}")
    assert b" 400 " in asked(f"Cookie: {ACCESS}={access}", f"Cookie: {ACCESS}={access}")
    assert b" 400 " in asked(f"Cookie: {ACCESS}={access}", "Cookie: secureapi_access=x")
    assert b" 401 " in asked("Cookie: theirs=1", f"Cookie: {ACCESS}={access}")


def test_a_token_in_the_query_is_never_taken(house, base):
    with Cases() as case:
        for name in ("access_token", "token", "jwt", "refresh_token", "api_key", "__Host-secureapi_access"):
            with case(name):
                administrator = house.administrator()
                tokens = administrator.tokens
                for token in (tokens.access, tokens.refresh):
                    for path in ("/users/me", "/users", "/security/events", "/security/health"):
                        assert_problem(plain(house, "GET", f"{base}{path}?{name}={token}"), 401, "unauthenticated")
                        refused = plain(house, "GET", f"{base}{path}?{name}={token}", headers=administrator.headers)
                        assert_problem(refused, 422)
                        assert faults(refused) == {f"/{name}": "unknown_parameter"} or set(faults(refused)) == {f"/{name}"}
                        assert token not in refused.text
                    for path in ("/auth/refresh", "/auth/login", "/auth/register"):
                        assert_problem(plain(house, "POST", f"{base}{path}?{name}={token}", json={}), 422)
                assert plain(house, "POST", REFRESHING, json={"refresh_token": tokens.refresh}).status_code == 200


@pytest.mark.parametrize("tabs", [2, 12])
def test_tabs_that_refresh_at_once_get_the_same_successor(make_house, engine, tabs):
    house = make_house(engine, refresh_reuse_grace_seconds=10)
    person = house.register()
    first = browser_of(house, person)
    browsers = [first.twin() for _ in range(tabs)]
    together = threading.Barrier(tabs)
    answers = []

    def refresh(tab):
        together.wait()
        answers.append(tab.post("/auth/refresh"))

    threads = [threading.Thread(target=refresh, args=(tab,)) for tab in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [200] * tabs
    assert len({tab.value(REFRESH) for tab in browsers}) == 1
    assert {tab.value(CSRF) for tab in browsers} == {first.csrf_token}
    assert first.value(REFRESH) != browsers[0].value(REFRESH)
    assert {tab.get("/users/me").status_code for tab in browsers} == {200}
    assert len(house.events("auth.session.refreshed", subject=person)) == 1
    assert house.events("auth.session.refresh_reused", subject=person) == []


def test_whoever_guesses_by_cookie_pays_with_his_address(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=3)
    browser = browser_of(house)
    crowd = f"{ACCESS}=a; {ACCESS}=b"

    assert_problem(plain(house, "GET", ME, f"{ACCESS}=x"), 401)
    assert_problem(plain(house, "GET", ME, crowd), 400)
    assert_problem(plain(house, "POST", LOGOUT, f"{REFRESH}=x"), 401)

    assert_problem(plain(house, "GET", ME, crowd), 429)
    assert_problem(plain(house, "POST", LOGOUT, f"{REFRESH}=x"), 429)
    assert browser.get("/users/me").status_code == 200


def test_requests_by_cookie_spend_the_budget_of_the_caller(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=3)
    browser = browser_of(house)

    assert [browser.get("/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_no_cookie_reaches_the_trail_or_the_log(make_live):
    live = make_live("embedded", log_level="DEBUG")
    browser = browser_of(live.house)
    values = [browser.value(ACCESS), browser.value(REFRESH), browser.csrf_token]
    header = "; ".join(f"{name}={browser.value(name)}" for name in (ACCESS, REFRESH, CSRF))

    assert live.get(ME, headers={"Cookie": header}).status == 200
    assert live.post(REFRESHING, headers={"Cookie": header}).status == 403
    assert live.post(LOGOUT, headers={"Cookie": header, "X-CSRF-Token": browser.csrf_token}).status == 200

    seen = live.log() + str(live.house.events())
    assert not [value for value in values if value in seen or value.rpartition(".")[2] in seen]


def test_below_a_path_of_its_own_the_refresh_cookie_is_for_the_address_that_the_browser_has(make_house):
    """The proxy takes the path off; the browser knows nothing of that."""
    house = make_house(public_url="https://example.com/id", allowed_hosts="example.com,localhost")
    person = house.register()
    sent = {"username": person.username, "password": person.password, "delivery": "cookie"}

    answer = house.client().post("/api/v1/auth/login", json=sent)

    paths = {cookie.partition("=")[0]: cookie.partition("Path=")[2].partition(";")[0] for cookie in answer.headers.getlist("Set-Cookie")}
    assert paths == {ACCESS: "/", REFRESH: "/id/api/v1/auth", CSRF: "/", DEVICE: "/"}
