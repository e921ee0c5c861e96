"""Accounts that an administrator locks, for a while or until he unlocks them: nobody comes in meanwhile, neither a person nor a program."""

from datetime import timedelta

import pytest

from journeys.answers import assert_problem, faults
from journeys.recovering import FORGOT, log_in, post, reset, somebody, token_in
from journeys.with_keys import make_key
from secureapi.auth.service import Administration
from secureapi.core.clock import rfc3339
from secureapi.core.requests import Client
from secureapi.users.errors import LastAdministrator
from support.cases import Cases
from support.letters import Letters

API = "/api/v1"
USERS, ME = f"{API}/users", f"{API}/users/me"
TERMINAL = Client.of_command_line()
HALF_AN_HOUR, A_MINUTE = timedelta(minutes=30), timedelta(minutes=1)
WHY = "Somebody rang up and said that he was the owner."


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def own(make_house, engine, clock, letters):
    """A house on each engine in turn, with a clock that the test moves."""
    return make_house(engine, clock=clock, **letters.settings)


def lock(house, who, person, **wanted):
    body = {"json": wanted} if wanted else {}
    return house.client().post(f"{USERS}/{person.id}/lock", headers=who.headers, **body)


def shown(house, person):
    return house.client().get(f"{USERS}/{person.id}", headers=house.administrator().headers).json


def test_a_lock_with_an_end_falls_by_itself(own, clock):
    admin, person = own.administrator(), own.register()
    tokens, key = own.sign_in(person), make_key(person)
    assert key.get().status_code == 200
    ends = clock.now() + HALF_AN_HOUR

    answer = lock(own, admin, person, minutes=30, reason=WHY)

    assert answer.status_code == 200, answer.text
    seen = {field: answer.json[field] for field in ("status", "is_active", "locked_until", "lock_reason")}
    assert seen == {"status": "locked", "is_active": False, "locked_until": rfc3339(ends), "lock_reason": WHY}
    assert own.client().get(ME, headers=tokens.headers).status_code == 401
    for wait in (timedelta(0), HALF_AN_HOUR - A_MINUTE):
        clock.advance(wait)
        assert_problem(key.get(), 401, "invalid_token")
        assert_problem(log_in(own, person), 401, "invalid_credentials")

    clock.advance(A_MINUTE)

    assert key.get().status_code == 200, "suspended, and not revoked"
    record = shown(own, person)
    assert (record["status"], record["is_active"], record["locked_until"], record["lock_reason"]) == ("active", True, None, None)
    for status, count in {"active": 1, "locked": 0, "disabled": 0}.items():
        found = own.client().get(USERS, headers=own.administrator().headers, query_string={"q": person.username, "status": status}).json
        assert (found["total"], len(found["users"])) == (count, count), status
    renewed = log_in(own, person)
    assert renewed.status_code == 200
    newer = {"Authorization": f"Bearer {renewed.json['access_token']}"}
    assert own.client().get(ME, headers=newer).json["is_active"] is True
    again = own.client().post(f"{API}/auth/refresh", json={"refresh_token": tokens.refresh})
    assert again.status_code == 401, "its sessions stay ended"
    (event,) = own.events("users.locked", subject=person)
    assert event.details == {"until": rfc3339(ends)}, "the reason is not in the trail"


def test_after_its_end_a_lock_keeps_nobody_from_a_new_password(own, letters, clock):
    person = somebody(own, letters)
    own.service(Administration).lock(user_id=person.id, lasting=HALF_AN_HOUR, caller=None, client=TERMINAL)
    post(own, FORGOT, email=person.email)
    assert letters.deliver(own) == []

    clock.advance(HALF_AN_HOUR)

    post(own, FORGOT, email=person.email)
    (message,) = letters.deliver(own)
    assert reset(own, token_in(message, "reset-password"), "Quite-Other-Trees-7!").status_code == 200
    assert log_in(own, person, "Quite-Other-Trees-7!").status_code == 200


def test_an_administrator_counts_again_when_his_lock_has_fallen(own, clock):
    one, other = own.administrator(), own.administrator()
    administration = own.service(Administration)
    administration.lock(user_id=other.id, lasting=HALF_AN_HOUR, caller=None, client=TERMINAL)
    with pytest.raises(LastAdministrator):
        administration.disable(user_id=one.id, caller=None, client=TERMINAL)

    clock.advance(HALF_AN_HOUR)

    assert administration.disable(user_id=one.id, caller=None, client=TERMINAL).status == "disabled"
    with pytest.raises(LastAdministrator):
        administration.lock(user_id=other.id, caller=None, client=TERMINAL)
    assert shown(own, other)["status"] == "active"


def test_who_is_disabled_while_he_is_locked_stays_so_when_the_lock_would_have_fallen(own, clock):
    person = own.register()
    key = make_key(person)
    administration = own.service(Administration)
    administration.lock(user_id=person.id, lasting=HALF_AN_HOUR, caller=None, client=TERMINAL)
    administration.disable(user_id=person.id, caller=None, client=TERMINAL)

    clock.advance(HALF_AN_HOUR)

    assert_problem(key.get(), 401, "invalid_token")
    assert_problem(log_in(own, person), 401, "invalid_credentials")
    assert shown(own, person)["status"] == "disabled"


def test_whoever_is_unlocked_has_his_keys_back_and_not_his_sessions(house):
    admin, person = house.administrator(), house.register()
    tokens, key = house.sign_in(person), make_key(person)
    for what, back in (("lock", "unlock"), ("disable", "enable")):
        assert house.client().post(f"{USERS}/{person.id}/{what}", headers=admin.headers).status_code == 200
        assert_problem(key.get(), 401, "invalid_token")

        assert house.client().post(f"{USERS}/{person.id}/{back}", headers=admin.headers).status_code == 200

        assert key.get().status_code == 200, what
        assert house.client().get(ME, headers=tokens.headers).status_code == 401


def test_why_somebody_is_locked_is_told_to_administrators_alone(house):
    admin, person = house.administrator(), house.register()
    wrong = log_in(house, person, "Wrong-Trees-1!").json
    assert lock(house, admin, person, until="2035-01-01T00:00:00+01:00", reason=WHY).json["locked_until"] == "2034-12-31T23:00:00.000Z"

    refused = log_in(house, person)

    assert refused.status_code == 401
    assert refused.json | {"request_id": "", "instance": ""} == wrong | {"request_id": "", "instance": ""}
    readers = house.client().get(f"{USERS}/{person.id}", headers=house.person(role="moderator").headers)
    assert readers.status_code == 200
    assert readers.json.keys().isdisjoint({"status", "locked_at", "locked_until", "lock_reason", "invited_at"})
    assert WHY not in str(house.events(subject=person))
    relocked = lock(house, admin, person)
    assert (relocked.json["status"], relocked.json["locked_until"], relocked.json["lock_reason"]) == ("locked", None, None)
    assert len(house.events("users.locked", subject=person)) == 2


def test_an_end_that_is_none_locks_nobody(house):
    admin, person = house.administrator(), house.register()
    wrong = [
        ({"minutes": 0}, "/minutes"),
        ({"minutes": "1e3"}, "/minutes"),
        ({"minutes": 5, "until": "2035-01-01T00:00:00Z"}, "/minutes"),
        ({"until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"until": "2199-01-01T00:00:00Z"}, "/until"),
        ({"until": "2035-01-01T00:00:00"}, "/until"),
        ({"until": "2035-02-30T00:00:00Z"}, "/until"),
        ({"until": "9999-12-31T23:59:59-23:59"}, "/until"),
        ({"until": "tomorrow"}, "/until"),
        ({"until": 2051222400}, "/until"),
        ({"until": None}, "/until"),
        ({"reason": ""}, "/reason"),
        ({"reason": "two\nlines"}, "/reason"),
        ({"status": "locked"}, "/status"),
    ]
    with Cases() as case:
        for body, pointer in wrong:
            with case(body):
                answer = lock(house, admin, person, **body)
                assert_problem(answer, 422, "invalid_input")
                assert list(faults(answer)) == [pointer]

    assert shown(house, person)["status"] == "active"
    assert person.tokens
    assert house.events("users.locked", subject=person) == []
