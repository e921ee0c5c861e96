"""The owner hears of what concerns him about signing in: locks, new devices, guesses, new passwords; strangers cannot flood him."""

from datetime import timedelta

import pytest

from journeys.knocking import MOST, attempt, device_of, lock, notes
from secureapi.auth.service import Administration, Credentials
from secureapi.core.requests import Client
from support.browser import API
from support.letters import Letters

ADMIN = Client.of_command_line()
NEW = "Other-Trees-43!"


@pytest.fixture
def own(make_house, engine, clock):
    """A house with a clock that the test moves."""
    return make_house(engine, clock=clock)


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
    own.service(Administration).disable(user_id=gone.id, caller=None, client=ADMIN)
    for _ in range(MOST):
        attempt(own, person, "wrong", elsewhere=(last := from_elsewhere()))
        attempt(own, gone, "wrong", elsewhere=from_elsewhere())
        attempt(own, gone, "wrong", elsewhere=from_elsewhere(), name="nobody-here")

    rows = own.execute("SELECT topic, user_id FROM outbox WHERE topic LIKE 'notice.%'")
    assert [(row.topic, str(row.user_id).replace("-", "")) for row in rows] == [("notice.locked", person.id.replace("-", ""))]
    assert notes(own, "notice.locked") == [{"address": last["environ_overrides"]["REMOTE_ADDR"], "lane": "strangers"}]
    assert len(own.events("security.account.locked")) == 3


def test_each_message_says_what_happened_and_how_to_end_it(make_house, engine, clock, from_elsewhere, tmp_path):
    letters = Letters(tmp_path)
    house = make_house(engine, clock=clock, **letters.settings)
    person = house.register()
    phone = device_of(house, person, elsewhere=(home := from_elsewhere()))
    letters.deliver(house)

    def told():
        (message,) = letters.deliver(house)
        assert message.to == person.email
        assert [name for name in ("None", "Undefined", "{{", "{%") if name in message.text + message.html] == []
        assert message.text.startswith(f"Hello {person.username},")
        assert all(link in message.html for link in message.links)
        return message.subject, message.text, [link.rpartition("/")[2].partition("#")[0] for link in message.links]

    lock(house, person, from_elsewhere)
    subject, text, links = told()
    assert "tries passwords" in subject
    assert "anybody who is new to us" in text
    assert sorted(links) == ["not-me", "unlock"]

    for options, words in (
        ({"device": phone, "elsewhere": from_elsewhere()}, "a device that you"),
        ({"elsewhere": home}, "a place where you"),
    ):
        for _ in range(MOST):
            attempt(house, person, "wrong", **options)
        assert words in told()[1]

    house.service(Administration).unlock(user_id=person.id, caller=None, client=ADMIN)
    attempt(house, person, elsewhere=from_elsewhere(), **{"User-Agent": "curl/8.5.0"})
    subject, text, links = told()
    assert ("new sign-in" in subject, "curl 8.5" in text, links) == (True, True, ["not-me"])

    tokens = house.sign_in(person)
    letters.deliver(house)
    clock.advance(timedelta(seconds=1))
    body = {"current_password": person.password, "new_password": NEW}
    assert house.client().post(f"{API}/auth/change-password", headers=tokens.headers, json=body).status_code == 200
    subject, text, links = told()
    assert ("was changed" in subject, "127.0.0.1" in text, links) == (True, True, ["not-me"])

    for _ in range(MOST):
        house.client().post(f"{API}/auth/reauthenticate", headers=tokens.headers, json={"password": "wrong"})
    subject, text, links = told()
    assert ("was closed" in subject, "Your password is still" in text, links) == (True, True, ["not-me"])

    house.service(Credentials).set_password(user_id=person.id, new_password="Set-Trees-77!", client=ADMIN)
    assert "An administrator gave" in told()[1]


def test_a_flooder_who_locks_the_account_again_and_again_does_not_flood_its_owner(make_house, engine, clock, from_elsewhere, tmp_path):
    letters = Letters(tmp_path)
    house = make_house(engine, clock=clock, mail_recipient_budget="2/hour", **letters.settings)
    person = house.register()
    letters.deliver(house)

    for _ in range(4):
        lock(house, person, from_elsewhere)
        house.service(Administration).unlock(user_id=person.id, caller=None, client=ADMIN)

    assert len(letters.deliver(house)) == 2
    assert len(house.events("security.account.locked", subject=person)) == 4
