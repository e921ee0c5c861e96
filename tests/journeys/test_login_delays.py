"""What slows a guesser down besides the lock: he waits before his next guess is looked at, and his address has a limit."""

import pytest

from journeys.answers import assert_problem
from journeys.knocking import MOST, attempt, device_of, lock
from secureapi.auth.service import Administration
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.delays import Delays

ADMIN = Client.of_command_line()


def test_the_third_wrong_password_in_a_row_waits_and_each_further_one_twice_as_long(make_house, engine, monkeypatch, from_elsewhere):
    house = make_house(engine, login_delay_seconds=0.5)
    person = house.register()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        assert house.service(Database).engine.pool.checkedout() == 0, "nobody waits with a connection in hand"

    monkeypatch.setattr(house.service(Delays), "_sleep", sleep)
    for name in (person.username, "nobody-here"):
        for _ in range(MOST + 3):
            attempt(house, person, "wrong", name=name, elsewhere=from_elsewhere())
        assert slept == [0.5, 1.0, 2.0], "a locked lane waits no more"
        slept.clear()

    house.service(Administration).unlock(user_id=person.id, caller=None, client=ADMIN)
    for _ in range(20):
        assert attempt(house, person, elsewhere=from_elsewhere()).status_code == 200
    assert slept == [], "whoever is always right never waits"
    phone = device_of(house, person, elsewhere=from_elsewhere())
    lock(house, person, from_elsewhere)
    slept.clear()
    assert attempt(house, person, device=phone, elsewhere=from_elsewhere()).status_code == 200
    assert slept == [], "the owner on his phone does not wait for strangers"


def sleeps(house, monkeypatch):
    slept = []
    monkeypatch.setattr(house.service(Delays), "_sleep", slept.append)
    return slept


@pytest.mark.parametrize("meanwhile", ["nothing", "unlocked", "the owner came as a stranger", "the owner came with his device"])
def test_a_prober_with_a_clock_does_not_learn_that_two_names_are_of_one_account(make_house, engine, monkeypatch, from_elsewhere, meanwhile):
    """The lock is one for both names; if the delay were, two tries with an address and a third with a username would tell."""
    house = make_house(engine, login_delay_seconds=0.5)
    person = house.register()
    phone = device_of(house, person, elsewhere=from_elsewhere())
    slept = sleeps(house, monkeypatch)

    def probe(*names):
        slept.clear()
        waited = []
        for name in names:
            assert attempt(house, person, "wrong", name=name, elsewhere=from_elsewhere()).status_code == 401
            waited.append(sum(slept))
            slept.clear()
        return waited

    def happen(name):
        if meanwhile == "unlocked":
            house.service(Administration).unlock(user_id=person.id, caller=None, client=ADMIN)
        elif meanwhile == "the owner came as a stranger":
            assert attempt(house, person, name=name, elsewhere=from_elsewhere()).status_code == 200
        elif meanwhile == "the owner came with his device":
            assert attempt(house, person, name=name, device=phone, elsewhere=from_elsewhere()).status_code == 200

    seen = {}
    for kind, (address, name) in {"account": (person.email, person.username), "nobody": ("x@example.com", "x-here")}.items():
        seen[kind] = [probe(address, address, name)]
        if kind == "account":
            happen(address)
        seen[kind] += [probe(address, name), probe(name, name, address), probe(*[name] * 3, *[address] * 4)]

    assert seen["account"] == seen["nobody"]
    assert seen["nobody"] == [[0, 0, 0], [0.5, 0], [0.5, 1.0, 1.0], [2.0, 0, 0, 2.0, 0, 0, 0]]


def test_an_owner_who_signs_in_anywhere_leaves_no_count_behind(make_house, engine, from_elsewhere):
    house = make_house(engine)
    person = house.register()
    for _ in range(MOST + 2):
        assert attempt(house, person, elsewhere=from_elsewhere()).status_code == 200

    assert house.execute("SELECT key FROM throttles") == []


def test_whoever_finds_no_place_to_wait_is_told_so_and_has_guessed_nothing(make_house, engine, monkeypatch, from_elsewhere):
    house = make_house(engine, login_delay_seconds=4.0, web_threads=4)
    people = [house.register() for _ in range(2)]
    inner = []

    def sleep(_seconds):
        # While the one waits, the other comes.
        inner.append(attempt(house, people[1], elsewhere=from_elsewhere()))

    monkeypatch.setattr(house.service(Delays), "_sleep", sleep)
    for person in people:
        for _ in range(2):
            attempt(house, person, "wrong", elsewhere=from_elsewhere())

    assert attempt(house, people[0], elsewhere=from_elsewhere()).status_code == 200
    assert_problem(inner[0], 503, "busy")
    assert inner[0].headers["Retry-After"] == "4"
    counts = sorted(row.attempts for row in house.execute("SELECT attempts FROM throttles"))
    assert counts == [2, 2, 2], "the right password cleared the one lane, and the other has the two wrong ones it had; as has each name"


def test_the_limit_of_an_address_does_not_hold_for_a_device_that_is_known(make_house, engine):
    house = make_house(engine, login_rate_limit="3/minute")
    person = house.register()
    phone = device_of(house, person)
    while attempt(house, person, "wrong").status_code == 401:
        pass

    answers = [attempt(house, person, device=phone) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers[:3]] == [f'"login";r={left}' for left in (2, 1, 0)]
    assert_problem(answers[3], 429, "rate_limited")


def test_mallory_does_not_multiply_his_limit_by_devices_of_his_own(make_house, engine, from_elsewhere):
    house = make_house(engine, login_rate_limit="3/minute")
    mallory, person = house.register(), house.register()
    devices = [device_of(house, mallory, elsewhere=from_elsewhere()) for _ in range(6)]
    theirs = device_of(house, person, elsewhere=from_elsewhere())

    for name in (person.username, "nobody-here"):
        here = from_elsewhere()
        answers = [attempt(house, person, "wrong", name=name, device=device, elsewhere=here) for device in devices]
        assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 3
        assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers] == [f'"login";r={n}' for n in (2, 1, 0, 0, 0, 0)]
    # A stolen token behind one of his own buys him nothing either.
    here = from_elsewhere()
    statuses = [attempt(house, person, "wrong", device=f"{device}.{theirs}", elsewhere=here).status_code for device in devices]
    assert statuses == [401] * 3 + [429] * 3
    assert len(house.events("auth.login.refused", subject=person)) == 6, "what is refused by the limit is not an attempt"


def test_forged_forwarding_headers_change_nothing(make_house, engine):
    """The proxy is trusted and says the truth; what stands left of its word was written by whoever floods us."""
    house = make_house(engine, trusted_proxies="127.0.0.1", login_rate_limit="10/day")
    person = house.register()
    phone = device_of(house, person, **{"X-Forwarded-For": "198.51.100.7"})

    answers = [attempt(house, person, "wrong", **{"X-Forwarded-For": f"192.0.2.{n}, 203.0.113.9"}).status_code for n in range(60)]

    assert answers == [401] * 10 + [429] * 50
    flooded = {"X-Forwarded-For": "203.0.113.9"}
    assert attempt(house, person, **flooded).status_code == 429
    assert attempt(house, person, device=phone, **flooded).status_code == 200, "behind the very address that is flooding"
    assert attempt(house, person, **{"X-Forwarded-For": "198.51.100.7"}).status_code == 200
