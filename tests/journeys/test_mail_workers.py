"""Workers that die in the middle of five hundred messages: each one arrives, none is made up, and only what was in hand comes twice.

The mail server keeps silent about a message, so that its worker certainly has it in hand, and then the worker is killed.
"""

import os
import signal
from collections import Counter
from functools import partial

from secureapi.core.requests import Client
from secureapi.security.permissions import Role
from secureapi.users.service import Registration
from support.mail_sink import USER
from support.outbox import add_notes, keys_of, let_claim_pass, let_claims_pass, notes_of
from support.processes import children_of, until

MESSAGES, PEOPLE = 500, 10


def add_five_hundred(house):
    """Who has to get which: `{id of the message: address}`. The accounts are made by an administrator, of which nobody is told."""
    make = partial(house.service(Registration).create, password="Tall-Trees-42!", role=Role.USER, client=Client.of_command_line())
    addresses = {}
    for number in range(PEOPLE):
        person = make(username=f"reader-{number}", email=f"reader-{number}@example.com")
        addresses[person.id] = person.email
        add_notes(house, person, MESSAGES // PEOPLE)
    owed = {note.id: addresses[note.user_id] for note in notes_of(house)}
    assert len(owed) == MESSAGES
    return owed


def from_here_on(sink, number):
    """Keep silent about every message after so many."""
    return lambda _received: len(sink.received) >= number


def kill(worker):
    worker.send(signal.SIGKILL)
    worker.wait()


def in_doubt_after(sink, strike, *, losses=1):
    """What those whom a strike kills have in hand: handed over, and nobody has told them so."""
    before = dict(sink.in_hand)
    strike()
    until(lambda: len(sink.in_hand) == len(before) - losses)
    return [received.key for peer, received in before.items() if peer not in sink.in_hand]


def assert_everything_arrived(house, sink, owed, in_doubt, *, at_most=0):
    """Each message at least once, at whom it is for, over TLS and after a login; twice only what was in doubt, and `at_most` others."""
    keys = keys_of(sink)
    assert keys.keys() == owed.keys()
    assert {(received.key, received.recipient) for received in sink.received} == set(owed.items())
    assert {(received.is_encrypted, received.login) for received in sink.received} == {(True, USER)}
    twice = keys - Counter(owed.keys()) - Counter(in_doubt)
    assert keys >= Counter(owed.keys()) + Counter(in_doubt)
    assert sum(twice.values()) <= at_most
    # The same message, to the byte: whoever gets both can tell.
    assert len({received.content for received in sink.received}) == MESSAGES
    assert all(note.delivered_at and not note.dead_at and not note.attempts for note in notes_of(house))


def test_two_workers_killed_again_and_again_lose_no_message_and_invent_none(make_house, sink, make_worker):
    house = make_house("scaled", **sink.settings())
    owed, in_doubt = add_five_hundred(house), []
    sink.hold = from_here_on(sink, 100)
    workers = [make_worker(house) for _ in range(2)]

    # One of two: what it had claimed is free for anybody once its time has passed, and what the other has claimed is not.
    until(lambda: len(sink.in_hand) == 2)
    (lost,) = in_doubt_after(sink, lambda: kill(workers[0]))
    in_doubt.append(lost)
    let_claim_pass(house, lost)
    workers[0] = make_worker(house)
    until(lambda: len(sink.in_hand) == 2)
    sink.go_on(from_here_on(sink, 300))
    # Both at one moment, each with a message in hand.
    until(lambda: len(sink.in_hand) == 2)
    in_doubt += in_doubt_after(sink, lambda: [kill(worker) for worker in workers], losses=2)
    assert len(in_doubt) == 3
    assert keys_of(sink).keys() < owed.keys()
    # What each has sent, it has sent once; what was in doubt may have come again meanwhile.
    assert not keys_of(sink) - Counter(owed.keys()) - Counter(in_doubt)

    # Both once more, and this time at whatever moment it may be.
    sink.release()
    let_claims_pass(house)
    workers = [make_worker(house) for _ in range(2)]
    goal = len(sink.received) + 50
    until(lambda: len(sink.received) >= goal)
    for worker in workers:
        kill(worker)
    assert not all(note.delivered_at for note in notes_of(house)), "they were too quick, so nothing was proved"
    let_claims_pass(house)
    assert make_worker(house, "--once").wait() == 0

    assert_everything_arrived(house, sink, owed, in_doubt, at_most=len(workers))


def test_a_server_that_delivers_itself_and_is_killed_loses_no_message_and_invents_none(make_live, sink, make_worker):
    """The embedded profile: SQLite, and a thread of the one worker."""
    live = make_live("embedded", **sink.settings())
    owed = add_five_hundred(live.house)
    sink.hold = from_here_on(sink, 150)
    assert live.get("/livez").status == 200
    until(lambda: len(sink.in_hand) == 1)

    # Its worker: gunicorn makes another one, which goes on when the claim has passed.
    (worker,) = children_of(live.server.pid)
    in_doubt = in_doubt_after(sink, lambda: os.kill(worker, signal.SIGKILL))
    let_claims_pass(live.house)
    sink.go_on(from_here_on(sink, 300))
    until(lambda: live.get("/livez").status == 200)
    until(lambda: len(sink.in_hand) == 1)
    # And all of it; an operator has the rest delivered by a command.
    in_doubt += in_doubt_after(sink, live.server.kill)
    assert keys_of(sink).keys() < owed.keys()
    let_claims_pass(live.house)
    sink.release()
    assert make_worker(live.house, "--once").wait() == 0

    assert len(in_doubt) == 2
    assert_everything_arrived(live.house, sink, owed, in_doubt)
