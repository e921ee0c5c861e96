"""Whether limits are counted by everybody together just now, told to those who look after the house: log, metrics and trail.

Each process notices by itself, when it counts. An event is written in a transaction of its own, at most one pair a minute; while the
database is away as well it is written later. What cannot be told costs nobody an answer.
"""

import os
import socket
import threading
import time
from typing import Any

import structlog

from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.security.events import LIMITS_DEGRADED, LIMITS_RESTORED
from secureapi.security.metrics import Metrics
from secureapi.security.trail import Trail

_log = structlog.get_logger(__name__)
_QUIET_SECONDS = 60.0
"""So long after one outage was told the next is not: a Redis that comes and goes must not fill the trail."""
_AGAIN_SECONDS = 5.0
"""So long after the database did not take an event nobody tries again: each try may cost a request its whole time-out."""


class Degradation:
    """What this process knows about the store of its limits, and what it has told of it."""

    def __init__(self, *, database: Database, trail: Trail, metrics: Metrics) -> None:
        self._database = database
        self._trail = trail
        self._metrics = metrics
        self._lock = threading.Lock()
        self._is_away = False
        self._is_told = False
        """Whether the last event says that it is away."""
        self._changed_at = self._told_at = float("-inf")
        self._silent_until = float("-inf")

    def look(self, *, is_away: bool) -> None:
        """Notice how the store is. Cheap when nothing has changed; of many threads one tells, and the others go on."""
        if is_away == self._is_away == self._is_told or not self._lock.acquire(blocking=False):
            return
        try:
            if is_away != self._is_away:
                self._notice(is_away=is_away)
            if is_away != self._is_told:
                self._tell(is_away=is_away)
        finally:
            self._lock.release()

    def _notice(self, *, is_away: bool) -> None:
        self._is_away = is_away
        self._changed_at = time.monotonic()
        self._metrics.limits_are(shared=not is_away)
        if is_away:
            _log.warning("limits.degraded")
        else:
            _log.warning("limits.restored")

    def _tell(self, *, is_away: bool) -> None:
        now = time.monotonic()
        if now < self._silent_until or (is_away and now < self._told_at + _QUIET_SECONDS):
            return
        kind = LIMITS_DEGRADED if is_away else LIMITS_RESTORED
        details: dict[str, Any] = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "seconds_ago": round(now - self._changed_at),
        }
        # Nobody's request: whoever happened to be there has nothing to do with it.
        nobody = Client("", "limits", new_id())
        try:
            with self._database.writing() as connection:
                self._trail.record(connection, kind, client=nobody, **details)
        except Unavailable:
            self._silent_until = time.monotonic() + _AGAIN_SECONDS
            return
        self._is_told = is_away
        if is_away:
            self._told_at = now
