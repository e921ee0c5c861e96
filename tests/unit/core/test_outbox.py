import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from secureapi.core import outbox
from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.core.delivery import Delivery, delay_after
from secureapi.core.delivery_in_server import DeliveryInServer
from secureapi.core.mail import PutOff, Recipient
from secureapi.core.outbox import Outbox, OutboxMessage
from support.sample_settings import make_settings

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LEASE = timedelta(minutes=1)


@pytest.fixture
def add(database):
    def add_notes(number=1, *, at=NOW):
        with database.transaction() as session:
            for _ in range(number):
                Outbox(FrozenClock(at)).add(session, "mail.refresh_reused", user_id=None, address="203.0.113.9")

    return add_notes


def claim(database, *, most=10, now=NOW):
    with database.writing() as connection:
        return outbox.claim(connection, most=most, now=now, lease=LEASE)


def rows(database):
    with database.reading() as connection:
        return connection.execute(select(table_of(OutboxMessage)).order_by(OutboxMessage.due_at)).all()


def write(database, change, *args, **kwargs):
    with database.writing() as connection:
        return change(connection, *args, **kwargs)


def test_a_note_lives_and_dies_with_its_transaction(database):
    def cause_of_a_note():
        with database.transaction() as session:
            Outbox(FrozenClock(NOW)).add(session, "mail.refresh_reused", user_id=None)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cause_of_a_note()

    assert not rows(database)


def test_the_longest_waiting_are_claimed_first_and_nobody_gets_them_twice(database, add):
    for minutes in (1, 3, 2):
        add(at=NOW - timedelta(minutes=minutes))

    claims = [claim(database, most=1) for _ in range(4)]

    assert [len(notes) for notes in claims] == [1, 1, 1, 0]
    assert [notes[0].created_at for notes in claims[:3]] == [NOW - timedelta(minutes=minutes) for minutes in (3, 2, 1)]


def test_what_is_not_due_is_not_claimed(database, add):
    add(at=NOW + timedelta(seconds=1))

    assert not claim(database)
    assert len(claim(database, now=NOW + timedelta(seconds=1))) == 1


def test_a_claim_ends_by_itself(database, add):
    add()
    claim(database)

    assert not claim(database, now=NOW + LEASE - timedelta(microseconds=1))
    assert len(claim(database, now=NOW + LEASE)) == 1


def test_who_lost_his_claim_decides_nothing_any_more(database, add):
    add()
    (old,) = claim(database)
    (new,) = claim(database, now=NOW + LEASE)

    assert not write(database, outbox.put_off, old, reason="late", until=NOW)
    assert not write(database, outbox.bury, old, reason="late", now=NOW)
    write(database, outbox.give_back, [old])

    (row,) = rows(database)
    assert (row.attempts, row.dead_at, row.locked_until) == (0, None, new.claimed_until)


def test_what_was_delivered_is_delivered_whoever_has_the_claim(database, add):
    add()
    (old,) = claim(database)
    (new,) = claim(database, now=NOW + LEASE)

    write(database, outbox.mark_delivered, old, now=NOW)

    assert not write(database, outbox.put_off, new, reason="refused", until=NOW)
    assert rows(database)[0].delivered_at == NOW
    assert not claim(database, now=NOW + timedelta(days=1))


def test_the_dead_are_not_claimed_and_can_be_revived(database, add):
    add(2)
    first, second = claim(database)
    write(database, outbox.bury, first, reason="X" * 100, now=NOW)
    write(database, outbox.mark_delivered, second, now=NOW)
    assert not claim(database, now=NOW + timedelta(days=1))
    assert [row.last_error for row in rows(database) if row.id == first.id] == ["X" * 64]

    assert write(database, outbox.revive, None, now=NOW) == 1

    (again,) = claim(database)
    assert (again.id, again.attempts) == (first.id, 0)


def test_what_a_worker_has_in_hand_or_has_delivered_is_not_revived(database, add):
    add()
    (note,) = claim(database)
    assert write(database, outbox.revive, note.id, now=NOW) == 0

    write(database, outbox.mark_delivered, note, now=NOW)

    assert write(database, outbox.revive, note.id, now=NOW + timedelta(days=1)) == 0
    assert write(database, outbox.forget, note.id) is None


def test_what_was_delivered_is_forgotten_after_a_while_and_nothing_else(database, add):
    add(3)
    first, second, _ = claim(database)
    write(database, outbox.mark_delivered, first, now=NOW)
    write(database, outbox.bury, second, reason="X", now=NOW)

    assert write(database, outbox.sweep, before=NOW) == 0
    assert write(database, outbox.sweep, before=NOW + timedelta(seconds=1)) == 1
    assert len(rows(database)) == 2


def test_delays_double_up_to_an_hour_and_are_never_alike():
    for attempts, most in [(1, 15), (2, 30), (3, 60), (8, 1920), (9, 3600), (10, 3600), (10_000, 3600)]:
        assert all(0.75 * most <= delay_after(attempts).total_seconds() <= most for _ in range(50))
    assert len({delay_after(1) for _ in range(20)}) > 1


# ---- the loop


class Letterbox:
    """Takes everything, and may do something at each letter."""

    def __init__(self, at_each=lambda: None):
        self.letters = []
        self.at_each = at_each
        self.rests = 0

    def send(self, letter):
        self.letters.append(letter)
        self.at_each()

    def rest(self):
        self.rests += 1


class Asked:
    """Asks to stop when so many letters have come."""

    def __init__(self, letterbox, most):
        self.letterbox = letterbox
        self.most = most
        self.waits = []

    @property
    def is_asked(self):
        return len(self.letterbox.letters) >= self.most or len(self.waits) > 20

    def wait(self, seconds):
        self.waits.append(seconds)


@pytest.fixture
def add_for_alice(database):
    def add_notes(clock, number):
        with database.transaction() as session:
            for _ in range(number):
                Outbox(clock).add(session, "mail.refresh_reused", user_id="01a1ff02-f909-7f72-89d4-1538a3a205a2", address="203.0.113.9")

    return add_notes


def delivery_of(database, clock, post, *, recorded=None, **settings):
    return Delivery(
        settings=make_settings(mail_from="no-reply@example.com", **settings),
        database=database,
        clock=clock,
        post=post,
        find_recipient=lambda _note: Recipient("alice@example.com", "alice"),
        link_to=lambda _purpose, link_id: f"https://auth.example.com/account/x#{link_id}",
        handlers={},
        record=lambda *event: recorded.append(event[1:]),
    )


def test_a_worker_that_is_too_slow_for_its_claim_leaves_the_rest_to_others(database, clock, add_for_alice):
    """Otherwise two would send the same message."""
    add_for_alice(clock, 5)
    slow = Letterbox(lambda: clock.advance(timedelta(seconds=25)))
    stop = Asked(slow, 2)

    delivery_of(database, clock, slow, mail_timeout_seconds=10).deliver_due(stop)

    assert len(slow.letters) == 2
    assert {row.locked_until for row in rows(database)} == {None}
    quick = Letterbox()
    assert delivery_of(database, clock, quick).deliver_due().delivered == 3
    assert not {letter.id for letter in quick.letters} & {letter.id for letter in slow.letters}


def test_a_claim_that_is_nearly_over_is_not_used_any_more(database, clock, add_for_alice):
    add_for_alice(clock, 5)
    slow = Letterbox(lambda: clock.advance(timedelta(seconds=41)))
    claims = []
    delivery = delivery_of(database, clock, slow, mail_timeout_seconds=10)
    original = delivery._claim
    delivery._claim = lambda: claims.append(original()) or claims[-1]

    assert delivery.deliver_due().delivered == 5

    assert [len(notes) for notes in claims] == [5, 4, 3, 2, 1, 0]


def test_a_fault_in_one_message_is_its_own(database, clock, add_for_alice):
    add_for_alice(clock, 3)
    recorded = []
    post = Letterbox()

    def stumble():
        if len(post.letters) == 2:
            raise KeyError("a secret of somebody")

    post.at_each = stumble

    done = delivery_of(database, clock, post, recorded=recorded).deliver_due()

    assert (done.delivered, done.dead) == (2, 1)
    ((happened, whose, details),) = recorded
    assert (happened, whose, details["reason"]) == ("dead", "01a1ff02-f909-7f72-89d4-1538a3a205a2", "KeyError")


def test_a_worker_goes_on_while_the_database_is_away_and_asks_less_and_less_often(database, clock, monkeypatch):
    from secureapi.core.errors import Unavailable

    delivery = delivery_of(database, clock, Letterbox())
    monkeypatch.setattr(delivery, "_claim", lambda: (_ for _ in ()).throw(Unavailable))
    stop = Asked(Letterbox(), 1)

    delivery.run(stop)

    assert stop.waits[0] < 2.1
    assert stop.waits[0] < stop.waits[2] < stop.waits[4]
    assert 44 < stop.waits[-1] <= 60


def test_connections_are_let_go_of_between_rounds(database, clock, add_for_alice):
    add_for_alice(clock, 2)
    post = Letterbox(lambda: (_ for _ in ()).throw(PutOff("X")))

    delivery_of(database, clock, post).deliver_due()

    assert post.rests == 1


def test_without_a_place_to_deliver_to_nothing_is_claimed(database, clock, add_for_alice):
    add_for_alice(clock, 1)
    delivery = delivery_of(database, clock, None)

    assert not delivery.is_possible
    assert delivery.deliver_due().delivered == 0
    assert rows(database)[0].locked_until is None


# ---- in the server


class Counted:
    """Stands in for a delivery, and says how often and where it was run."""

    def __init__(self, *, is_possible=True):
        self.is_possible = is_possible
        self.threads = []
        self.is_running = threading.Event()

    def run(self, _stop):
        self.threads.append(threading.current_thread())
        self.is_running.set()
        threading.Event().wait()


def request_of(layer, *, is_multithread):
    return list(layer({"wsgi.multithread": is_multithread}, None))


def test_the_first_request_of_a_threaded_server_starts_one_thread_and_no_other_does():
    delivery = Counted()
    layer = DeliveryInServer(lambda _environ, _start: [b"answer"], delivery)

    for _ in range(3):
        assert request_of(layer, is_multithread=False) == [b"answer"]
    assert not delivery.threads
    for _ in range(3):
        assert request_of(layer, is_multithread=True) == [b"answer"]

    assert delivery.is_running.wait(10)
    assert [thread.daemon for thread in delivery.threads] == [True]


def test_a_server_that_may_not_deliver_starts_no_thread_and_answers():
    before = threading.active_count()
    layer = DeliveryInServer(lambda _environ, _start: [b"answer"], Counted(is_possible=False))

    assert request_of(layer, is_multithread=True) == [b"answer"]
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("said", "database_url", "workers", "delivers"),
    [
        ("auto", "sqlite:///x.db", 1, True),
        ("auto", "sqlite:///x.db", 2, False),
        ("auto", "postgresql://u:p@h/d", 1, False),
        ("on", "postgresql://u:p@h/d", 4, True),
        ("off", "sqlite:///x.db", 1, False),
    ],
)
def test_who_delivers(said, database_url, workers, delivers):
    chosen = make_settings(outbox_in_server=said, database_url=database_url, web_concurrency=workers)

    assert chosen.delivers_in_server is delivers
