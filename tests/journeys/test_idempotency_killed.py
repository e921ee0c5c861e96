"""A worker that is killed in the middle of a creation: it is made once, never twice, and nobody waits for ever for the dead one."""

import contextlib
import http.client
import os
import signal
import threading

import pytest
from sqlalchemy import update

from journeys.answers import assert_problem
from secureapi.core.database import Database, table_of
from secureapi.security.errors import IdempotencyInProgress
from secureapi.security.identity import Identity
from secureapi.security.kept_answers import GIVEN_UP_AFTER, KeptAnswers
from secureapi.users.models import User
from support.processes import children_of, until

PATH = "/api/v1/auth/api-keys"
_GATE = 90_210
"""The number of a lock in the database, at which a statement of the server waits: a pause that no line of the server knows of."""


@pytest.fixture(scope="module")
def mortal(site):
    own = site.within()
    live = own.live(web_concurrency=2)
    waiting = f"BEGIN PERFORM pg_advisory_xact_lock({_GATE}); RETURN NEW; END"
    live.house.execute(f"CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ {waiting} $$")
    yield live
    own.close()


@contextlib.contextmanager
def closed_gate(live, condition):
    """While this holds, a statement for which the condition is true waits. Nobody has to know how long."""
    live.house.execute(f"CREATE TRIGGER gate {condition} EXECUTE FUNCTION wait_at_the_gate()")
    with live.house.service(Database).engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_GATE})")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_GATE})")
    table = condition.partition(" ON ")[2].split()[0]
    live.house.execute(f"DROP TRIGGER gate ON {table}")


class Customer:
    """Asks for a key with one Idempotency-Key, as often as it takes."""

    def __init__(self, live):
        self.live, self.person = live, live.house.person()

    def ask(self):
        wanted = {"name": "Nightly report", "scopes": ["self:read"]}
        return self.live.post(PATH, json=wanted, person=self.person, headers={"Idempotency-Key": '"only-one"'})

    def made(self):
        return self.live.house.execute("SELECT count(*) FROM api_keys WHERE user_id = :id", id=self.person.id)[0][0]

    def ask_and_have_the_worker_killed(self):
        """The request reaches the gate, and its worker is killed there."""

        def ask_in_vain():
            with pytest.raises((OSError, http.client.HTTPException)):
                self.ask()
            is_cut_off.append(True)

        is_cut_off = []
        asking = threading.Thread(target=ask_in_vain)
        asking.start()
        until(lambda: self.live.house.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")[0][0] == 1)
        workers = children_of(self.live.server.pid)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        asking.join(timeout=60)
        assert is_cut_off == [True]
        until(lambda: len(set(children_of(self.live.server.pid)) - set(workers)) == 2)

    def two_minutes_later(self):
        """What the clock of the server would show then is what this row shows now."""
        self.live.house.execute(
            "UPDATE kept_answers SET expires_at = expires_at - interval '2 minutes' WHERE user_id = :id", id=self.person.id
        )


def test_killed_before_its_commit_a_creation_is_made_by_the_next_who_asks_and_once(mortal):
    customer = Customer(mortal)

    with closed_gate(mortal, "BEFORE INSERT ON api_keys FOR EACH ROW"):
        customer.ask_and_have_the_worker_killed()

    assert customer.made() == 0
    assert_problem(customer.ask(), 409, "idempotency_in_progress")
    customer.two_minutes_later()
    first, second = customer.ask(), customer.ask()
    assert (first.status, second.status, second.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert customer.made() == 1


def test_killed_between_its_commit_and_its_answer_a_creation_is_never_made_again(mortal):
    customer = Customer(mortal)

    with closed_gate(mortal, "BEFORE UPDATE ON kept_answers FOR EACH ROW WHEN (NEW.answer IS NOT NULL)"):
        customer.ask_and_have_the_worker_killed()

    assert customer.made() == 1
    assert_problem(customer.ask(), 409, "idempotency_in_progress")
    customer.two_minutes_later()
    assert_problem(customer.ask(), 409, "idempotency_answer_lost")
    assert customer.made() == 1
    # The key is remembered for a day. Another one is another wish.
    assert mortal.post(PATH, json={"name": "x", "scopes": ["self:read"]}, person=customer.person).status == 201


def test_whoever_was_thought_dead_and_was_only_slow_commits_nothing_any_more(make_house, clock):
    house = make_house("embedded", clock=clock)
    person, kept = house.person(), house.service(KeptAnswers)
    caller = Identity(person.id, "", "user", frozenset(), "", 0, ())

    def take():
        return kept.claim(caller=caller, endpoint="somewhere", key="only-one", asked="1")

    slow = take()
    clock.advance(GIVEN_UP_AFTER)
    successor = take()

    def rename(claim, name):
        with kept.holding(claim), house.service(Database).transaction() as session:
            session.connection().execute(update(table_of(User)).where(table_of(User).c.id == person.id).values(full_name=name))

    with pytest.raises(IdempotencyInProgress):
        rename(slow, "slow")
    rename(successor, "successor")

    assert house.execute("SELECT full_name FROM users WHERE email = :email", email=person.email)[0][0] == "successor"
