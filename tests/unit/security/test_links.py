import base64
import string
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.core.identifiers import new_id
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import LinkRefused
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.models import OneTimeLink
from secureapi.users.models import Status, User
from support.sample_settings import make_settings

SECRET = "k" * 48
HOUR = timedelta(hours=1)
TABLE = table_of(OneTimeLink)


@pytest.fixture
def clock():
    return FrozenClock(datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC))


def links_with(clock, secret=SECRET, **settings):
    chosen = make_settings(public_url="https://auth.example.com", **settings)
    return OneTimeLinks(settings=chosen, clock=clock, secret_box=SecretBox(secret))


@pytest.fixture
def links(clock):
    return links_with(clock)


@pytest.fixture
def user_id(database, clock):
    now, user_id = clock.now(), new_id()
    with database.writing() as connection:
        connection.execute(
            insert(table_of(User)).values(
                id=user_id,
                username="alice",
                username_canonical="alice",
                email="alice@example.com",
                email_canonical="alice@example.com",
                password_hash="x",
                password_changed_at=now,
                role="user",
                status=Status.ACTIVE.value,
                created_at=now,
                updated_at=now,
            )
        )
    return user_id


@pytest.fixture
def issue(database, links, user_id):
    """A link, and its token."""

    def one(purpose=Purpose.RESET_PASSWORD, lifetime=HOUR, **details):
        with database.writing() as connection:
            link_id = links.issue(connection, purpose, user_id=user_id, lifetime=lifetime, **details)
        return link_id, links.token(purpose, link_id)

    return one


@pytest.fixture
def take(database, links):
    def one(token, purpose=Purpose.RESET_PASSWORD, by=links):
        with database.writing() as connection:
            return by.take(connection, purpose, token)

    return one


def count(database):
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(TABLE)).scalar_one()


def test_a_token_gives_what_was_put_into_its_link_once(issue, take, user_id, clock):
    link_id, token = issue(address="0123")

    link = take(token)

    assert (link.id, link.user_id, link.details, link.created_at) == (link_id, user_id, {"address": "0123"}, clock.now())
    with pytest.raises(LinkRefused):
        take(token)


def test_looking_uses_nothing_up(database, links, issue, take):
    _, token = issue()

    with database.reading() as connection:
        assert links.look_at(connection, Purpose.RESET_PASSWORD, token) == links.look_at(connection, Purpose.RESET_PASSWORD, token)

    assert take(token)


def test_of_many_who_take_one_link_at_once_one_gets_it(issue, take):
    _, token = issue()
    outcomes, barrier = Counter(), threading.Barrier(20)

    def try_it():
        barrier.wait()
        try:
            take(token)
            outcomes["taken"] += 1
        except LinkRefused:
            outcomes["refused"] += 1

    threads = [threading.Thread(target=try_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == {"taken": 1, "refused": 19}


def test_a_link_is_good_until_its_time_is_over_and_not_a_moment_longer(issue, take, clock):
    tokens = [issue()[1] for _ in range(2)]

    clock.advance(HOUR - timedelta(microseconds=1))
    assert take(tokens[0])
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(LinkRefused):
        take(tokens[1])


@pytest.mark.parametrize("other", [purpose for purpose in Purpose if purpose is not Purpose.RESET_PASSWORD])
def test_a_link_is_good_for_its_own_purpose_only(issue, take, links, other):
    link_id, token = issue()

    for presented in (token, links.token(other, link_id)):
        with pytest.raises(LinkRefused):
            take(presented, other)
    assert take(token)


def test_withdrawn_links_are_worth_nothing_and_others_as_much_as_before(database, links, issue, take, user_id):
    (_, reset), (_, unlock) = issue(), issue(Purpose.UNLOCK)

    with database.writing() as connection:
        links.withdraw(connection, user_id, Purpose.RESET_PASSWORD, Purpose.NOT_ME)

    with pytest.raises(LinkRefused):
        take(reset)
    assert take(unlock, Purpose.UNLOCK)


def test_links_that_were_sent_elsewhere_later_are_closed_and_no_others(database, links, issue, take, user_id):
    """By the numbers of the addresses: no clock has a part in it, and every one of these was made at the same moment."""
    sent = [(0, "owner"), (1, "thief"), (2, "owner"), (3, "thief"), (1, "owner"), (2, "other")]
    tokens = [issue(number=number, address=address)[1] for number, address in sent]
    (_, without), (_, of_another_purpose) = issue(), issue(Purpose.UNLOCK, number=9, address="thief")

    with database.writing() as connection:
        links.withdraw_later(connection, user_id, Purpose.RESET_PASSWORD, number=1, address="owner")

    left = []
    for token, about in zip(tokens, sent, strict=True):
        try:
            left.append((take(token).details["number"], about[1]))
        except LinkRefused:
            continue
    assert left == [(0, "owner"), (1, "thief"), (2, "owner"), (1, "owner")]
    assert take(without)
    assert take(of_another_purpose, Purpose.UNLOCK)


def test_whether_a_link_is_open_can_be_asked(database, links, issue, take, user_id):
    def has_open():
        with database.reading() as connection:
            return links.has_open(connection, user_id, Purpose.RESET_PASSWORD)

    issue(lifetime=timedelta(0))
    issue(Purpose.UNLOCK)
    assert not has_open()
    _, token = issue()
    assert has_open()
    take(token)
    assert not has_open()


def test_a_token_does_not_say_when_it_was_made(issue):
    """A stranger could else see in one of his own what the worker did between it and the last one."""
    made = [issue()[0] for _ in range(20)]

    assert {link_id[14] for link_id in made} == {"4"}
    assert len({link_id[:8] for link_id in made}) == 20


def test_what_is_in_the_database_is_not_enough_to_make_a_token(issue, take, clock):
    """Whoever has read the tables has the id, and every other key than ours."""
    link_id, token = issue()
    foreign = links_with(clock, secret="f" * 48).token(Purpose.RESET_PASSWORD, link_id)

    assert foreign[:21] == token[:21]
    with pytest.raises(LinkRefused):
        take(foreign)
    assert take(token)


def test_a_token_that_was_made_up_is_refused_before_the_database_is_asked(links, clock):
    foreign = links_with(clock, secret="f" * 48)

    for token in (foreign.token(Purpose.RESET_PASSWORD, new_id()), "A" * 54, ""):
        with pytest.raises(LinkRefused):
            links.take(None, Purpose.RESET_PASSWORD, token)


def test_every_other_spelling_of_a_token_is_refused(issue, take):
    _, token = issue()
    raw = base64.urlsafe_b64decode(token + "==")
    spellings = [
        token + "==",
        token + "=",
        f" {token}",
        token[:20] + "\n" + token[20:],
        token + "!",
        token[:-1],
        token + "A",
        token.swapcase(),
        base64.b64encode(raw + b"\0").decode(),
        *(token[:-1] + last for last in string.ascii_letters + string.digits if last != token[-1]),
    ]

    for spelling in spellings:
        with pytest.raises(LinkRefused):
            take(spelling)
    assert take(token)


@given(st.text(max_size=130))
def test_no_text_is_taken_for_a_token(text):
    links = links_with(FrozenClock(datetime(2026, 11, 21, tzinfo=UTC)))

    with pytest.raises(LinkRefused):
        links.take(None, Purpose.NOT_ME, text)


@pytest.mark.parametrize(
    ("settings", "beginning"),
    [
        ({}, "https://auth.example.com/account/unlock"),
        ({"account_pages_url": "https://app.example.org/me/"}, "https://app.example.org/me/unlock"),
    ],
)
def test_the_token_stands_where_no_server_sees_it(clock, settings, beginning):
    links, link_id = links_with(clock, **settings), new_id()

    url = links.url("unlock", link_id)

    assert url == links.url("unlock", link_id), "the same message twice is the same to the byte"
    before, _, fragment = url.partition("#")
    assert (before, fragment) == (beginning, links.token(Purpose.UNLOCK, link_id))
    assert urlsplit(url).query == ""
    assert len(fragment) == 54
    assert set(fragment) <= set(string.ascii_letters + string.digits + "-_")


def test_links_that_are_over_are_removed_a_day_later(database, issue, clock):
    for _ in range(30):
        issue()
    clock.advance(HOUR + timedelta(days=1) - timedelta(seconds=1))
    issue()
    assert count(database) == 31

    clock.advance(timedelta(seconds=1))
    issue()
    assert count(database) == 32 - 20
    issue()
    assert count(database) == 3
