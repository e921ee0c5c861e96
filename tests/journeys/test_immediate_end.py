"""Once a revocation was answered, no request that starts later is accepted, on any of four workers: whatever it was that ended."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from secureapi.auth.service import Administration, Clients, Credentials
from secureapi.core.requests import Client
from support.house import Tokens
from support.races import Crowd, change_role

AUTH, USERS, ME = "/api/v1/auth", "/api/v1/users", "/api/v1/users/me"
REFRESH = f"{AUTH}/refresh"
TERMINAL = Client(address="", user_agent="race", request_id="race-of-the-tests")


@pytest.fixture(scope="module")
def embedded(site):
    """One worker with many threads, an SQLite file, and no Redis."""
    own = site.within()
    yield own.live("embedded")
    own.close()


@dataclass(frozen=True, slots=True)
class Victim:
    """Somebody whose tokens are to die, and how they do. `end` returns when it was answered."""

    tokens: Tokens
    end: Callable[[], None]


def sid_of(tokens):
    payload = tokens.access.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))["sid"]


def expect(answer, *statuses):
    assert answer.status in statuses, answer.text


def by_logout(live):
    person = live.house.register()
    return Victim(person.tokens, lambda: expect(live.post(f"{AUTH}/logout", person=person), 200))


def by_logout_all_from_another_device(live):
    person = live.house.register()
    other = live.house.sign_in(person)
    return Victim(person.tokens, lambda: expect(live.post(f"{AUTH}/logout-all", headers=other.headers), 200))


def by_a_change_of_password_on_another_device(live):
    person = live.house.register()
    other, tokens = live.house.sign_in(person), person.tokens
    passwords = {"current_password": person.password, "new_password": "Quite-Other-Trees-7!"}
    return Victim(tokens, lambda: expect(live.post(f"{AUTH}/change-password", headers=other.headers, json=passwords), 200))


def by_a_password_that_an_administrator_sets(live):
    person = live.house.register()
    set_password = live.house.service(Credentials).set_password
    return Victim(person.tokens, lambda: set_password(user_id=person.id, new_password="Quite-Other-Trees-7!", client=TERMINAL))


def by_disabling(live):
    person = live.house.register()
    disable = live.house.service(Administration).disable
    return Victim(person.tokens, lambda: disable(user_id=person.id, caller=None, client=TERMINAL))


def by_a_change_of_role(live):
    person = live.house.register()
    return Victim(person.tokens, lambda: change_role(live.house, person, "viewer"))


def by_a_thief_who_used_an_old_refresh_token(live):
    person = live.house.register()
    stolen = person.tokens.refresh
    second = live.post(REFRESH, json={"refresh_token": stolen}).json["refresh_token"]
    third = live.post(REFRESH, json={"refresh_token": second}).json
    newest = Tokens(third["access_token"], third["refresh_token"])
    return Victim(newest, lambda: expect(live.post(REFRESH, json={"refresh_token": stolen}), 401))


def by_ending_this_one_session_from_another(live):
    person = live.house.register()
    other, path = live.house.sign_in(person), f"{AUTH}/sessions/{sid_of(person.tokens)}"
    return Victim(person.tokens, lambda: expect(live.delete(path, headers=other.headers), 204))


def by_ending_all_others(live):
    person = live.house.register()
    tokens, other = person.tokens, live.house.sign_in(person)
    return Victim(tokens, lambda: expect(live.delete(f"{AUTH}/sessions", headers=other.headers), 200))


def by_an_administrator_who_ends_one(live):
    person, administrator = live.house.register(), live.house.administrator()
    path = f"{USERS}/{person.id}/sessions/{sid_of(person.tokens)}"
    return Victim(person.tokens, lambda: expect(live.delete(path, person=administrator), 204))


def by_an_administrator_who_ends_all(live):
    person, administrator = live.house.register(), live.house.administrator()
    return Victim(person.tokens, lambda: expect(live.delete(f"{USERS}/{person.id}/sessions", person=administrator), 200))


def by_a_client_that_revokes_the_access_token(live):
    person, name = live.house.register(), f"client-{secrets.token_hex(4)}"
    secret = live.house.service(Clients).add(client_id=name, client=TERMINAL)
    form = {"token": person.tokens.access, "client_id": name, "client_secret": secret}
    return Victim(person.tokens, lambda: expect(live.post(f"{AUTH}/revoke", form=form), 200))


WAYS = [
    by_logout,
    by_logout_all_from_another_device,
    by_a_change_of_password_on_another_device,
    by_a_password_that_an_administrator_sets,
    by_disabling,
    by_a_change_of_role,
    by_a_thief_who_used_an_old_refresh_token,
    by_ending_this_one_session_from_another,
    by_ending_all_others,
    by_an_administrator_who_ends_one,
    by_an_administrator_who_ends_all,
    by_a_client_that_revokes_the_access_token,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("by_"))
def test_no_request_that_starts_after_the_answer_is_accepted_on_any_worker(live, way):
    victim = way(live)

    with Crowd(lambda: live.get(ME, headers=victim.tokens.headers).status, threads=6) as crowd:
        crowd.meet(200, times=20)
        victim.end()
        answered = time.monotonic()
        crowd.go_on_after(answered)

    assert crowd.statuses(after=answered) == {401}
    assert crowd.statuses() == {200, 401}
    assert_refresh_token_is_worth_as_little(live, victim, way)


def assert_refresh_token_is_worth_as_little(live, victim, way):
    """A new role ends the access tokens that name the old one, not the session: the next token has the new one."""
    answer = live.post(REFRESH, json={"refresh_token": victim.tokens.refresh})
    if way is by_a_change_of_role:
        assert answer.status == 200
        assert live.get(ME, headers={"Authorization": f"Bearer {answer.json['access_token']}"}).json["role"] == "viewer"
    else:
        assert answer.status == 401


def test_a_fallen_administrators_two_hundred_calls_find_the_door_shut_from_the_answer_on(live):
    person = live.house.administrator()
    requests = Crowd(lambda: live.get(f"{USERS}?per_page=1", person=person).status, threads=10)

    with requests as calls:
        calls.meet(200, times=100)
        change_role(live.house, person, "user")
        answered = time.monotonic()
        calls.go_on_after(answered, times=10)

    assert len(calls.uses) >= 200
    assert calls.statuses(after=answered) == {401}
    fresh = live.house.sign_in(person)
    assert live.get(USERS, headers=fresh.headers).status == 403


def test_two_who_share_nothing_do_not_feel_each_others_end(live):
    leaver, stayer = live.house.register(), live.house.register()
    phone = live.house.sign_in(leaver)

    with (
        Crowd(lambda: live.get(ME, person=stayer).status, threads=4) as others,
        Crowd(lambda: live.get(ME, headers=phone.headers).status, threads=4) as own,
    ):
        others.meet(200, times=8)
        own.meet(200, times=8)
        assert live.post(f"{AUTH}/logout", person=leaver).status == 200
        answered = time.monotonic()
        others.go_on_after(answered)
        own.go_on_after(answered)

    assert others.statuses() == own.statuses() == {200}


@pytest.mark.parametrize("way", [by_logout, by_a_change_of_role, by_disabling], ids=lambda way: way.__name__.removeprefix("by_"))
def test_it_is_the_same_with_one_process_and_a_file(embedded, way):
    victim = way(embedded)

    with Crowd(lambda: embedded.get(ME, headers=victim.tokens.headers).status) as crowd:
        crowd.meet(200, times=20)
        victim.end()
        answered = time.monotonic()
        crowd.go_on_after(answered)

    assert crowd.statuses(after=answered) == {401}
