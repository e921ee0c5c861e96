"""Device tokens: made for one account and one device, read from whatever somebody sends, and never a reason for an error."""

import base64
from datetime import UTC, datetime, timedelta

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from secureapi.auth.cookies import Cookies
from secureapi.auth.device_tokens import NOTHING, DeviceTokens
from secureapi.core.clock import FrozenClock
from secureapi.core.identifiers import new_id
from secureapi.core.secret_values import SecretBox
from support.each import each
from support.sample_settings import make_settings

NOW = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)
ALICE, BOB, PHONE = new_id(), new_id(), new_id()
TICK = timedelta(microseconds=1)


def tokens(secret="one secret", clock=None, **settings):
    return DeviceTokens(settings=make_settings(**settings), clock=clock or FrozenClock(NOW), secret_box=SecretBox(secret))


OURS = tokens()


def test_a_token_says_which_device_which_account_and_since_when():
    value = OURS.issue(ALICE, PHONE, since=None)

    (token,) = OURS.read(value).tokens
    assert (token.device_id, token.user_id, token.issued_at, token.text) == (PHONE, ALICE, NOW, value)
    assert len(value) == 76
    assert value not in repr(token)


def test_a_token_is_good_for_its_own_account_only():
    presented = OURS.read(OURS.issue(ALICE, PHONE, since=None))

    assert presented.find(ALICE, since=None).device_id == PHONE
    assert presented.find(BOB, since=None) is None


def test_a_token_ends_after_as_many_days_as_the_settings_say():
    clock = FrozenClock(NOW)
    ours = tokens(clock=clock, device_token_days=3)
    value = ours.issue(ALICE, PHONE, since=None)

    clock.advance(timedelta(days=3) - TICK)
    assert ours.read(value).tokens
    clock.advance(TICK)
    assert ours.read(value) == NOTHING


def test_devices_that_were_forgotten_are_not_known_and_the_next_token_is():
    clock = FrozenClock(NOW)
    ours = tokens(clock=clock)
    old = ours.read(ours.issue(ALICE, PHONE, since=None))
    for since in (NOW, NOW + TICK):
        assert old.find(ALICE, since=since) is None
    assert old.find(ALICE, since=NOW - TICK) is not None

    for ahead in (timedelta(0), timedelta(seconds=5)):
        # Whoever forgot them may have a clock that is ahead.
        since = NOW + ahead
        assert ours.read(ours.issue(ALICE, PHONE, since=since)).find(ALICE, since=since) is not None


def test_a_browser_that_several_people_use_knows_the_last_four_of_them():
    people = [new_id() for _ in range(6)]
    value = ""
    for person in people:
        value = OURS.issue(person, PHONE, since=None, beside=OURS.read(value))

    presented = OURS.read(value)
    assert [token.user_id for token in presented.tokens] == people[:1:-1]
    again = OURS.read(OURS.issue(people[3], PHONE, since=None, beside=presented))
    assert [token.user_id for token in again.tokens] == [people[3], people[5], people[4], people[2]]


def test_a_device_keeps_its_id_and_a_new_one_gets_one():
    presented = OURS.read(OURS.issue(ALICE, PHONE, since=None))

    assert OURS.device_for(ALICE, presented, since=None) == PHONE
    assert OURS.device_for(BOB, presented, since=None) == PHONE
    made = {OURS.device_for(ALICE, NOTHING, since=None) for _ in range(3)}
    assert len(made) == 3
    assert PHONE not in made


def test_a_thief_with_a_copy_of_a_forgotten_token_does_not_share_the_new_device():
    presented = OURS.read(OURS.issue(ALICE, PHONE, since=None))

    assert OURS.device_for(ALICE, presented, since=NOW) != PHONE


def test_a_token_of_another_installation_is_nothing():
    assert OURS.read(tokens("another secret").issue(ALICE, PHONE, since=None)) == NOTHING


def test_no_bit_of_a_token_can_be_changed():
    value = OURS.issue(ALICE, PHONE, since=None)
    data = base64.urlsafe_b64decode(value)

    for place in range(len(data) * 8):
        forged = bytearray(data)
        forged[place // 8] ^= 1 << place % 8
        assert OURS.read(base64.urlsafe_b64encode(bytes(forged)).decode()) == NOTHING


@each(
    "change",
    [
        lambda t: "",
        lambda t: ".",
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: t + "=",
        lambda t: t[:-4],
        lambda t: f" {t}",
        lambda t: f"{t}\n",
        lambda t: f"{t},{t}",
        lambda t: t.swapcase(),
        lambda t: t.replace(t[10], "é"),
        lambda t: "\x00" * 76,
        lambda t: "A" * 76,
        lambda t: ".".join([t] * 5),
        lambda t: t + "." * 1000,
        lambda t: t * 100_000,
    ],
)
def test_what_is_malformed_or_too_long_is_nothing(change):
    assert OURS.read(change(OURS.issue(ALICE, PHONE, since=None))) == NOTHING


def test_a_bad_one_does_not_spoil_the_good_ones_beside_it():
    mine, his = OURS.issue(ALICE, PHONE, since=None), OURS.issue(BOB, PHONE, since=None)
    foreign = tokens("another secret").issue(ALICE, PHONE, since=None)

    assert [token.user_id for token in OURS.read(f"{foreign}.{mine}.x.{his}").tokens] == [ALICE, BOB]
    assert [token.user_id for token in OURS.read(f"{mine}.{mine}").tokens] == [ALICE]


@given(st.text(max_size=400))
def test_no_text_that_we_did_not_make_is_a_token(text):
    assert OURS.read(text) == NOTHING


app = Flask("bare")
SECURE, PLAIN = (Cookies(settings=make_settings(secure_cookies=is_secure)) for is_secure in (True, False))
NAME = "__Host-secureapi_device"


def brought(header, cookies=SECURE):
    with app.test_request_context(environ_overrides={"HTTP_COOKIE": header}):
        return cookies.device()


def test_the_cookie_is_read_under_its_own_name_only():
    assert brought(f"a=b; {NAME}=x.y; c=d") == "x.y"
    assert brought("secureapi_device=x", PLAIN) == "x"
    for other in ("secureapi_device=x", f"{NAME}2=x", f"x{NAME}=x", f"a=b,{NAME}=x", f"\xa0{NAME}=x", NAME, ""):
        assert brought(other) == ""
    assert brought(f"{NAME}=x", PLAIN) == ""


def test_two_of_them_are_none_and_no_error():
    assert brought(f"{NAME}=x; {NAME}=y") == ""
    assert brought(f"{NAME}=x; {NAME}=x") == ""


@each("value", ["", "x", "x" * 10_000, "\xff", "a=b"])
def test_the_cookie_is_no_credential(value):
    with app.test_request_context(environ_overrides={"HTTP_COOKIE": f"{NAME}={value}; {NAME}={value}"}):
        assert not SECURE.brought().has_token
