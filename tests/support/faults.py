"""What befalls Redis, how it is mended, and how to see that everybody has noticed."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from secureapi.core.errors import Unavailable
from support.house import Person
from support.live import Live
from support.processes import children_of, until
from support.services import Services

ME = "/api/v1/users/me"
MANY = 12
"""Requests that meet every one of the four workers, very probably."""


def is_well(live: Live) -> bool:
    """Whether every worker, and the house of this process, has noticed that its stores are back: each finds that out by one 503."""
    try:
        person = live.house.register()
        assert live.house.events("users.registered", subject=person)
        seen = {live.patch(ME, person=person, json={"bio": str(n)}).status for n in range(MANY)} | seen_by_every_worker(live, person)
    except (Unavailable, AssertionError):
        return False
    return seen == {200} and live.get("/readyz").json["status"] == "ok"


def seen_by_every_worker(live: Live, person: Person) -> set[int]:
    return {live.get(ME, person=person).status for _ in range(MANY)}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that befalls Redis, and how it is mended. Mending what is well changes nothing."""

    befall: Callable[[Services, Redis], object]
    mend: Callable[[Services, Redis], object]


def nothing(_services: Services, _store: Redis) -> None:
    pass


def empty(_services: Services, store: Redis) -> None:
    store.flushall()


def start(services: Services, _store: Redis) -> None:
    if not services.redis.is_running:
        services.redis.start()


FAULTS = {
    "stopped": Fault(lambda services, _: services.redis.stop(), start),
    "paused": Fault(lambda services, _: services.redis.pause(), lambda services, _: services.redis.resume()),
    "read only": Fault(lambda _, store: store.replicaof("127.0.0.1", "9"), lambda _, store: store.replicaof("NO", "ONE")),
    "without its replicas": Fault(
        lambda _, store: store.config_set("min-replicas-to-write", "1"), lambda _, store: store.config_set("min-replicas-to-write", "0")
    ),
    "full": Fault(lambda _, store: store.config_set("maxmemory", "1"), lambda _, store: store.config_set("maxmemory", "0")),
    "emptied": Fault(empty, nothing),
    "emptied afterwards": Fault(nothing, empty),
}


def renew_workers(live: Live) -> None:
    """Put fresh workers in the place of those that remember how Redis failed, and trust it less for a while."""
    # A server that has just started answers before its last worker is there.
    workers = live.settings.web_concurrency
    until(lambda: len(children_of(live.server.pid)) == workers)
    old = set(children_of(live.server.pid))
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(children_of(live.server.pid)) - old) == workers)
