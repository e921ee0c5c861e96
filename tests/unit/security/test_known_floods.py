"""What is remembered of credentials that were refused: no more than was refused, no longer than it counts, and not without end."""

import pytest
from flask import Flask

from secureapi.security import known_floods
from secureapi.security.known_floods import KnownFloods


@pytest.fixture
def now(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr(known_floods.time, "monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def floods(now):
    return KnownFloods()


def asking(key="sa_live_one", address="192.0.2.1", **headers):
    return Flask("asked").test_request_context(headers={"X-API-Key": key, **headers}, environ_base={"REMOTE_ADDR": address})


def remember(floods, seconds=30.0, **request):
    with asking(**request):
        floods.remember(seconds)


def left(floods, **request):
    with asking(**request):
        return floods.left()


def test_the_same_from_the_same_address_is_refused_for_as_long_as_the_limit_is_used_up(floods, now):
    assert left(floods) == 0
    remember(floods, 6.0)
    now[0] += 4
    assert left(floods) == 2
    now[0] += 2
    assert left(floods) == 0


def test_what_may_be_good_again_gets_a_look_every_ten_seconds_however_long_the_limit_is(floods, now):
    remember(floods, 86_400.0)
    now[0] += 9
    assert left(floods) == 86_391
    now[0] += 1
    assert left(floods) == 0


def test_another_key_another_address_and_another_header_are_looked_at(floods):
    remember(floods)

    assert left(floods, key="sa_live_two") == 0
    assert left(floods, address="192.0.2.2") == 0
    assert left(floods, Authorization="Bearer x") == 0
    assert left(floods) == 30


def test_what_a_cookie_decides_what_brings_nothing_and_secrets_of_services_are_not_remembered(floods):
    remember(floods, Cookie="a=b")
    remember(floods, key="")
    remember(floods, key="", Authorization="Basic c2hvcDp3cm9uZw==")

    assert [left(floods, Cookie="a=b"), left(floods, key=""), left(floods)] == [0, 0, 0]
    assert left(floods, key="", Authorization="Basic c2hvcDp3cm9uZw==") == 0


def test_a_flood_of_made_up_keys_fills_no_memory(floods, monkeypatch):
    monkeypatch.setattr(known_floods, "_MOST", 2)
    for key in ("one", "two", "three"):
        remember(floods, key=key)

    assert [left(floods, key=key) for key in ("one", "two", "three")] == [0, 30, 30]
