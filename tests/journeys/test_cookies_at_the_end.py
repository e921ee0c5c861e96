"""Cookies when a session ends: cleared from the browser of its owner, and worth nothing to whoever has a copy. See test_cookies.py."""

from datetime import timedelta

import pytest

from journeys.answers import assert_problem
from journeys.with_cookies import DEVICE, LOGOUT, ME, REFRESHING, assert_cleared, plain
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from support.browser import ACCESS, REFRESH, browser_of, cookies_of
from support.cases import Cases


@pytest.fixture
def browser(house):
    return browser_of(house)


def test_signing_out_clears_every_cookie(house, base):
    with Cases() as case:
        for path in ("/auth/logout", "/auth/logout-all"):
            with case(path):
                person = house.register()
                browser = browser_of(house, person, base)
                thief = browser.twin()

                answer = browser.post(path)

                assert answer.status_code == 200
                assert_cleared(answer, base)
                assert [name for name, _ in browser.jar] == [DEVICE], "the device stays known, and that lets nobody in"
                assert_problem(thief.get("/users/me"), 401, "invalid_token")
                assert_problem(thief.post("/auth/refresh"), 401, "invalid_refresh_token")


def test_signing_out_works_with_the_refresh_cookie_alone(house):
    with Cases() as case:
        for path, told in (("/auth/logout", "auth.logout.succeeded"), ("/auth/logout-all", "auth.logout_all.succeeded")):
            for left in ("none", "broken"):
                with case(path, left):
                    person = house.register()
                    browser = browser_of(house, person)
                    thief = browser.twin()
                    if left == "none":
                        browser.forget(ACCESS)
                    else:
                        browser.put(ACCESS, "x.y.z")

                    answer = browser.post(path)

                    assert answer.status_code == 200, answer.text
                    assert_cleared(answer)
                    assert_problem(thief.get("/users/me"), 401, "invalid_token")
                    assert_problem(thief.post("/auth/refresh"), 401, "invalid_refresh_token")
                    (event,) = house.events(told, subject=person)
                    assert event.actor_id == person.id
                    assert event.session_id


def test_ending_the_present_session_from_the_list_clears_every_cookie_too(house, base):
    person = house.register()
    browser = browser_of(house, person, base)
    browser_of(house, person)
    sessions = browser.get("/auth/sessions").json["sessions"]
    (current,) = [session["id"] for session in sessions if session["is_current"]]
    (other,) = [session["id"] for session in sessions if not session["is_current"]]

    assert cookies_of(browser.ask("DELETE", f"{base}/auth/sessions/{other}")) == {}
    answer = browser.ask("DELETE", f"{base}/auth/sessions/{current}")

    assert answer.status_code == 204
    assert_cleared(answer, base)


def test_signing_out_by_header_sets_no_cookie(house):
    assert cookies_of(house.client().post(LOGOUT, headers=house.register().headers)) == {}


def test_the_refresh_cookie_opens_nothing_else(house, browser):
    browser.forget(ACCESS)
    header = f"{REFRESH}={browser.value(REFRESH)}"

    for method, path in (("GET", ME), ("PATCH", ME), ("GET", "/api/v1/security/health"), ("POST", "/api/v1/auth/change-password")):
        answer = plain(house, method, path, header, headers={"X-CSRF-Token": browser.csrf_token}, json={} if method != "GET" else None)
        assert_problem(answer, 401, "unauthenticated")
    assert_problem(browser.post("/auth/reauthenticate", json={"password": "x"}), 401, "unauthenticated")


def test_a_refresh_token_is_no_access_token_in_a_cookie_and_the_other_way_round(house, browser):
    access, refresh = browser.value(ACCESS), browser.value(REFRESH)

    assert_problem(plain(house, "GET", ME, f"{ACCESS}={refresh}"), 401, "invalid_token")
    for path in (REFRESHING, LOGOUT):
        answer = plain(house, "POST", path, f"{REFRESH}={access}", headers={"X-CSRF-Token": browser.csrf_token})
        assert_problem(answer, 401, "invalid_refresh_token")
    assert browser.get("/users/me").status_code == 200


def test_a_forged_access_cookie_is_an_invalid_token(house, browser):
    with Cases() as case:
        for value in ("", "x", '"{}"', "{}x", "{}, theirs=1", "null", "{} {}"):
            with case(value):
                answer = plain(house, "GET", ME, f"{ACCESS}={value.replace('{}', browser.value(ACCESS))}")

                assert_problem(answer, 401, "invalid_token")


def test_cookies_that_are_refused_at_the_refresh_are_cleared(house, base):
    person = house.register()
    browser = browser_of(house, person, base)
    house.service(Administration).disable(user_id=person.id, caller=None, client=Client.of_command_line())

    answer = browser.post("/auth/refresh")

    assert_problem(answer, 401, "invalid_refresh_token")
    assert_cleared(answer, base)
    assert [name for name, _ in browser.jar] == [DEVICE], "the device stays known, and that lets nobody in"


def test_a_thief_with_a_used_refresh_cookie_closes_the_session_and_loses_his_cookies(house):
    person = house.register()
    owner = browser_of(house, person)
    thief = owner.twin()
    assert owner.post("/auth/refresh").status_code == 200

    answer = thief.post("/auth/refresh")

    assert_problem(answer, 401, "refresh_reused")
    assert_cleared(answer)
    assert_problem(owner.get("/users/me"), 401, "invalid_token")
    assert len(house.events("auth.session.refresh_reused", subject=person)) == 1


def test_a_made_up_refresh_cookie_is_refused_and_cleared(house):
    with Cases() as case:
        for value in ("", "x", "sar_" + "A" * 64):
            with case(value):
                answer = plain(house, "POST", REFRESHING, f"{REFRESH}={value}")

                assert_problem(answer, 401, "invalid_refresh_token")
                assert_cleared(answer)


def test_a_refused_refresh_in_the_body_clears_nothing(house):
    assert cookies_of(plain(house, "POST", REFRESHING, json={"refresh_token": "x"})) == {}


def test_cookies_stay_where_the_server_is_only_busy(make_house, engine):
    house = make_house(engine, refresh_rate_limit="1/minute")
    browser = browser_of(house)
    assert browser.post("/auth/refresh").status_code == 200

    answer = browser.post("/auth/refresh")

    assert_problem(answer, 429)
    assert cookies_of(answer) == {}


def test_somebody_who_signs_out_of_a_dead_session_leaves_a_clean_browser(house):
    person = house.register()
    browser = browser_of(house, person)
    other = browser.twin()
    browser.post("/auth/logout")

    answer = other.post("/auth/logout")

    assert_problem(answer, 401)
    assert_cleared(answer)
    assert len(house.events("auth.logout.succeeded", subject=person)) == 1


def test_signing_out_takes_the_previous_refresh_cookie_inside_the_grace_and_not_after(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_reuse_grace_seconds=10)
    for seconds, status in ((9, 200), (10, 401)):
        owner = browser_of(house)
        late = owner.twin()
        late.forget(ACCESS)
        assert owner.post("/auth/refresh").status_code == 200
        clock.advance(timedelta(seconds=seconds))

        assert late.post("/auth/logout").status_code == status
        assert owner.get("/users/me").status_code == (401 if status == 200 else 200)


@pytest.mark.parametrize("why", ["ended", "disabled", "disabled in the database", "idle", "gone"])
def test_no_refresh_cookie_of_a_session_that_is_over_signs_anybody_out(make_house, engine, clock, why):
    house = make_house(engine, clock=clock)
    person = house.register()
    browser = browser_of(house, person)
    browser.forget(ACCESS)
    if why == "ended":
        browser.twin().post("/auth/logout")
    elif why == "disabled":
        house.service(Administration).disable(user_id=person.id, caller=None, client=Client.of_command_line())
    elif why == "disabled in the database":
        house.execute("UPDATE users SET status = 'disabled'")
    elif why == "idle":
        clock.advance(timedelta(days=7))
    else:
        house.execute("DELETE FROM users")
    before = len(house.events())

    assert_problem(browser.post("/auth/logout"), 401, "invalid_refresh_token")

    assert len(house.events()) == before
