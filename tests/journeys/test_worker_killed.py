"""Whoever dies in the middle of a rotation: the family is where it was or one further, never lost, never in two places."""

import http.client
import os
import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from secureapi.core.database import Database
from support.processes import children_of, until

REFRESH, ME = "/api/v1/auth/refresh", "/api/v1/users/me"
CLIENTS = 5
CUTS = 15
"""So many answers must be lost before the test is content."""
MOST_STRIKES = 200


@pytest.fixture(scope="module")
def mortal(site):
    """Four workers that may be killed. The grace is the longest there is: a slow machine must not outlast it."""
    own = site.within()
    yield own.live(refresh_reuse_grace_seconds=60)
    own.close()


class Client:
    """Refreshes without a pause. When no answer comes it asks again with what it has, as any client would."""

    def __init__(self, live):
        self._live = live
        self.person = live.house.register()
        self.token, self.access = self.person.tokens.refresh, self.person.tokens.access
        self.rotations = self.cut = 0
        self.refusals = []

    def run(self, is_over):
        while not is_over.is_set() and not self.refusals:
            try:
                answer = self._live.post(REFRESH, json={"refresh_token": self.token})
            except (OSError, http.client.HTTPException):
                self.cut += 1
                continue
            if answer.status == 503:
                self.cut += 1
            elif answer.status == 200:
                self.token, self.access = answer.json["refresh_token"], answer.json["access_token"]
                self.rotations += 1
            else:
                self.refusals.append(answer.text)


def kill_a_worker(live, dice):
    workers = children_of(live.server.pid)
    with suppress(ProcessLookupError, IndexError):
        os.kill(dice.choice(workers), signal.SIGKILL)


def cut_the_database_off(live, _dice):
    """Every connection of every worker, in the middle of whatever it is doing: some between a commit and the news of it."""
    live.house.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("strike", [kill_a_worker, cut_the_database_off])
def test_a_family_survives_whatever_dies_while_it_moves_on(mortal, strike):
    live, dice, is_over = mortal, random.Random(3), threading.Event()
    clients = [Client(live) for _ in range(CLIENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client.run, is_over) for client in clients]
        try:
            for _ in range(MOST_STRIKES):
                # A few rotations, a different number each time, between one strike and the next.
                goal = sum(client.rotations for client in clients) + dice.randint(1, 12)
                until(lambda goal=goal: sum(client.rotations for client in clients) >= goal or any(client.refusals for client in clients))
                strike(live, dice)
                if sum(client.cut for client in clients) >= CUTS:
                    break
        finally:
            is_over.set()
        for client in running:
            client.result(timeout=30)

    assert [client.refusals for client in clients] == [[]] * CLIENTS
    assert sum(client.cut for client in clients) >= CUTS, "hardly anybody noticed, so nothing was proved"
    until(lambda: len(children_of(live.server.pid)) == live.settings.web_concurrency)
    # The house of this process was cut off as well, and finds that out by failing once.
    live.house.service(Database).dispose()
    for client in clients:
        assert_family_is_whole(live, client)


def patiently(ask):
    """The first answer that is not 503: a worker whose connection was cut says that once."""
    answers = []

    def is_answered():
        answers.append(ask())
        return answers[-1].status != 503

    until(is_answered)
    return answers[-1]


def assert_family_is_whole(live, client):
    """One more rotation from what the client holds; the trail has one event for each step of the family, and none of an alarm."""
    assert patiently(lambda: live.get(ME, headers={"Authorization": f"Bearer {client.access}"})).status == 200
    assert patiently(lambda: live.post(REFRESH, json={"refresh_token": client.token})).status == 200
    ((generation, ended_at),) = live.house.execute("SELECT generation, ended_at FROM sessions WHERE user_id = :id", id=client.person.id)
    counted = Counter(event.type for event in live.house.events(subject=client.person) if event.type.startswith("auth.session."))
    assert ended_at is None
    assert counted["auth.session.refreshed"] == generation
    assert set(counted) <= {"auth.session.refreshed", "auth.session.refresh_repeated"}
    # Each rotation that was committed was answered, or else the same successor was given again.
    answered = client.rotations + 1
    assert generation <= answered <= generation + counted["auth.session.refresh_repeated"]
