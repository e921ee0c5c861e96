"""Marks in Redis that make copies worthless, written before anybody is told that something has ended.

Redis may be away for this process and there for another, or come back in a moment with the copies it had. So the answer is held
until the mark is written, or until every copy that was made before has died by itself. Only so many answers are held at a time:
the others are 503, when what they ask for is committed already and in force wherever the database is asked.
"""

import threading
import time
from typing import Any

import structlog

from secureapi.core.errors import Unavailable
from secureapi.core.redis import RedisAway, RedisStore, Script

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.05
_MARGIN_SECONDS = 0.5
"""Two clocks tell the same span, ours and that of Redis, and neither is perfect."""


class Marks:
    """Writes marks. When `write` returns, no copy from before is believed any more, anywhere."""

    def __init__(self, store: RedisStore, *, copies_live_seconds: float, most_held: int) -> None:
        self._store = store
        self._copies_live = copies_live_seconds
        self._places = threading.BoundedSemaphore(most_held)

    def write(self, script: Script, keys: tuple[str, ...], args: tuple[Any, ...]) -> None:
        """Write a mark, or wait until it is not needed any more. Raises `Unavailable` when too many wait already."""
        began = time.monotonic()
        if self._is_written(script, keys, args):
            return
        _log.warning("callers.mark_held")
        if not self._places.acquire(blocking=False):
            raise Unavailable(retry_after=self._copies_live)
        try:
            while time.monotonic() < began + self._copies_live + _MARGIN_SECONDS:
                time.sleep(_PAUSE_SECONDS)
                if self._is_written(script, keys, args):
                    return
        finally:
            self._places.release()

    def _is_written(self, script: Script, keys: tuple[str, ...], args: tuple[Any, ...]) -> bool:
        try:
            self._store.run(script, keys, args, insist=True)
        except RedisAway:
            return False
        return True
