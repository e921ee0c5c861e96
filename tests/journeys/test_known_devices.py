"""Strangers who flood an account with wrong passwords do not keep its owner out: a device that signed in before has a lane of its own."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from journeys.answers import as_seen, assert_problem
from secureapi.auth.service import Credentials
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.delays import Delays
from support.browser import API, SITE, cookies_of
from support.races import together

LOGIN = f"{API}/auth/login"
CHANGE = f"{API}/auth/change-password"
DEVICE = "__Host-secureapi_device"
NEW = "Other-Trees-43!"
MOST = 5
ADMIN = Client.of_command_line()
TICK = timedelta(milliseconds=1)


@pytest.fixture
def own(make_house, engine, clock):
    """A house with a clock that the test moves."""
    return make_house(engine, clock=clock)


def attempt(house, person, password=None, *, device="", elsewhere=None, name=None, **headers):
    """Try to sign in; from 127.0.0.1 unless an address is given."""
    headers |= {"X-Device-Token": device} if device else {}
    body = {"username": name or person.username, "password": password or person.password}
    return house.client().post(LOGIN, json=body, headers=headers, **(elsewhere or {}))


def device_of(house, person, **options):
    """Sign in; the token by which that device is known from now on."""
    answer = attempt(house, person, **options)
    assert answer.status_code == 200, answer.text
    return answer.json["device_token"]


def lock(house, person, from_elsewhere):
    """Let strangers use up their lane."""
    for _ in range(MOST):
        assert attempt(house, person, "wrong", elsewhere=from_elsewhere()).status_code == 401
    assert_problem(attempt(house, person, elsewhere=from_elsewhere()), 401, "invalid_credentials")


def notes(house, topic=None):
    """Topics and details of the notices in the outbox, in order."""
    rows = house.execute("SELECT topic, details FROM outbox WHERE topic LIKE 'notice.%' ORDER BY id")
    found = [(row.topic, json.loads(row.details) if isinstance(row.details, str) else row.details) for row in rows]
    return [details for name, details in found if name == topic] if topic else [name for name, _ in found]


def forget_notes(house):
    house.execute("DELETE FROM outbox")


def test_a_thousand_wrong_passwords_from_a_thousand_addresses_do_not_keep_the_owner_out(make_house, engine, from_elsewhere):
    house = make_house(engine)
    person = house.register()
    home, hotel = from_elsewhere(), from_elsewhere()
    phone = device_of(house, person, elsewhere=home)

    with ThreadPoolExecutor(4) as flood:
        guesses = [flood.submit(attempt, house, person, f"guess-{number}", elsewhere=from_elsewhere()) for number in range(1000)]

    assert {guess.result().status_code for guess in guesses} == {401}
    assert attempt(house, person, elsewhere=hotel).status_code == 401, "as a stranger, even he has to wait"
    assert attempt(house, person, device=phone, elsewhere=hotel).status_code == 200, "on his phone, anywhere"
    assert attempt(house, person, elsewhere=home).status_code == 200, "at home, on anything"
    reasons = [event.details["reason"] for event in house.events("auth.login.refused", subject=person)]
    assert reasons.count("wrong_password") == MOST, "no more than five of them were looked at"
    assert len(house.events("security.account.locked", subject=person)) == 1


def test_forged_forwarding_headers_change_nothing(make_house, engine):
    """The proxy is trusted and says the truth; what stands left of its word was written by whoever floods us."""
    house = make_house(engine, trusted_proxies="127.0.0.1", login_rate_limit="10/minute")
    person = house.register()
    phone = device_of(house, person, **{"X-Forwarded-For": "198.51.100.7"})

    answers = [attempt(house, person, "wrong", **{"X-Forwarded-For": f"192.0.2.{n}, 203.0.113.9"}).status_code for n in range(60)]

    assert answers == [401] * 10 + [429] * 50
    flooded = {"X-Forwarded-For": "203.0.113.9"}
    assert attempt(house, person, **flooded).status_code == 429
    assert attempt(house, person, device=phone, **flooded).status_code == 200, "behind the very address that is flooding"
    assert attempt(house, person, **{"X-Forwarded-For": "198.51.100.7"}).status_code == 200


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


@pytest.mark.parametrize("kind", ["none", "forged", "another account's", "expired", "too many", "twice"])
def test_nobody_makes_a_lane_for_himself(own, clock, from_elsewhere, kind):
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


@pytest.mark.parametrize("what", ["disabled", "another password", "own new password", "not me"])
def test_a_device_is_not_known_any_more_once_its_owner_or_an_administrator_had_devices_forgotten(own, clock, from_elsewhere, what):
    person = own.register()
    home = from_elsewhere()
    device = device_of(own, person, elsewhere=home)
    tokens = own.sign_in(person)
    clock.advance(TICK)
    credentials = own.service(Credentials)
    password = person.password
    match what:
        case "disabled":
            credentials.disable(user_id=person.id, client=ADMIN)
            credentials.enable(user_id=person.id, client=ADMIN)
        case "another password":
            credentials.set_password(user_id=person.id, new_password=NEW, client=ADMIN)
            password = NEW
        case "own new password":
            body = {"current_password": password, "new_password": NEW}
            assert own.client().post(CHANGE, json=body, headers=tokens.headers).status_code == 200
            password = NEW
        case "not me":
            own.execute("UPDATE users SET devices_since = :now", now=clock.now())
    clock.advance(TICK)
    lock(own, person, from_elsewhere)

    assert attempt(own, person, password, device=device, elsewhere=from_elsewhere()).status_code == 401
    assert attempt(own, person, password, elsewhere=home).status_code == 401, "nor is its address"
    credentials.unlock(user_id=person.id, client=ADMIN)
    renewed = attempt(own, person, password, device=device, elsewhere=from_elsewhere()).json["device_token"]
    lock(own, person, from_elsewhere)
    assert attempt(own, person, password, device=renewed, elsewhere=from_elsewhere()).status_code == 200


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

    assert own.service(Credentials).unlock(user_id=person.id, client=ADMIN) is True

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
    house = make_house(engine)
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

    ids = {str(row.device_id).replace("-", "") for row in own.execute("SELECT device_id FROM sessions")}
    assert len(ids) == 1
    assert "None" not in ids
    for person in (alice, bob):
        lock(own, person, from_elsewhere)
        assert attempt(own, person, device=value, elsewhere=from_elsewhere()).status_code == 200


def test_the_owner_is_told_of_a_new_device_but_not_of_the_first_one(own, clock, from_elsewhere):
    person = own.register()
    home, hotel = from_elsewhere(), from_elsewhere()
    phone = device_of(own, person, elsewhere=home)
    attempt(own, person, elsewhere=home)
    attempt(own, person, device=phone, elsewhere=hotel)
    assert notes(own) == []

    clock.advance(timedelta(days=1))
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    assert attempt(own, person, elsewhere=(cafe := from_elsewhere()), **{"User-Agent": agent}).status_code == 200

    assert notes(own, "notice.new_device") == [{"address": cafe["environ_overrides"]["REMOTE_ADDR"], "device": "Firefox 128 on Linux"}]
    attempt(own, person, "wrong", elsewhere=from_elsewhere())
    assert len(notes(own)) == 1, "whoever does not get in is no new device"


def test_the_owner_is_told_of_a_lock_and_nobody_is_of_one_without_an_account(own, from_elsewhere):
    person, gone = own.register(), own.register()
    own.service(Credentials).disable(user_id=gone.id, client=ADMIN)
    for _ in range(MOST):
        attempt(own, person, "wrong", elsewhere=(last := from_elsewhere()))
        attempt(own, gone, "wrong", elsewhere=from_elsewhere())
        attempt(own, gone, "wrong", elsewhere=from_elsewhere(), name="nobody-here")

    rows = own.execute("SELECT topic, user_id FROM outbox WHERE topic LIKE 'notice.%'")
    assert [(row.topic, str(row.user_id).replace("-", "")) for row in rows] == [("notice.locked", person.id.replace("-", ""))]
    assert notes(own, "notice.locked") == [{"address": last["environ_overrides"]["REMOTE_ADDR"], "lane": "strangers"}]
    assert len(own.events("security.account.locked")) == 3


def test_a_new_password_forgets_other_devices_and_knows_the_one_it_was_changed_on(own, clock, from_elsewhere):
    person = own.register()
    phone, laptop = (device_of(own, person, elsewhere=from_elsewhere()) for _ in range(2))
    tokens = own.sign_in(person)
    forget_notes(own)
    clock.advance(TICK)

    body = {"current_password": person.password, "new_password": NEW}
    answer = own.client().post(CHANGE, json=body, headers=tokens.headers | {"X-Device-Token": phone}, **from_elsewhere())

    renewed = answer.json["device_token"]
    assert answer.json == {"message": "Password changed successfully", "device_token": renewed}
    assert cookies_of(answer)[DEVICE].value == renewed
    assert notes(own) == ["notice.password_changed"]
    lock(own, person, from_elsewhere)
    for token, status in ((phone, 401), (laptop, 401), (renewed, 200)):
        assert attempt(own, person, NEW, device=token, elsewhere=from_elsewhere()).status_code == status


def test_a_new_password_makes_no_known_device_of_an_unknown_one(own, clock, from_elsewhere):
    person, mallory = own.register(), own.register()
    foreign = device_of(own, mallory, elsewhere=from_elsewhere())
    tokens = own.sign_in(person)
    clock.advance(TICK)

    body = {"current_password": person.password, "new_password": NEW}
    answer = own.client().post(CHANGE, json=body, headers=tokens.headers | {"X-Device-Token": foreign}, **from_elsewhere())

    assert answer.json == {"message": "Password changed successfully"}
    assert cookies_of(answer) == {}


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

    house.service(Credentials).unlock(user_id=person.id, client=ADMIN)
    for _ in range(20):
        assert attempt(house, person, elsewhere=from_elsewhere()).status_code == 200
    assert slept == [], "whoever is always right never waits"
    phone = device_of(house, person, elsewhere=from_elsewhere())
    lock(house, person, from_elsewhere)
    slept.clear()
    assert attempt(house, person, device=phone, elsewhere=from_elsewhere()).status_code == 200
    assert slept == [], "the owner on his phone does not wait for strangers"


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
    counts = {row.attempts for row in house.execute("SELECT attempts FROM throttles")}
    assert counts == {2}, "the right password cleared the one, and the other has the two wrong ones it had"
