"""A flood of logins while Redis is killed, hangs, is emptied or takes no writes: no guess too many, no 500, and well again by itself.

What is proved of a limit of R in a window, of all workers together: in any span of that length at most R for each time that Redis has
begun to count anew (at the start, and each time it has lost its memory), and R more from the database; R/2 within one window of its.
"""

import itertools
import secrets
import signal
import time

import pytest

from secureapi.core.database import Database
from support.faults import FAULTS, Fault, renew_workers
from support.processes import children_of, until
from support.races import Crowd
from support.services import Services
from support.site import Site, prepare

LOGIN, REGISTER, ME, READY = "/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/users/me", "/readyz"
LIMIT = 12
"""Logins for each address."""
TROUBLES = {
    "killed": Fault(lambda services, _: services.redis.stop(signal.SIGKILL), FAULTS["stopped"].mend),
    "paused": FAULTS["paused"],
    "read only": FAULTS["read only"],
    "emptied": FAULTS["emptied"],
}
FORGETTING = {"killed", "emptied"}
TELLING = {"killed", "paused", "read only"}
TOKEN = secrets.token_urlsafe(32)
_hosts = itertools.count(1)


@pytest.fixture(scope="module")
def shaken():
    """A pair of servers of this file's own, and gunicorn with two workers on them, behind a proxy that tells it of clients."""
    services = Services(from_outside=False)
    site = Site(prepare(services))
    live = site.live(
        web_concurrency=2,
        # Longer than any of this takes, however slow the machine: no window ends by itself.
        login_rate_limit=f"{LIMIT}/day",
        trusted_proxies="127.0.0.1",
        redis_timeout_seconds=0.5,
        database_timeout_seconds=5.0,
        metrics_token=TOKEN,
    )
    yield services, live
    site.close()
    services.close()


@pytest.fixture
def services(shaken, store):
    """As the tests beside this file have them. How their workers take it is what is looked at here, so that nobody waits for it."""
    services, live = shaken
    yield services
    services.resume()
    for fault in FAULTS.values():
        fault.mend(services, store)
    until(lambda: live.get(READY).json["status"] == "ok")


@pytest.fixture
def flooded(shaken):
    return shaken[1]


@pytest.fixture
def workers(services, flooded):
    """The process ids of workers who have not lived through anything yet."""
    renew_workers(flooded)
    return set(children_of(flooded.server.pid))


def an_address():
    number = next(_hosts)
    return f"198.18.{number // 250}.{number % 250 + 1}"


class Flood:
    """Guesses at one account from an address each, and guesses at anybody's from one and the same address."""

    def __init__(self, live):
        self._live = live
        self.victim, self.address, self.answers = live.house.register(), an_address(), []

    def at_the_victim(self):
        return self._guess(self.victim.username, an_address())

    def from_one_address(self):
        return self._guess(f"nobody-{secrets.token_hex(8)}", self.address)

    def _guess(self, name, address):
        sent = {"username": name, "password": secrets.token_hex(8)}
        answer = self._live.post(LOGIN, json=sent, headers={"X-Forwarded-For": address})
        self.answers.append((address, answer))
        return answer.status

    def looked_at(self):
        """How many passwords were looked at, and told wrong."""
        refused = self._live.house.events("auth.login.refused", subject=self.victim)
        return sum(event.details["reason"] == "wrong_password" for event in refused)

    def accepted(self):
        """How many requests of the one address were let through."""
        return sum(answer.status == 401 for address, answer in self.answers if address == self.address)


def told(live, workers):
    """What these processes have told of their limits, by process."""
    found = {}
    for kind, details in live.house.execute("SELECT type, details FROM audit_events WHERE type LIKE 'security.limits.%' ORDER BY id"):
        if details["process"] in workers:
            found.setdefault(details["process"], []).append(kind.rpartition(".")[2])
    return found


def figures(live):
    answer = live.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_flood_of_logins_gets_no_guess_beyond_the_limits_whatever_befalls_redis(services, flooded, workers, store, name):
    live, fault, flood = flooded, TROUBLES[name], Flood(flooded)
    reader = live.house.person()
    before = figures(live)
    assert before["secureapi_limits_shared"] == 1

    with (
        Crowd(flood.at_the_victim, threads=3) as at_one,
        Crowd(flood.from_one_address, threads=3) as from_one,
        Crowd(lambda: live.get(ME, person=reader).status, threads=1) as readers,
    ):
        from_one.meet(429, times=4)
        at_one.meet(401, times=4)
        fault.befall(services, store)
        if name in TELLING:
            until(lambda: told(live, workers) == {pid: ["degraded"] for pid in workers})
            assert live.get(READY).status == 200
            during = figures(live)
        for crowd in (at_one, from_one, readers):
            crowd.go_on_after(time.monotonic(), times=4)
        fault.mend(services, store)
        if name in TELLING:
            until(lambda: told(live, workers) == {pid: ["degraded", "restored"] for pid in workers})
        for crowd in (at_one, from_one, readers):
            crowd.go_on_after(time.monotonic(), times=4)

    assert {answer.status for _, answer in flood.answers} <= {401, 429, 503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for _, answer in flood.answers if answer.status != 401)
    assert readers.statuses() == {200}
    assert flood.looked_at() == live.settings.max_login_attempts
    assert LIMIT <= flood.accepted() <= LIMIT * (1 + (name in FORGETTING)) + LIMIT // 2
    assert "crashed" not in live.log()

    if name in TELLING:
        assert told(live, workers) == {pid: ["degraded", "restored"] for pid in workers}
    until(lambda: live.get(READY).status == 200 and figures(live)["secureapi_limits_shared"] == 1)
    after = figures(live)
    refused, guessed = 'secureapi_limit_refusals_total{limit="login"}', 'secureapi_limits_fallback_total{kept_in="database",limit="login"}'
    assert after[refused] - before.get(refused, 0) == sum(answer.status == 429 for _, answer in flood.answers)
    if name in TELLING:
        assert during["secureapi_limits_shared"] == 0
        assert during[guessed] > before.get(guessed, 0)
    assert are_shared(live)


def are_shared(live):
    """Whether both workers count in one place again, the whole limit and not a request more."""
    address = an_address()
    statuses = [
        live.post(LOGIN, json={"username": "nobody-here", "password": "x"}, headers={"X-Forwarded-For": address}).status
        for _ in range(LIMIT * 2)
    ]
    return statuses == [401] * LIMIT + [429] * LIMIT


def test_without_both_stores_a_flood_is_503_and_nobody_is_let_through(services, flooded, workers):
    live, flood = flooded, Flood(flooded)
    services.redis.stop()
    services.postgres.stop()

    statuses = {flood.at_the_victim() for _ in range(8)} | {flood.from_one_address() for _ in range(8)}

    assert statuses == {503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for _, answer in flood.answers)
    services.postgres.start()
    services.redis.start()
    # Those of this process ended with the server, too, and it asks here by hand.
    live.house.service(Database).dispose()
    until(lambda: live.get(READY).json["status"] == "ok" and live.get(READY).json["limits"] == "shared")
    until(lambda: flood.at_the_victim() == 401)
    assert "crashed" not in live.log()
    # Who could not write that it began tells it late, or, where it was over by then, not at all.
    assert all(kinds in (["degraded"], ["degraded", "restored"]) for kinds in told(live, workers).values())


def test_killed_workers_leave_what_they_have_counted_and_not_how_they_were(services, flooded, workers, store):
    live, address = flooded, an_address()
    FAULTS["read only"].befall(services, store)
    sent = {"json": {"username": "nobody-here", "password": "x"}, "headers": {"X-Forwarded-For": address}}
    while live.post(LOGIN, **sent).status != 429:
        pass
    before = figures(live)
    assert before["secureapi_limits_shared"] == 0

    renew_workers(live)

    after = figures(live)
    assert after["secureapi_limits_shared"] == 1, "the new ones have not asked Redis yet"
    counted = [name for name in before if name.endswith('"}')]
    assert {name: after[name] for name in counted} == {name: before[name] for name in counted}
    assert before['secureapi_limit_refusals_total{limit="login"}'] >= 1
