"""Somebody who is thrown out while his request is under way: what he had begun does not take effect. And nobody stays in by being quick."""

from datetime import timedelta

import pytest

from journeys.answers import assert_problem
from secureapi.auth.callers import Callers
from secureapi.auth.service import Administration, Credentials
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.security.passwords import PasswordHasher
from secureapi.users.service import Profiles
from support.services_of_others import INTROSPECT, add_service, basic

API = "/api/v1"
NEW = "Other-Trees-43!"
TERMINAL = Client.of_command_line()


def is_alive(house, tokens):
    return house.client().get(f"{API}/users/me", headers=tokens.headers).status_code == 200


def log_in(house, person, password=None):
    return house.client().post(f"{API}/auth/login", json={"username": person.username, "password": password or person.password})


def session_id_of(house, tokens):
    (current,) = [
        session["id"]
        for session in house.client().get(f"{API}/auth/sessions", headers=tokens.headers).json["sessions"]
        if session["is_current"]
    ]
    return current


def meanwhile(monkeypatch, instance, method, happens):
    """Let something happen, once, between what a method of this instance does and its return."""
    original = getattr(instance, method)

    def slowly(*args, **kwargs):
        result = original(*args, **kwargs)
        monkeypatch.setattr(instance, method, original)
        happens()
        return result

    monkeypatch.setattr(instance, method, slowly)


def beforehand(monkeypatch, instance, method, happens):
    """The same, before it does anything."""
    original = getattr(instance, method)

    def later(*args, **kwargs):
        monkeypatch.setattr(instance, method, original)
        happens()
        return original(*args, **kwargs)

    monkeypatch.setattr(instance, method, later)


def ways_out(house, person):
    """What may happen to somebody whose first session is at work, by name. Each is complete when it returns."""
    other, administrator = house.sign_in(person), house.administrator()
    mine = session_id_of(house, person.tokens)

    def ask(method, path, headers, status):
        assert house.client().open(API + path, method=method, headers=headers).status_code == status

    return {
        "disabled": lambda: house.service(Administration).disable(user_id=person.id, caller=None, client=TERMINAL),
        "disabled, with his sessions left": lambda: house.execute(
            "UPDATE users SET status = 'disabled' WHERE username = :name", name=person.username
        ),
        "logout-all": lambda: ask("POST", "/auth/logout-all", other.headers, 200),
        "logged out himself": lambda: ask("POST", "/auth/logout", person.headers, 200),
        "ended from another device": lambda: ask("DELETE", f"/auth/sessions/{mine}", other.headers, 204),
        "all others ended": lambda: ask("DELETE", "/auth/sessions", other.headers, 200),
        "ended by an administrator": lambda: ask("DELETE", f"/users/{person.id}/sessions/{mine}", administrator.headers, 204),
        "all ended by an administrator": lambda: ask("DELETE", f"/users/{person.id}/sessions", administrator.headers, 200),
        "another password": lambda: house.service(Credentials).set_password(
            user_id=person.id, new_password="Quite-Other-Trees-7!", client=TERMINAL
        ),
    }


WAYS_OUT = (
    *("disabled", "disabled, with his sessions left", "logout-all", "logged out himself", "ended from another device"),
    *("all others ended", "ended by an administrator", "all ended by an administrator", "another password"),
)


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_thief_who_is_thrown_out_while_his_new_password_is_hashed_has_not_changed_it(house, monkeypatch, way):
    """The owner sees him and ends everything; he must not be the one who knows the password afterwards."""
    person = house.register()
    happens = ways_out(house, person)[way]
    meanwhile(monkeypatch, house.service(PasswordHasher), "hash", happens)
    passwords = {"current_password": person.password, "new_password": NEW}

    answer = house.client().post(f"{API}/auth/change-password", headers=person.headers, json=passwords)

    assert_problem(answer, 403, "wrong_current_password")
    assert house.events("auth.password.changed", subject=person) == []
    (event,) = house.events("auth.password.change_refused", subject=person)
    assert (event.outcome, event.details) == ("failure", {"reason": "changed_meanwhile"})
    if way.startswith("disabled"):
        assert log_in(house, person).status_code == 401
        house.service(Administration).enable(user_id=person.id, caller=None, client=TERMINAL)
    assert log_in(house, person, NEW).status_code == 401
    assert log_in(house, person, "Quite-Other-Trees-7!" if way == "another password" else person.password).status_code == 200


def test_a_session_that_is_over_while_the_new_password_is_hashed_changes_it_no_more(make_house, engine, clock, monkeypatch):
    house = make_house(engine, clock=clock)
    person = house.register()
    assert person.headers
    meanwhile(monkeypatch, house.service(PasswordHasher), "hash", lambda: clock.advance(house.settings.session_lifetime))
    passwords = {"current_password": person.password, "new_password": NEW}

    assert_problem(house.client().post(f"{API}/auth/change-password", headers=person.headers, json=passwords), 403)

    assert log_in(house, person).status_code == 200


def test_whoever_is_not_thrown_out_changes_it_though_others_come_and_go(house, monkeypatch):
    """Otherwise the test above would pass with a door that is always shut."""
    person, administrator = house.register(), house.administrator()
    other, third = house.sign_in(person), house.sign_in(person)

    def others_come_and_go():
        ended = house.client().delete(f"{API}/users/{person.id}/sessions/{session_id_of(house, third)}", headers=administrator.headers)
        assert ended.status_code == 204
        house.sign_in(person)

    assert person.headers
    meanwhile(monkeypatch, house.service(PasswordHasher), "hash", others_come_and_go)
    passwords = {"current_password": person.password, "new_password": NEW}

    assert house.client().post(f"{API}/auth/change-password", headers=person.headers, json=passwords).status_code == 200
    assert len(house.events("auth.password.changed", subject=person)) == 1
    assert (is_alive(house, person.tokens), is_alive(house, other)) == (True, False)
    assert log_in(house, person, NEW).status_code == 200


@pytest.mark.parametrize("way", ["disabled, with his sessions left", "logout-all", "ended by an administrator"])
def test_whoever_is_thrown_out_while_he_proves_himself_has_proved_nothing(house, monkeypatch, way):
    person = house.register()
    happens = ways_out(house, person)[way]
    proofs = (
        "SELECT s.id, s.authenticated_at, s.methods FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.username = :name ORDER BY s.id"
    )
    before = house.execute(proofs, name=person.username)
    meanwhile(monkeypatch, house.service(PasswordHasher), "verify", happens)

    answer = house.client().post(f"{API}/auth/reauthenticate", headers=person.headers, json={"password": person.password})

    assert_problem(answer, 403, "wrong_current_password")
    assert house.execute(proofs, name=person.username) == before
    assert house.events("auth.reauthentication.succeeded", subject=person) == []
    (event,) = house.events("auth.reauthentication.refused", subject=person)
    assert event.details == {"reason": "changed_meanwhile"}


@pytest.mark.parametrize("change", [{"bio": "mine now"}, {"username": "mine-{}"}, {"email": "thief-{}@example.com"}], ids=str)
def test_whoever_is_disabled_before_his_change_takes_hold_of_the_account_has_changed_nothing(house, monkeypatch, change):
    """His request was let in, and then waited for the row that an administrator was writing to."""
    person = house.register()
    change = {name: value.format(person.username[-12:]) for name, value in change.items()}
    happens = ways_out(house, person)["disabled"]
    before = house.execute("SELECT username, email, pending_email, bio FROM users WHERE username = :name", name=person.username)
    beforehand(monkeypatch, house.service(Profiles), "change_mine", happens)

    answer = house.client().patch(f"{API}/users/me", headers=person.headers, json=change)

    assert_problem(answer, 401)
    assert house.execute("SELECT username, email, pending_email, bio FROM users WHERE username = :name", name=person.username) == before
    assert house.events("users.profile.changed", subject=person) == []
    assert house.events("users.email.change_requested", subject=person) == []


# Marks


class Told:
    """What workers were told, in order."""

    def __init__(self, monkeypatch, house):
        self.calls = []
        callers = house.service(Callers)
        for name in ("session_ended", "user_changed"):
            monkeypatch.setattr(callers, name, self._spy(name, getattr(callers, name)))

    def _spy(self, name, original):
        def told(*args):
            self.calls.append((name, *args))
            return original(*args)

        return told


@pytest.fixture
def told(monkeypatch):
    """`told(house)`: everything that its workers are told from now on."""
    return lambda house: Told(monkeypatch, house)


@pytest.fixture(params=["his own", "an administrator's"])
def end(request, house):
    """`end(person, session_id)`: have it ended by himself, from another session, or by an administrator."""
    administrator = house.administrator()

    def ask(person, session_id):
        if request.param == "his own":
            return house.client().delete(f"{API}/auth/sessions/{session_id}", headers=house.sign_in(person).headers)
        return house.client().delete(f"{API}/users/{person.id}/sessions/{session_id}", headers=administrator.headers)

    return ask


def test_a_session_that_had_ended_before_is_made_known_before_it_is_said_to_be_gone(house, end, told):
    """Whoever ended it may have died between the database and the mark, and whoever asks now relies on the answer."""
    person = house.register()
    session_id = session_id_of(house, person.tokens)
    house.client().post(f"{API}/auth/logout", headers=person.headers)
    seen = told(house)

    assert_problem(end(person, session_id), 404)

    assert seen.calls == [("session_ended", person.id, session_id)]


def test_a_copy_that_its_worker_left_behind_is_worthless_after_the_404(house, end):
    person = house.register()
    session_id = session_id_of(house, person.tokens)
    assert is_alive(house, person.tokens)
    # What a worker does that is killed right after its transaction.
    house.execute(
        "UPDATE sessions SET ended_at = created_at, end_reason = 'revoked' WHERE user_id = (SELECT id FROM users WHERE username = :name)",
        name=person.username,
    )
    assert is_alive(house, person.tokens) is not house.is_embedded, "there is no copy, so nothing was proved"

    assert_problem(end(person, session_id), 404)

    assert not is_alive(house, person.tokens)


def test_nobody_ends_a_session_that_is_not_his_by_naming_it(house):
    """The mark is written all the same, under the name of whoever asks."""
    mallory, alice = house.register(), house.register()
    session_id = session_id_of(house, alice.tokens)

    for _ in range(2):
        assert_problem(house.client().delete(f"{API}/auth/sessions/{session_id}", headers=mallory.headers), 404)
        assert_problem(house.client().delete(f"{API}/auth/sessions/{new_id()}", headers=mallory.headers), 404)
        assert is_alive(house, alice.tokens)
        assert is_alive(house, mallory.tokens)


def test_a_sign_in_that_displaces_several_makes_it_known_once_and_one_that_displaces_nobody_not_at_all(make_house, engine, clock, told):
    """While Redis is away each mark holds the answer: six of them would hold it for a minute."""
    own = make_house(engine, clock=clock)
    seen = told(own)
    person, sessions = own.register(), []
    for _ in range(6):
        clock.advance(timedelta(seconds=1))
        sessions.append(own.sign_in(person))
    assert all(is_alive(own, tokens) for tokens in sessions)
    assert seen.calls == []

    for most, displaced in ((6, 1), (3, 4)):
        object.__setattr__(own.settings, "max_sessions_per_user", most)
        clock.advance(timedelta(seconds=1))
        sessions.append(own.sign_in(person))

        ((_, user_id, *_),) = seen.calls
        assert user_id == person.id
        assert [is_alive(own, tokens) for tokens in sessions] == [False] * (len(sessions) - most) + [True] * most
        assert len(own.events("auth.session.displaced", subject=person)) == displaced + (most < 6)
        seen.calls.clear()


# Budgets


THROWS_OUT = ("POST /auth/logout-all", "DELETE /auth/sessions", "DELETE /auth/sessions/{stolen}", "POST /auth/change-password")


def test_a_thief_who_uses_up_his_budget_cannot_keep_the_owner_from_throwing_him_out(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=6)

    for way in THROWS_OUT:
        person = house.register()
        stolen, own = person.tokens, house.sign_in(person)
        method, path = way.format(stolen=session_id_of(house, stolen)).split()
        reads = [house.client().get(f"{API}/users/me", headers=stolen.headers).status_code for _ in range(8)]
        assert reads == [200] * 5 + [429] * 3
        body = {"current_password": person.password, "new_password": NEW} if "password" in path else None

        answer = house.client().open(API + path, method=method, headers=own.headers, json=body)

        assert answer.status_code in {200, 204}, answer.text
        assert house.client().get(f"{API}/users/me", headers=stolen.headers).status_code in {401, 429}
        assert_problem(house.client().post(f"{API}/auth/refresh", json={"refresh_token": stolen.refresh}), 401)
        assert log_in(house, person, NEW if body else None).status_code == 200


def test_an_owner_with_a_single_session_signs_in_anew_and_throws_him_out(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=3)
    person = house.register()
    statuses = [house.client().get(f"{API}/users/me", headers=person.headers).status_code for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2

    fresh = house.sign_in(person)

    assert house.client().post(f"{API}/auth/logout-all", headers=fresh.headers).status_code == 200
    assert_problem(house.client().post(f"{API}/auth/refresh", json={"refresh_token": person.tokens.refresh}), 401)


def test_wrong_secrets_of_clients_leave_no_more_events_than_the_login_limit_allows_and_keep_nobody_from_signing_in(
    make_house, engine, from_elsewhere
):
    """Whoever guesses must not fill the trail; and a service that has missed its new secret shares its address with people."""
    house = make_house(engine, login_rate_limit="5/minute")
    shop, person = add_service(house), house.register()
    right = {"username": person.username, "password": person.password}

    def guess(proof, number, elsewhere):
        secret = f"sac_{number:043}"
        if proof == "in the form":
            return house.client().post(INTROSPECT, data={"token": "x", "client_id": shop.id, "client_secret": secret}, **elsewhere)
        name = shop.id if proof == "in the header" else f"nobody-{number}"
        return house.client().post(INTROSPECT, headers=basic(name, secret), data={"token": "x"}, **elsewhere)

    for proof in ("in the header", "in the form", "of nobody"):
        elsewhere, before = from_elsewhere(), len(house.events("auth.client.refused"))

        assert [guess(proof, number, elsewhere).status_code for number in range(12)] == [401] * 5 + [429] * 7

        assert len(house.events("auth.client.refused")) - before == 5
        assert house.client().post(f"{API}/auth/login", json=right, **elsewhere).status_code == 200
        assert house.client().post(INTROSPECT, headers=shop.headers, data={"token": "x"}, **elsewhere).status_code == 200
