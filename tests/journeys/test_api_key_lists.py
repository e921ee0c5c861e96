"""What becomes of API keys that are over: they hide none that is good, and cost nobody else anything."""

from datetime import timedelta

import pytest

from journeys.with_keys import KEYS, make_key
from secureapi.auth.repository import api_keys
from secureapi.core.database import Database


def test_a_thief_does_not_push_the_key_that_he_keeps_out_of_the_list(make_house, clock, monkeypatch):
    monkeypatch.setattr(api_keys, "_MOST_EXPIRED", 3)
    house = make_house("embedded", clock=clock)
    person = house.register()
    stolen = make_key(person, name="the thief's")
    for _ in range(2):
        for _ in range(4):
            make_key(person, expires_in_days=1)
        clock.advance(timedelta(days=1, minutes=1))
        person._tokens = None

    listed = house.client().get(KEYS, headers=person.headers).json["api_keys"]

    assert stolen.get().status_code == 200
    assert listed[0]["id"] == stolen.id
    assert [key["is_expired"] for key in listed] == [False, True, True, True]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("::ffff:192.0.2.1", "192.0.2.1/32"), ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("2001:db8::/32", "2001:db8::/32")],
)
def test_a_network_is_kept_in_the_spelling_of_callers(house, given, kept):
    assert make_key(house.register(), allowed_networks=[given]).told["allowed_networks"] == [kept]


def test_a_key_that_is_over_opens_no_transaction_with_every_try(make_house, monkeypatch):
    house = make_house("embedded")
    person = house.register()
    key = make_key(person)
    assert house.client().delete(f"{KEYS}/{key.id}", headers=person.headers).status_code == 204
    opened, writing = [], Database.writing
    monkeypatch.setattr(Database, "writing", lambda self: opened.append(self) or writing(self))

    assert [key.get().status_code for _ in range(5)] == [401] * 5

    assert len(opened) == 1
    assert len(house.events("auth.api_key.refused", subject=person)) == 1
