"""Many at once: calls let go at one moment, and crowds who go on while something is taken from them."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from secureapi.auth.callers import Callers
from support.house import House, Person
from support.processes import PATIENCE_SECONDS, until


def together(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The answers of all calls, which are let go at one moment, each in a thread of its own."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def change_role(house: House, person: Person, role: str) -> None:
    """What an administrator's change of a role comes down to: committed in the database, then made known, then answered."""
    house.execute("UPDATE users SET role = :role WHERE username = :name", role=role, name=person.username)
    house.service(Callers).user_changed(person.id)


@dataclass(frozen=True, slots=True)
class Use:
    """One request and its answer."""

    began: float
    """Before its connection was opened, on the monotonic clock."""
    status: int


class Crowd:
    """Threads that make the same kind of request again and again until the block ends, and remember when each one began."""

    def __init__(self, request: Callable[[], int], *, threads: int = 8) -> None:
        self._request = request
        self._uses: list[list[Use]] = [[] for _ in range(threads)]
        self._is_over = threading.Event()
        self._rest = 0.0
        self._pool = ThreadPoolExecutor(threads)
        self._running: list[Any] = []

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._go_on, mine) for mine in self._uses]
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        with self._pool:
            for thread in self._running:
                thread.result(timeout=PATIENCE_SECONDS)

    @property
    def uses(self) -> list[Use]:
        return [use for mine in self._uses for use in list(mine)]

    def meet(self, status: int = HTTPStatus.OK, *, times: int) -> None:
        """Return when so many of the crowd's requests have got this answer."""
        until(lambda: self._is_broken() or sum(use.status == status for use in self.uses) >= times)

    def go_on_after(self, moment: float, *, times: int = 4) -> None:
        """Return when everybody in the crowd has made so many requests that began after that moment."""
        until(lambda: self._is_broken() or all(sum(use.began > moment for use in list(mine)) >= times for mine in self._uses))

    def go_on_slowly_until(self, moment: float) -> None:
        """Return at that moment. Nothing has to be true before it, so that everybody rests after each request: a wait is not a load."""
        self._rest = 0.25
        until(lambda: self._is_broken() or time.monotonic() > moment)
        self._rest = 0.0

    def statuses(self, *, after: float = 0.0, before: float = float("inf")) -> set[int]:
        """Which answers there were to requests that began in this span."""
        return {use.status for use in self.uses if after < use.began < before}

    def _go_on(self, mine: list[Use]) -> None:
        while not self._is_over.is_set():
            began = time.monotonic()
            mine.append(Use(began, self._request()))
            if self._rest:
                self._is_over.wait(self._rest)

    def _is_broken(self) -> bool:
        """Whether somebody has failed, in which case waiting for him would hide why."""
        return any(thread.done() for thread in self._running)
