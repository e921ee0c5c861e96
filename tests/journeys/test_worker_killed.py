"""Workers that die in the middle of a rotation: the family is where it was or one further, never lost, never in two places."""

import http.client
import os
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from support.processes import children_of, until

REFRESH, ME = "/api/v1/auth/refresh", "/api/v1/users/me"
DEATHS = 16
CLIENTS = 6


class Client:
    """Refreshes without a pause. When no answer comes it asks again with what it has, as any client would."""

    def __init__(self, live):
        self._live = live
        self.person = live.house.register()
        self.token, self.access = self.person.tokens.refresh, self.person.tokens.access
        self.rotations = self.cut = 0
        self.refusals = []

    def run(self, is_over):
        while not is_over() and not self.refusals:
            try:
                answer = self._live.post(REFRESH, json={"refresh_token": self.token})
            except (OSError, http.client.HTTPException):
                self.cut += 1
                continue
            if answer.status == 200:
                self.token, self.access = answer.json["refresh_token"], answer.json["access_token"]
                self.rotations += 1
            else:
                self.refusals.append(answer.text)


def kill_somebody(live, dice):
    workers = children_of(live.server.pid)
    with suppress(ProcessLookupError, IndexError):
        os.kill(dice.choice(workers), signal.SIGKILL)


def test_a_family_survives_every_worker_that_dies_while_it_moves_on(make_live):
    live = make_live(refresh_reuse_grace_seconds=60)
    clients, dice, deaths = [Client(live) for _ in range(CLIENTS)], random.Random(3), 0

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client.run, lambda: deaths >= DEATHS) for client in clients]
        try:
            while deaths < DEATHS:
                # A few rotations, a different number each time, between one death and the next.
                goal = sum(client.rotations for client in clients) + dice.randint(1, 12)
                until(lambda goal=goal: sum(client.rotations for client in clients) >= goal or any(client.refusals for client in clients))
                kill_somebody(live, dice)
                deaths += 1
        finally:
            deaths = DEATHS
        for client in running:
            client.result(timeout=30)

    assert [client.refusals for client in clients] == [[]] * CLIENTS
    assert sum(client.cut for client in clients) >= DEATHS / 2, "hardly anybody noticed, so nothing was proved"
    until(lambda: len(children_of(live.server.pid)) == live.settings.web_concurrency)
    for client in clients:
        assert_family_is_whole(live, client)


def assert_family_is_whole(live, client):
    """One more rotation from what the client holds; the trail has one event for each step of the family, and none of an alarm."""
    assert live.get(ME, headers={"Authorization": f"Bearer {client.access}"}).status == 200
    assert live.post(REFRESH, json={"refresh_token": client.token}).status == 200
    ((generation, ended_at),) = live.house.execute("SELECT generation, ended_at FROM sessions WHERE user_id = :id", id=client.person.id)
    counted = Counter(event.type for event in live.house.events(subject=client.person) if event.type.startswith("auth.session."))
    assert ended_at is None
    assert counted["auth.session.refreshed"] == generation
    assert set(counted) <= {"auth.session.refreshed", "auth.session.refresh_repeated"}
    # Each rotation that was committed was answered, or else the same successor was given again.
    answered = client.rotations + 1
    assert generation <= answered <= generation + counted["auth.session.refresh_repeated"]
