"""Marks that could not be written, because Redis was away at that moment: written as soon as it is back.

A mark that is only logged would be lost: Redis comes back with the copies it had, and lets a caller in whose session has ended.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import structlog

from secureapi.core.redis import RedisAway, RedisStore, Script

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Mark:
    script: Script
    keys: tuple[str, ...]
    args: tuple[Any, ...]
    owed_until: float
    """When the copies that it would make worthless are over anyway, on the monotonic clock."""


class OwedMarks:
    """Writes marks, now or later."""

    def __init__(self, store: RedisStore, *, copies_live_seconds: float) -> None:
        self._store = store
        self._copies_live = copies_live_seconds
        self._owed: deque[_Mark] = deque()
        self._lock = threading.Lock()
        self._is_paying = False

    def write(self, script: Script, keys: tuple[str, ...], args: tuple[Any, ...]) -> None:
        """Write a mark; when Redis is away, go on without it and write it from a thread that ends when nothing is owed any more."""
        try:
            self._store.run(script, keys, args, insist=True)
        except RedisAway:
            _log.warning("callers.mark_owed")
            self._owe(_Mark(script, keys, args, time.monotonic() + self._copies_live))

    def _owe(self, mark: _Mark) -> None:
        with self._lock:
            if all(owed.keys != mark.keys for owed in self._owed):
                self._owed.append(mark)
            if self._is_paying:
                return
            self._is_paying = True
        # No daemon: a command or a worker that ends meanwhile waits for it, for no longer than the copies live.
        threading.Thread(target=self._pay, name="owed-marks", daemon=False).start()

    def _pay(self) -> None:
        try:
            while mark := self._next():
                try:
                    self._store.run(mark.script, mark.keys, mark.args, insist=True)
                except RedisAway:
                    time.sleep(_PAUSE_SECONDS)
                else:
                    with self._lock:
                        self._owed.remove(mark)
        except BaseException:
            with self._lock:
                self._is_paying = False
            raise

    def _next(self) -> _Mark | None:
        """The oldest mark that still matters."""
        with self._lock:
            while self._owed and self._owed[0].owed_until < time.monotonic():
                self._owed.popleft()
            # Decided under the lock: a mark that comes now starts a thread of its own.
            self._is_paying = bool(self._owed)
            return self._owed[0] if self._owed else None
