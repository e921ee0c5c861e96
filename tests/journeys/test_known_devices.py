"""Strangers who flood an account with wrong passwords do not keep its owner out: a device that signed in before has a lane of its own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from journeys.answers import as_seen, assert_problem
from journeys.knocking import LOGIN, MOST, attempt, device_of, forget_notes, lock, notes
from secureapi.auth.service import Administration, Credentials
from secureapi.core.requests import Client
from support.browser import API, SITE, cookies_of
from support.cases import Cases
from support.races import together

CHANGE = f"{API}/auth/change-password"
DEVICE = "__Host-secureapi_device"
NEW = "Other-Trees-43!"
ADMIN = Client.of_command_line()
TICK = timedelta(milliseconds=1)


@pytest.fixture
def clock(shared_clock):
    return shared_clock


@pytest.fixture
def own(shared_house, engine, clock):
    """A house with a clock that the tests move on."""
    return shared_house(engine, clock=clock)


def test_a_thousand_wrong_passwords_from_a_thousand_addresses_do_not_keep_the_owner_out(make_house, engine, from_elsewhere):
    house = make_house(engine)
    person = house.register()
    home, hotel = from_elsewhere(), from_elsewhere()
    phone = device_of(house, person, elsewhere=home)

    # A thousand on SQLite: what decides is the same code on PostgreSQL.
    many = 1000 if house.is_embedded else 50

    with ThreadPoolExecutor(4) as flood:
        guesses = [flood.submit(attempt, house, person, f"guess-{number}", elsewhere=from_elsewhere()) for number in range(many)]

    assert {guess.result().status_code for guess in guesses} == {401}
    assert attempt(house, person, elsewhere=hotel).status_code == 401, "as a stranger, even he has to wait"
    assert attempt(house, person, device=phone, elsewhere=hotel).status_code == 200, "on his phone, anywhere"
    assert attempt(house, person, elsewhere=home).status_code == 200, "at home, on anything"
    reasons = [event.details["reason"] for event in house.events("auth.login.refused", subject=person)]
    assert reasons.count("wrong_password") == MOST, "no more than five of them were looked at"
    assert len(house.events("security.account.locked", subject=person)) == 1


def test_a_browser_is_known_by_its_cookie(own, from_elsewhere):
    person = own.register()
    browser = own.client()
    body = {"username": person.username, "password": person.password}
    first = browser.post(LOGIN, json=body | {"delivery": "cookie"}, base_url=SITE, **from_elsewhere())
    lock(own, person, from_elsewhere)

    cookie = cookies_of(first)[DEVICE]
    assert (cookie.path, cookie.max_age, cookie.same_site) == ("/", 180 * 86400, "Strict")
    assert (cookie.flags, cookie.rest) == ({"secure", "httponly"}, frozenset())
    assert "device_token" not in first.json
    browser.delete_cookie("__Host-secureapi_access")
    assert browser.post(LOGIN, json=body, base_url=SITE, **from_elsewhere()).status_code == 200


def test_whoever_asks_for_tokens_in_the_body_gets_the_cookie_too(own):
    person = own.register()
    answer = attempt(own, person)

    assert cookies_of(answer).keys() == {DEVICE}
    assert cookies_of(answer)[DEVICE].value == answer.json["device_token"]
    refreshed = own.client().post(f"{API}/auth/refresh", json={"refresh_token": answer.json["refresh_token"]})
    assert "device_token" not in refreshed.json
    assert cookies_of(refreshed) == {}


def test_without_secure_cookies_the_name_promises_nothing(make_house):
    house = make_house(environment="development", secure_cookies=False)

    assert cookies_of(attempt(house, house.register())).keys() == {"secureapi_device"}


def test_another_site_that_signs_somebody_in_does_not_take_the_place_of_his_device(own):
    """Its browser has kept our cookie back. The new one, of the attacker's account, would replace it."""
    person = own.register()

    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = attempt(own, person, **headers)
        assert answer.status_code == 200
        assert cookies_of(answer) == {}


def test_the_cookie_stays_when_somebody_signs_out_and_lets_nobody_in(own):
    person = own.register()
    browser = own.client()
    body = {"username": person.username, "password": person.password, "delivery": "cookie"}
    csrf = browser.post(LOGIN, json=body, base_url=SITE).json["csrf_token"]

    answer = browser.post(f"{API}/auth/logout", base_url=SITE, headers={"X-CSRF-Token": csrf})

    assert answer.status_code == 200
    assert DEVICE not in cookies_of(answer)
    assert_problem(browser.get(f"{API}/users/me", base_url=SITE), 401, "unauthenticated")
    assert browser.get_cookie(DEVICE) is not None


def test_it_is_no_credential_beside_another_one(own):
    person = own.register()
    device = device_of(own, person)
    for cookies in (f"{DEVICE}={device}", f"{DEVICE}={device}; {DEVICE}={device}", f"{DEVICE}=\xff"):
        answer = own.client().patch(f"{API}/users/me", json={"bio": "x"}, headers=person.headers | {"Cookie": cookies})
        assert answer.status_code == 200, "neither ambiguous, nor asked for a CSRF token"


def test_nobody_makes_a_lane_for_himself(own, clock, from_elsewhere):
    with Cases() as case:
        for kind in ("none", "forged", "another account's", "too many", "twice", "expired"):
            with case(kind):
                person, mallory = own.register(), own.register()
                token = device_of(own, person, elsewhere=from_elsewhere())
                presented = {
                    "none": "",
                    "forged": token[:-1] + ("A" if token[-1] != "A" else "B"),
                    "another account's": device_of(own, mallory, elsewhere=from_elsewhere()),
                    "expired": token,
                    "too many": ".".join([token] * 5),
                    "twice": f"{token}, {token}",
                }[kind]
                if kind == "expired":
                    clock.advance(timedelta(days=180))
                lock(own, person, from_elsewhere)

                assert_problem(attempt(own, person, device=presented, elsewhere=from_elsewhere()), 401, "invalid_credentials")
                assert attempt(own, person, device=token, elsewhere=from_elsewhere()).status_code == (401 if kind == "expired" else 200)


def test_a_device_lane_locks_by_itself_and_leaves_the_others_alone(own, clock, from_elsewhere):
    """A thief with a copy of the phone's token, who knows no password."""
    person = own.register()
    phone, laptop = (device_of(own, person, elsewhere=from_elsewhere()) for _ in range(2))
    home = from_elsewhere()
    assert attempt(own, person, elsewhere=home).status_code == 200
    forget_notes(own)

    for number in range(MOST + 2):
        assert attempt(own, person, f"guess-{number}", device=phone, elsewhere=from_elsewhere()).status_code == 401

    assert_problem(attempt(own, person, device=phone, elsewhere=from_elsewhere()), 401, "invalid_credentials")
    (event,) = own.events("security.account.locked", subject=person)
    assert event.details == {"lane": "device"}
    (note,) = notes(own, "notice.locked")
    assert note["lane"] == "device"
    assert own.service(Credentials).is_locked(user_id=person.id) is False
    for options in ({}, {"device": laptop}, {"elsewhere": home}):
        assert attempt(own, person, **({"elsewhere": from_elsewhere()} | options)).status_code == 200
    clock.advance(timedelta(minutes=30))
    assert attempt(own, person, device=phone, elsewhere=from_elsewhere()).status_code == 200


def test_the_lane_of_an_address_locks_by_itself_and_a_device_behind_it_goes_on(own, from_elsewhere):
    """A flooder in the same office."""
    person = own.register()
    office = from_elsewhere()
    laptop = device_of(own, person, elsewhere=office)
    for _ in range(MOST):
        attempt(own, person, "wrong", elsewhere=office)

    assert attempt(own, person, elsewhere=office).status_code == 401
    assert attempt(own, person, device=laptop, elsewhere=office).status_code == 200
    assert attempt(own, person, elsewhere=from_elsewhere()).status_code == 200
    (event,) = own.events("security.account.locked", subject=person)
    assert event.details == {"lane": "address"}
    keys = [row.key for row in own.execute("SELECT key FROM throttles")]
    assert max(map(len, keys)) <= 80
    assert office["environ_overrides"]["REMOTE_ADDR"] not in str(keys)


def test_a_success_clears_only_its_own_lane(own, from_elsewhere):
    person = own.register()
    phone = device_of(own, person, elsewhere=from_elsewhere())
    for _ in range(MOST - 1):
        attempt(own, person, "wrong", elsewhere=from_elsewhere())

    assert attempt(own, person, device=phone, elsewhere=from_elsewhere()).status_code == 200
    attempt(own, person, "wrong", elsewhere=from_elsewhere())

    assert attempt(own, person, elsewhere=from_elsewhere()).status_code == 401


def test_an_administrator_unlocks_every_lane(own, from_elsewhere):
    person = own.register()
    office = from_elsewhere()
    phone = device_of(own, person, elsewhere=office)
    lock(own, person, from_elsewhere)
    for _ in range(MOST):
        attempt(own, person, "wrong", device=phone, elsewhere=from_elsewhere())
        attempt(own, person, "wrong", elsewhere=office)
    assert own.service(Credentials).is_locked(user_id=person.id) is True

    own.service(Administration).unlock(user_id=person.id, caller=None, client=ADMIN)

    for options in ({"elsewhere": from_elsewhere()}, {"device": phone, "elsewhere": from_elsewhere()}, {"elsewhere": office}):
        assert attempt(own, person, **options).status_code == 200


def test_an_address_is_known_for_thirty_days_after_the_last_sign_in(own, clock, from_elsewhere):
    person = own.register()
    home = from_elsewhere()
    assert attempt(own, person, elsewhere=home).status_code == 200
    lock(own, person, from_elsewhere)
    assert attempt(own, person, elsewhere=home).status_code == 200

    clock.advance(timedelta(days=30) - TICK)
    lock(own, person, from_elsewhere)
    assert attempt(own, person, elsewhere=home).status_code == 200
    clock.advance(timedelta(days=30))
    lock(own, person, from_elsewhere)
    assert attempt(own, person, elsewhere=home).status_code == 401


def test_a_crowd_gets_no_more_looks_than_one_after_the_other_in_any_lane(make_house, engine, from_elsewhere):
    house = make_house(engine, password_hash_queue=100)
    person = house.register()
    phone = device_of(house, person, elsewhere=from_elsewhere())
    strangers = partial(attempt, house, person, "wrong", elsewhere=from_elsewhere())
    thieves = partial(attempt, house, person, "wrong", device=phone, elsewhere=from_elsewhere())

    answers = together([strangers, thieves] * 16)

    assert {answer.status_code for answer in answers} == {401}
    reasons = [event.details["reason"] for event in house.events("auth.login.refused", subject=person)]
    assert sorted(reasons) == ["locked"] * 22 + ["wrong_password"] * (2 * MOST)
    assert sorted(event.details["lane"] for event in house.events("security.account.locked", subject=person)) == ["device", "strangers"]


def test_a_device_keeps_its_id_and_several_people_use_it(own, from_elsewhere):
    alice, bob = own.register(), own.register()
    value = device_of(own, alice, elsewhere=from_elsewhere())
    value = device_of(own, bob, device=value, elsewhere=from_elsewhere())
    value = device_of(own, alice, device=value, elsewhere=from_elsewhere())
    assert value.count(".") == 1

    opened = "SELECT device_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE username IN (:alice, :bob)"
    ids = {str(row.device_id).replace("-", "") for row in own.execute(opened, alice=alice.username, bob=bob.username)}
    assert len(ids) == 1
    assert "None" not in ids
    for person in (alice, bob):
        lock(own, person, from_elsewhere)
        assert attempt(own, person, device=value, elsewhere=from_elsewhere()).status_code == 200


@pytest.mark.parametrize("device", ["none", "mallory's", "rubbish"])
def test_a_prober_gets_one_answer_whatever_there_is_behind_a_name(make_house, engine, from_elsewhere, device):
    house = make_house(engine)
    known, locked, disabled, refused, mallory = (house.register() for _ in range(5))
    house.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=disabled.username)
    house.execute("UPDATE users SET password_refused_since = created_at WHERE username = :name", name=refused.username)
    for person in (locked, mallory):
        assert person.tokens
    lock(house, locked, from_elsewhere)
    token = {"none": "", "mallory's": device_of(house, mallory), "rubbish": "x.y"}[device]

    def ask(person, password="Not-this-one-1!", name=None):
        return as_seen(attempt(house, person, password, name=name, device=token, elsewhere=from_elsewhere()))

    answers = {
        "unknown": ask(known, name="nobody-at-all"),
        "unknown address": ask(known, name="nobody@example.com"),
        "locked, right": ask(locked, locked.password),
        "locked, wrong": ask(locked),
        "disabled, right": ask(disabled, disabled.password),
        "disabled, wrong": ask(disabled),
        "refused, right": ask(refused, refused.password),
        "refused, wrong": ask(refused),
    }

    wrong = ask(known)
    assert wrong[0] == 401
    assert answers == dict.fromkeys(answers, wrong)


def test_a_password_that_its_owner_disowned_opens_nothing_until_there_is_another(own):
    person = own.register()
    own.execute("UPDATE users SET password_refused_since = created_at")

    assert_problem(attempt(own, person), 401, "invalid_credentials")
    assert [event.details["reason"] for event in own.events("auth.login.refused", subject=person)] == ["password_refused"]
    own.service(Credentials).set_password(user_id=person.id, new_password=NEW, client=ADMIN)
    assert attempt(own, person, NEW).status_code == 200
