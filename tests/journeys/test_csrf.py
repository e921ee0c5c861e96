"""Pages of other sites, and what they cannot make a browser do."""

import pytest

from journeys.answers import assert_problem
from secureapi.security.guard import access_of
from support.browser import ACCESS, CSRF, REFRESH, SITE, browser_of, cookies_of
from support.cases import Cases

API = "/api/v1"
LOGIN = f"{API}/auth/login"
EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
STRANGERS = {
    "another site": EVIL,
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a file": {"Origin": "null"},
    "no origin, another site": {"Sec-Fetch-Site": "cross-site"},
    "no origin, a neighbour": {"Sec-Fetch-Site": "same-site"},
    "another port": {"Origin": f"{SITE}:8443", "Sec-Fetch-Site": "same-site"},
    "another scheme": {"Origin": "http://localhost"},
    "one that begins like us": {"Origin": f"{SITE}.evil.example"},
    "an empty origin": {"Origin": ""},
    "two origins": {"Origin": f"{SITE}, https://evil.example"},
}
FRIENDS = {
    "our own page": {"Origin": SITE, "Sec-Fetch-Site": "same-origin"},
    "the public address": {"Origin": "http://127.0.0.1:8000"},
    "no origin, our own page": {"Sec-Fetch-Site": "same-origin"},
    "the address bar": {"Sec-Fetch-Site": "none"},
    "no browser of these years": {},
}


@pytest.fixture
def person(house):
    return house.register()


@pytest.fixture
def browser(house, person):
    return browser_of(house, person)


def session_of(house, person):
    (row,) = house.execute("SELECT token_hash, ended_at FROM sessions WHERE user_id = :id", id=database_id(house, person))
    return bytes(row.token_hash), row.ended_at


def database_id(house, person):
    return person.id.replace("-", "") if house.is_embedded else person.id


def unsafe_endpoints(house):
    """Every endpoint for callers that changes something, those of the future too."""
    for rule in house.app.url_map.iter_rules():
        access = access_of(house.app.view_functions[rule.endpoint])
        if access.is_any_caller or access.permissions:
            for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
                _, path = rule.build(dict.fromkeys(rule.arguments, "01890000-0000-7000-8000-000000000000"))
                yield method, path


def test_no_unsafe_endpoint_takes_a_cookie_without_the_csrf_token(house):
    person = house.administrator()
    browser = browser_of(house, person)
    endpoints = sorted(unsafe_endpoints(house))
    assert len(endpoints) >= 16

    for method, path in endpoints:
        assert_problem(browser.ask(method, path, with_csrf=False, json={}), 403, "csrf_failed")
        assert_problem(browser.ask(method, path, headers={"X-CSRF-Token": "x"}, json={}), 403, "csrf_failed")
        assert_problem(browser.ask(method, path, headers=EVIL, json={}), 403, "cross_site_request")
    assert browser.get("/users/me").status_code == 200


def test_a_method_that_nobody_knows_is_not_let_past_as_a_safe_one(house, browser):
    for method in ("get", "POST ", "PROPFIND", "TRACE"):
        assert browser.ask(method, f"{API}/auth/logout", with_csrf=False).status_code == 405


def test_another_site_changes_nothing_although_the_browser_sends_the_cookies(house, person, browser):
    without_access = browser.twin()
    without_access.forget(ACCESS)
    before = session_of(house, person)

    with Cases() as case:
        for name, stranger in STRANGERS.items():
            for path in ("/auth/refresh", "/auth/logout", "/auth/logout-all"):
                for cookies, sender in (("all", browser), ("refresh", without_access)):
                    with case(name, path, cookies):
                        known = house.events("auth.csrf.refused", subject=person)

                        answer = sender.post(path, headers=stranger)

                        assert_problem(answer, 403, "cross_site_request")
                        assert cookies_of(answer) == {}
                        assert session_of(house, person) == before
                        (event,) = house.events("auth.csrf.refused", subject=person)[len(known) :]
                        assert (event.severity, event.outcome, event.actor_id) == ("WARNING", "denied", person.id)
                        assert event.details["reason"] == "cross_site_request"
                        assert event.session_id


def test_our_own_pages_are_let_in(house, person):
    with Cases() as case:
        for name, friend in FRIENDS.items():
            for path in ("/auth/refresh", "/auth/logout", "/auth/logout-all"):
                with case(name, path):
                    assert browser_of(house, person).post(path, headers=friend).status_code == 200
                    assert house.events("auth.csrf.refused", subject=person) == []


def test_a_form_of_our_own_origin_without_the_token_changes_nothing(house, person, browser):
    with Cases() as case:
        for path in ("/auth/refresh", "/auth/logout"):
            for body in ({"data": "a=b", "content_type": "text/plain"}, {"data": {"a": "b"}}, {"json": {}}, {}):
                with case(path, body):
                    before = session_of(house, person)

                    answer = browser.post(path, with_csrf=False, headers={"Origin": SITE}, **body)

                    assert answer.status_code in {403, 415, 422}
                    assert cookies_of(answer) == {}
                    assert session_of(house, person) == before


def test_an_attacker_with_a_csrf_token_of_his_own_session_proves_nothing_about_another(house, person, browser):
    attacker = browser_of(house)
    browser.put(CSRF, attacker.csrf_token)
    without_access = browser.twin()
    without_access.forget(ACCESS)
    before = session_of(house, person)

    with Cases() as case:
        for path in ("/auth/refresh", "/auth/logout"):
            for cookies, sender in (("all", browser), ("refresh", without_access)):
                with case(path, cookies):
                    for token in (attacker.csrf_token, browser.csrf_token):
                        assert_problem(sender.post(path, headers={"X-CSRF-Token": token}), 403, "csrf_failed")

                    assert session_of(house, person) == before
    assert {event.details["reason"] for event in house.events("auth.csrf.refused", subject=person)} == {"csrf_failed"}


def test_cookie_and_header_are_both_needed(house, browser):
    with Cases() as case:
        for missing in ("cookie", "header", "both"):
            for path in ("/auth/refresh", "/auth/logout"):
                with case(missing, path):
                    sender = browser.twin()
                    if missing != "header":
                        sender.forget(CSRF)

                    assert_problem(sender.post(path, with_csrf=missing == "cookie"), 403, "csrf_failed")


def test_the_token_of_another_session_of_the_same_person_is_refused(house, person, browser):
    phone = browser_of(house, person)
    browser.put(CSRF, phone.csrf_token)

    assert_problem(browser.patch("/users/me", headers={"X-CSRF-Token": phone.csrf_token}, json={"bio": "x"}), 403, "csrf_failed")
    assert phone.patch("/users/me", json={"bio": "x"}).status_code == 200


def test_the_csrf_header_twice_is_refused(house, browser):
    twice = f"{browser.csrf_token},{browser.csrf_token}"

    assert_problem(browser.patch("/users/me", headers={"X-CSRF-Token": twice}, json={"bio": "x"}), 403, "csrf_failed")


def test_reading_needs_no_csrf_token(house, browser):
    assert browser.get("/users/me", with_csrf=False).status_code == 200
    assert browser.ask("HEAD", f"{API}/users/me", with_csrf=False).status_code == 200


def test_a_bearer_token_needs_no_csrf_token_whatever_the_origin(house, person):
    answer = house.client().patch(f"{API}/users/me", headers=person.headers | EVIL, json={"bio": "x"})

    assert answer.status_code == 200


def test_strangers_without_a_good_cookie_cannot_fill_the_trail(house):
    before = len(house.events("auth.csrf.refused"))
    ended = browser_of(house)
    thief = ended.twin()
    ended.post("/auth/logout")
    client = house.app.test_client(use_cookies=False)

    for cookies in (f"{ACCESS}=x", f"{REFRESH}=x", f"{REFRESH}=sar_{'A' * 64}", f"{CSRF}=x", f"{ACCESS}=x; {REFRESH}=x"):
        for path in ("/auth/refresh", "/auth/logout", "/auth/logout-all"):
            assert 400 <= client.post(f"{API}{path}", base_url=SITE, headers={"Cookie": cookies} | EVIL).status_code < 500
    for path in ("/auth/refresh", "/auth/logout"):
        assert thief.post(path, headers=EVIL).status_code in {401, 403}
    client.post(LOGIN, base_url=SITE, headers=EVIL, json={"username": "x", "password": "y", "delivery": "cookie"})

    assert len(house.events("auth.csrf.refused")) == before


def test_another_site_cannot_even_clear_cookies_that_are_dead(house, browser):
    thief = browser.twin()
    browser.post("/auth/logout")

    with Cases() as case:
        for path in ("/auth/refresh", "/auth/logout", "/auth/logout-all"):
            with case(path):
                answer = thief.post(path, headers=EVIL)

                assert answer.status_code in {401, 403}
                assert cookies_of(answer) == {}


def test_another_site_cannot_sign_a_victim_in_as_the_attacker(house):
    attacker = house.register()
    body = {"username": attacker.username, "password": attacker.password, "delivery": "cookie"}

    with Cases() as case:
        for name, stranger in STRANGERS.items():
            for kind in ("json", "data"):
                with case(name, kind):
                    answer = house.client().post(LOGIN, base_url=SITE, headers=stranger, **{kind: body})

                    assert_problem(answer, 403, "cross_site_request")
                    assert cookies_of(answer) == {}
                    assert house.events("auth.login.succeeded", subject=attacker) == []


def test_our_own_page_signs_somebody_in(house, person):
    body = {"username": person.username, "password": person.password, "delivery": "cookie"}

    with Cases() as case:
        for name, friend in FRIENDS.items():
            with case(name):
                assert house.client().post(LOGIN, base_url=SITE, headers=friend, json=body).status_code == 200


def test_tokens_in_the_body_may_be_had_from_anywhere(house, person):
    body = {"username": person.username, "password": person.password}

    assert house.client().post(LOGIN, base_url=SITE, headers=EVIL, json=body).status_code == 200


LISTED = "https://app.example.com"


@pytest.mark.parametrize(("allows", "status"), [(True, 200), (False, 403)])
def test_a_listed_origin_is_ours_only_where_its_pages_may_send_cookies(make_house, engine, allows, status):
    house = make_house(engine, cors_origins=LISTED, cors_allow_credentials=allows)
    browser = browser_of(house)
    origin = {"Origin": LISTED, "Sec-Fetch-Site": "same-site"}

    for path in ("/auth/refresh", "/auth/logout"):
        assert browser.post(path, headers=origin).status_code == status
    assert browser.post("/auth/logout", headers={"Origin": f"{LISTED}.evil.example"}).status_code in {401, 403}


def test_the_preflight_of_a_listed_page_allows_the_csrf_header(make_house):
    house = make_house(cors_origins=LISTED, cors_allow_credentials=True)
    asked = {"Origin": LISTED, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-csrf-token"}

    answer = house.client().options(f"{API}/auth/logout", headers=asked)

    assert "x-csrf-token" in answer.headers["Access-Control-Allow-Headers"].lower()
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_where_we_are_reached_over_https_a_page_of_our_name_without_it_is_somebody_elses(make_house):
    """A proxy ends TLS and is not believed about it, so that every request looks like plain http; anybody could serve such a page."""
    house = make_house(public_url="https://auth.example.com", allowed_hosts="auth.example.com,localhost")
    person = house.register()
    sent = {"username": person.username, "password": person.password, "delivery": "cookie"}

    def log_in(origin):
        return house.client().post(LOGIN, json=sent, headers={"Host": "auth.example.com", "Origin": origin})

    assert_problem(log_in("http://auth.example.com"), 403, "cross_site_request")
    assert log_in("https://auth.example.com").status_code == 200
