"""A device that signed in before is known no more once somebody had good reason to forget it."""

from datetime import timedelta

import pytest

from journeys.knocking import attempt, device_of, forget_notes, lock, notes
from secureapi.auth.service import Administration, Credentials
from secureapi.core.requests import Client
from support.browser import API, cookies_of

CHANGE = f"{API}/auth/change-password"
DEVICE = "__Host-secureapi_device"
NEW = "Other-Trees-43!"
ADMIN = Client.of_command_line()
TICK = timedelta(milliseconds=1)


@pytest.fixture
def own(make_house, engine, clock):
    """A house with a clock that the test moves."""
    return make_house(engine, clock=clock)


@pytest.mark.parametrize("what", ["disabled", "another password", "own new password", "not me"])
def test_a_device_is_not_known_any_more_once_its_owner_or_an_administrator_had_devices_forgotten(own, clock, from_elsewhere, what):
    person = own.register()
    home = from_elsewhere()
    device = device_of(own, person, elsewhere=home)
    tokens = own.sign_in(person)
    clock.advance(TICK)
    administration = own.service(Administration)
    password = person.password
    match what:
        case "disabled":
            administration.disable(user_id=person.id, caller=None, client=ADMIN)
            administration.enable(user_id=person.id, caller=None, client=ADMIN)
        case "another password":
            own.service(Credentials).set_password(user_id=person.id, new_password=NEW, client=ADMIN)
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
    administration.unlock(user_id=person.id, caller=None, client=ADMIN)
    renewed = attempt(own, person, password, device=device, elsewhere=from_elsewhere()).json["device_token"]
    lock(own, person, from_elsewhere)
    assert attempt(own, person, password, device=renewed, elsewhere=from_elsewhere()).status_code == 200


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
