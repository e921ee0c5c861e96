"""The gate before the hashing of passwords: so many at a time, so many in the queue, and behind everybody else in the scheduler.

A hash takes a quarter of a second of a core, on purpose. Without a gate a storm of logins takes every core from those who only want to
read; without a bound on the queue it takes every thread of the server. So hashing has threads of its own, which the kernel runs
when nobody else wants to (`nice`), and whoever would wait too long is told so at once.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

import structlog

from secureapi.security.errors import HashingBusy

_log = structlog.get_logger(__name__)
_FIRST_GUESS_SECONDS = 0.25
_MEMORY = 0.8
"""How much of what was known about the duration of a hash stays when the next one is measured."""
T = TypeVar("T")


class HashGate:
    """Runs work in threads of its own. One for each application; its threads start when they are first needed, in each process."""

    def __init__(self, *, workers: int, most_waiting: int, patience: float, niceness: int) -> None:
        """`patience` in seconds; `niceness` as of `nice(1)`: 0 is like everybody else, 19 is after everybody else."""
        self._workers = workers
        self._most = workers + most_waiting
        self._patience = patience
        self._niceness = niceness
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0
        self._inside = 0
        self._seconds = _FIRST_GUESS_SECONDS

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """The result of the work, when its turn has come. Raises `HashingBusy`, at once when too many wait already."""
        pool = self._enter()
        task = None
        try:
            task = pool.submit(self._timed, work, *args)
            return task.result(timeout=self._patience)
        except Late:
            raise HashingBusy(retry_after=self._expected_wait()) from None
        finally:
            if task is None or task.cancel() or task.done():
                self._leave()
            else:
                # It has begun and goes on without us: its place is taken until it is done.
                task.add_done_callback(lambda _task: self._leave())

    def _enter(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._process != os.getpid():
                # A fork has no threads but the one that forked.
                self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="password-hash", initializer=self._step_back)
                self._process, self._inside = os.getpid(), 0
            if self._inside >= self._most:
                raise HashingBusy(retry_after=self._expected_wait())
            self._inside += 1
            assert self._pool is not None  # noqa: S101 - it was made above
            return self._pool

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1

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

    def _expected_wait(self) -> float:
        """How long it will take until those who are inside now are done."""
        return max(1.0, self._inside * self._seconds / self._workers)
