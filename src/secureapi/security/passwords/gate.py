"""The gate before the hashing of passwords: so many at a time, so many in the queue, and behind everybody else in the scheduler.

A hash takes a quarter of a second of a core, on purpose. Without a gate a storm of logins takes every core from those who only want to
read; without a bound on the queue it takes every thread of the server. So hashing has threads of its own, which the kernel runs
when nobody else wants to (`nice`), and whoever would wait too long is told so at once.

Who comes is a stranger, or known: on a device that signed in before, signed in already, with a link from his mailbox. Strangers may
fill most of the places and never all, and known ones go first, or else a few hundred addresses would keep every owner out. Nor may one
account keep out the others: only two of its tasks go before strangers at a time.
"""

import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog

from secureapi.security.errors import HashingBusy

_log = structlog.get_logger(__name__)
_FIRST_GUESS_SECONDS = 0.25
_MEMORY = 0.8
"""How much of what was known about the duration of a hash stays when the next one is measured."""
_TURNS = 4
"""Where both wait, every so many turns one goes to whoever waits longest: strangers must not wait for ever behind known ones."""
_OF_ONE_ACCOUNT = 2
"""So many of an account have the rank of a known one at a time; its others come as strangers do."""
T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Task:
    number: int
    """The lower, the longer it waits."""
    whose: str
    """The account of a known one; empty for a stranger."""
    work: Callable[[], Any]
    outcome: Future[Any] = field(default_factory=Future)


class HashGate:
    """Runs work in threads of its own. One for each application; its threads start when they are first needed, in each process."""

    def __init__(self, *, workers: int, most_waiting: int, patience: float, niceness: int) -> None:
        """`patience` in seconds; `niceness` as of `nice(1)`: 0 is like everybody else, 19 is after everybody else."""
        self._workers = workers
        self._most = workers + most_waiting
        self._most_strangers = max(1, self._most - max(1, self._most // 4))
        self._patience = patience
        self._niceness = niceness
        self._lock = threading.Lock()
        self._seconds = _FIRST_GUESS_SECONDS
        self._process = 0
        self._begin_process(None)

    def run(self, work: Callable[..., T], *args: Any, whose: str = "") -> T:
        """The result of the work, when its turn has come. Raises `HashingBusy`, at once when too many wait already.

        `whose` is the account of somebody who is known; empty for a stranger.
        """
        task = self._enter(partial(self._timed, work, *args), whose)
        try:
            result: T = task.outcome.result(timeout=self._patience)
        except Late:
            raise HashingBusy(retry_after=self._expected_wait(is_known=bool(task.whose))) from None
        finally:
            if task.outcome.cancel() or task.outcome.done():
                self._leave(task)
            else:
                # It has begun and goes on without us: its place is taken until it is done.
                task.outcome.add_done_callback(lambda _outcome: self._leave(task))
        return result

    @property
    def is_full(self) -> bool:
        """Whether a stranger would be turned away just now."""
        with self._lock:
            return self._process == os.getpid() and not self._has_place(is_known=False)

    def refuse_strangers_if_full(self) -> None:
        """Raise `HashingBusy` where a stranger would be turned away just now, before anything is written for him."""
        if self.is_full:
            raise HashingBusy(retry_after=self._expected_wait(is_known=False))

    def _has_place(self, *, is_known: bool) -> bool:
        return sum(self._inside.values()) < self._most and (is_known or self._inside[False] < self._most_strangers)

    def _begin_process(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool
        self._number = self._passed_over = 0
        self._inside = {True: 0, False: 0}
        """How many have a place, by whether they are known."""
        self._of_account: Counter[str] = Counter()
        self._waiting: dict[bool, deque[_Task]] = {True: deque(), False: deque()}

    def _enter(self, work: Callable[[], Any], whose: str) -> _Task:
        with self._lock:
            if self._process != os.getpid():
                # A fork has no threads but the one that forked, and nobody who waits.
                self._begin_process(ThreadPoolExecutor(self._workers, thread_name_prefix="password-hash", initializer=self._step_back))
                self._process = os.getpid()
            if self._of_account[whose] >= _OF_ONE_ACCOUNT:
                whose = ""
            is_known = bool(whose)
            if not self._has_place(is_known=is_known):
                raise HashingBusy(retry_after=self._expected_wait(is_known=is_known))
            assert self._pool is not None  # noqa: S101 - it was made above
            # A turn, not this task: whose it is, is decided when a thread has time for it.
            self._pool.submit(self._take_turn)
            self._number += 1
            task = _Task(self._number, whose, work)
            self._inside[is_known] += 1
            if is_known:
                self._of_account[whose] += 1
            self._waiting[is_known].append(task)
            return task

    def _leave(self, task: _Task) -> None:
        with self._lock:
            is_known = bool(task.whose)
            self._inside[is_known] -= 1
            self._of_account -= Counter({task.whose: 1})
            with suppress(ValueError):
                # Only whoever gave up is still there: the turn that was his finds another one, or nobody.
                self._waiting[is_known].remove(task)

    def _take_turn(self) -> None:
        with self._lock:
            task = self._next()
        if task is None or not task.outcome.set_running_or_notify_cancel():
            return
        try:
            result = task.work()
        except BaseException as error:  # noqa: BLE001 - it goes to whoever waits for the outcome
            task.outcome.set_exception(error)
        else:
            task.outcome.set_result(result)

    def _next(self) -> _Task | None:
        known, strangers = self._waiting[True], self._waiting[False]
        if not (known and strangers):
            self._passed_over = 0
            queue = known or strangers
        else:
            self._passed_over = (self._passed_over + 1) % _TURNS
            is_longest = strangers[0].number < known[0].number
            queue = strangers if is_longest and self._passed_over == 0 else known
        return queue.popleft() if queue else None

    def _step_back(self) -> None:
        """Put this thread behind the others. Only Linux has priorities for single threads."""
        if not self._niceness or sys.platform != "linux":
            return
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        except OSError as error:
            _log.warning("hash_gate.priority_refused", reason=type(error).__name__)

    def _timed(self, work: Callable[..., T], *args: Any) -> T:
        began = time.monotonic()
        try:
            return work(*args)
        finally:
            self._seconds = _MEMORY * self._seconds + (1 - _MEMORY) * (time.monotonic() - began)

    def _expected_wait(self, *, is_known: bool) -> float:
        """How long it will take until those who go before him are done; then there is a place, unless others were quicker."""
        inside = sum(self._inside.values())
        ahead = min(inside, self._inside[True] + self._workers) if is_known else inside
        return max(1.0, ahead * self._seconds / self._workers)
