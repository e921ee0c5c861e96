"""What is dangerous asks for a recent proof (RFC 9470). That giving one is no way to guess a password is in test_guesses."""

from datetime import timedelta

import pytest

from journeys.answers import assert_headers, assert_problem
from secureapi.auth.service import Administration, Credentials
from secureapi.core.requests import Client
from secureapi.security.passwords import PasswordHasher
from support.browser import ACCESS, SetCookie, browser_of, cookies_of

API = "/api/v1"
REAUTHENTICATE = f"{API}/auth/reauthenticate"
NEW = "Other-Trees-43!"
CHALLENGE = 'Bearer error="insufficient_user_authentication", error_description="A more recent sign-in is required.", max_age=600'


@pytest.fixture
def clock(shared_clock):
    return shared_clock


@pytest.fixture
def own(shared_house, engine, clock):
    """A house with a clock that the tests move on."""
    return shared_house(engine, clock=clock)


@pytest.fixture
def late(own, clock):
    """Somebody who signed in eleven minutes ago."""
    person = own.register()
    assert person.headers
    clock.advance(timedelta(minutes=11))
    return person


def again(house, headers, password):
    return house.client().post(REAUTHENTICATE, headers=headers, json={"password": password})


def fresh(house, person):
    answer = again(house, person.headers, person.password)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def change_password(house, person, headers, path=f"{API}/auth/change-password"):
    return house.client().post(path, headers=headers, json={"current_password": person.password, "new_password": NEW})


def change_email(house, headers, method="PATCH", email="elsewhere@example.com", **more):
    return house.client().open(f"{API}/users/me", method=method, headers=headers, json={"email": email} | more)


def assert_step_up(answer):
    assert_problem(answer, 401, "insufficient_user_authentication")
    assert answer.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize("path", [f"{base}{path}" for base in (API, "") for path in ("/auth/change-password", "/users/me/change-password")])
def test_a_thief_with_an_old_token_cannot_change_the_password_even_if_he_knows_it(own, late, path):
    assert_step_up(change_password(own, late, late.headers, path))

    assert own.client().post(f"{API}/auth/login", json={"username": late.username, "password": late.password}).status_code == 200
    assert change_password(own, late, fresh(own, late), path).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_thief_with_an_old_token_cannot_move_the_account_to_an_address_of_his(own, late, method):
    assert_step_up(change_email(own, late.headers, method, full_name="Mallory"))

    me = own.client().get(f"{API}/users/me", headers=late.headers).json
    assert (me["email"], me["full_name"]) == (late.email, None)
    (event,) = own.events("users.profile.refused", subject=late)
    assert event.details == {"reason": "insufficient_user_authentication"}
    assert (me["pending_email"], own.events("users.email.change_requested", subject=late)) == (None, [])
    assert change_email(own, fresh(own, late), method).json["pending_email"] == "elsewhere@example.com"


def test_an_old_token_does_not_tell_which_addresses_are_taken(own, late):
    other = own.register()

    assert_step_up(change_email(own, late.headers, email=other.email))
    assert_step_up(change_email(own, late.headers, email="free@example.com"))


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_address_that_stays_as_it_is_needs_no_proof(own, late, method):
    answer = change_email(own, late.headers, method, email=late.email, bio="x")

    assert (answer.status_code, answer.json["bio"]) == (200, "x")


def test_another_spelling_of_the_address_is_another_address(own, late):
    assert_step_up(change_email(own, late.headers, email=late.email.upper()))


def test_the_proof_is_good_for_exactly_as_long_as_the_settings_say(make_house, engine, clock):
    house = make_house(engine, clock=clock, reauthentication_max_age_minutes=3)
    person = house.register()
    assert person.headers
    clock.advance(timedelta(minutes=3) - timedelta(seconds=1))
    assert change_email(house, person.headers).status_code == 200

    clock.advance(timedelta(seconds=2))

    answer = change_email(house, person.headers, email="third@example.com")
    assert_problem(answer, 401, "insufficient_user_authentication")
    assert answer.headers["WWW-Authenticate"].endswith("max_age=180")


def test_a_proof_gives_a_token_of_the_same_session_and_nothing_else(own, late, clock, base):
    answer = own.client().post(f"{base}/auth/reauthenticate", headers=late.headers, json={"password": late.password})

    assert answer.status_code == 200
    assert_headers(answer)
    assert answer.json.keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    assert cookies_of(answer) == {}
    (session,) = own.execute(
        "SELECT methods, authenticated_at, ended_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE username = :name",
        name=late.username,
    )
    assert (session.methods, session.ended_at) == ("pwd", None)
    assert str(clock.now())[:19] in str(session.authenticated_at)
    (event,) = own.events("auth.reauthentication.succeeded", subject=late)
    (opened,) = own.events("auth.login.succeeded", subject=late)
    assert (event.actor_id, event.session_id, event.details) == (late.id, opened.session_id, {"methods": ["pwd"]})


def test_a_thief_with_an_old_token_gains_nothing_when_its_owner_proves_himself(own, late):
    stolen = dict(late.headers)

    renewed = fresh(own, late)

    assert own.client().get(f"{API}/users/me", headers=stolen).status_code == 200
    assert_step_up(change_password(own, late, stolen))
    assert_step_up(change_email(own, stolen))
    assert change_email(own, renewed).status_code == 200


def test_a_refresh_is_no_proof_but_remembers_one(own, late, clock):
    def refreshed(token):
        answer = own.client().post(f"{API}/auth/refresh", json={"refresh_token": token}).json
        return answer["refresh_token"], {"Authorization": f"Bearer {answer['access_token']}"}

    token, headers = refreshed(late.tokens.refresh)
    assert_step_up(change_email(own, headers))
    fresh(own, late)
    token, headers = refreshed(token)
    assert change_email(own, headers).status_code == 200
    clock.advance(timedelta(minutes=11))
    token, headers = refreshed(token)
    assert_step_up(change_email(own, headers, email="third@example.com"))


@pytest.mark.parametrize("wrong", ["wrong", " ", "{} ", "{}x", "NULL"])
def test_a_wrong_password_is_no_proof(own, late, wrong):
    problem = assert_problem(again(own, late.headers, wrong.replace("{}", late.password)), 403, "wrong_current_password")

    assert "assword" in problem["detail"]
    assert_step_up(change_email(own, late.headers))
    (event,) = own.events("auth.reauthentication.refused", subject=late)
    assert (event.outcome, event.severity, event.details) == ("failure", "WARNING", {"reason": "wrong_password"})
    assert own.events("auth.reauthentication.succeeded", subject=late) == []


@pytest.mark.parametrize("path", ["auth/reauthenticate", "auth/change-password", "users/me/change-password"])
def test_a_thief_of_a_token_does_not_use_up_the_owners_budget_with_rubbish(make_house, engine, path):
    house = make_house(engine, login_rate_limit="3/minute")
    person = house.register()
    stolen, own = house.sign_in(person), house.sign_in(person)

    rubbish = [house.client().post(f"{API}/{path}", headers=stolen.headers, json={}).status_code for _ in range(5)]

    assert rubbish == [422, 422, 422, 429, 429]
    assert again(house, own.headers, person.password).status_code == 200


def test_the_limit_of_the_sign_in_holds_here_for_each_session(make_house, engine):
    house = make_house(engine, login_rate_limit="3/minute")
    person, other = house.register(), house.register()
    assert person.headers
    assert other.headers

    answers = [again(house, person.headers, person.password).status_code for _ in range(4)]

    assert answers == [200, 200, 200, 429]
    assert again(house, other.headers, other.password).status_code == 200


def meanwhile(monkeypatch, hasher, happens):
    """Let something happen while a password is looked at."""
    verify = hasher.verify

    def slowly(*args, **kwargs):
        is_right = verify(*args, **kwargs)
        monkeypatch.undo()
        happens()
        return is_right

    monkeypatch.setattr(hasher, "verify", slowly)


@pytest.mark.parametrize("what", ["signed out", "disabled", "disabled in the database", "another password", "a week", "own new password"])
def test_what_happened_while_the_password_was_looked_at_counts(own, late, clock, monkeypatch, what):

    admin = Client.of_command_line()
    happens = {
        "signed out": lambda: own.client().post(f"{API}/auth/logout", headers=late.headers),
        "disabled": lambda: own.service(Administration).disable(user_id=late.id, caller=None, client=admin),
        "disabled in the database": lambda: own.execute("UPDATE users SET status = 'disabled'"),
        "another password": lambda: own.service(Credentials).set_password(user_id=late.id, new_password=NEW, client=admin),
        "a week": lambda: clock.advance(timedelta(days=7)),
        "own new password": lambda: change_password(own, late, headers),
    }[what]
    headers = fresh(own, late)
    before = len(own.events("auth.reauthentication.succeeded"))
    meanwhile(monkeypatch, own.service(PasswordHasher), happens)

    answer = again(own, late.headers, late.password)

    assert_problem(answer, 403, "wrong_current_password")
    (event,) = own.events("auth.reauthentication.refused", subject=late)
    assert event.details == {"reason": "changed_meanwhile"}
    assert len(own.events("auth.reauthentication.succeeded")) == before


def test_nobody_proves_himself_without_a_good_access_token(house):
    person = house.register()

    assert_problem(house.client().post(REAUTHENTICATE, json={"password": person.password}), 401, "unauthenticated")
    refused = again(house, {"Authorization": f"Bearer {person.tokens.refresh}"}, person.password)
    assert_problem(refused, 401, "invalid_token")


@pytest.mark.parametrize(
    "body", [{}, {"password": ""}, {"password": None}, {"password": 1}, {"password": "x" * 129}, {"password": "x", "a": 1}]
)
def test_a_proof_of_the_wrong_shape_is_refused_and_costs_no_attempt(house, body):
    person = house.register()
    assert person.headers

    assert_problem(house.client().post(REAUTHENTICATE, headers=person.headers, json=body), 422)
    assert house.events("auth.reauthentication.refused", subject=person) == []


def test_in_a_browser_the_fresh_token_is_a_cookie(own, clock, base):
    person = own.register()
    browser = browser_of(own, person, base)
    thief = browser.twin()
    clock.advance(timedelta(minutes=11))
    assert_step_up(browser.patch("/users/me", json={"email": "elsewhere@example.com"}))

    answer = browser.post("/auth/reauthenticate", json={"password": person.password})

    assert answer.json == {"token_type": "Bearer", "expires_in": 900}
    cookie = cookies_of(answer)[ACCESS]
    assert cookies_of(answer) == {
        ACCESS: SetCookie(ACCESS, cookie.value, "/", 900, "Strict", frozenset(["secure", "httponly"]), frozenset())
    }
    assert browser.patch("/users/me", json={"email": "elsewhere@example.com"}).status_code == 200
    assert_step_up(thief.patch("/users/me", json={"email": "third@example.com"}))
    assert_problem(browser.post("/auth/reauthenticate", json={"password": person.password}, with_csrf=False), 403, "csrf_failed")


def test_the_description_says_where_a_recent_proof_is_asked_for_and_how_browsers_come_in(house):
    described = house.client().get("/openapi.json").json
    operation = described["paths"][f"{API}/auth/change-password"]["post"]

    assert "insufficient_user_authentication" in operation["description"]
    assert operation["security"] == [{"bearer": []}, {"cookie": [], "csrf": []}]
    assert described["paths"][f"{API}/users/me"]["get"]["security"] == [{"bearer": []}, {"cookie": []}, {"api_key": []}]
    assert {"refresh_cookie": [], "csrf": []} in described["paths"][f"{API}/auth/logout"]["post"]["security"]
    assert {"bearer", "cookie", "refresh_cookie", "csrf"} <= described["components"]["securitySchemes"].keys()
    assert described["paths"][f"{API}/auth/refresh"]["post"]["requestBody"].get("required", False) is False
