"""Keeping whoever is wrong again and again waiting, before the lock falls: guessing gets slow while the owner still gets in."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from secureapi.security.attempts import Attempt
from secureapi.security.errors import HashingBusy

_FREE = 2
"""So many attempts in a row wait for nothing: everybody mistypes."""
_LONGEST_SECONDS = 20.0
"""Shorter than any proxy in front waits for an answer."""


@dataclass(eq=False, frozen=True, slots=True)
class _Place:
    is_known: bool


class Delays:
    """Holds requests back, in their own threads and only so many at a time. Never to be called with a connection in hand."""

    def __init__(
        self,
        *,
        first: Callable[[], float],
        most_waiting: int,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`first` tells how long the third attempt in a row waits, in seconds; each further one twice as long.

        Of several places strangers may have all but one: a flood of them must not turn away an owner who has mistyped twice.
        """
        self._first = first
        self._most = most_waiting
        self._most_strangers = max(1, most_waiting - 1)
        self._sleep = sleep
        self._timer = timer
        self._lock = threading.Lock()
        self._process = 0
        self._ends: dict[_Place, float] = {}

    def seconds_before(self, attempt: Attempt) -> float:
        """How long this one has to wait. An attempt that is not looked at anyway does not: that would only take a thread from others."""
        if attempt.number <= _FREE or not attempt.is_allowed:
            return 0.0
        doublings = min(attempt.number - _FREE - 1, 30)
        return min(self._first() * 2.0**doublings, _LONGEST_SECONDS)

    def hold(self, attempt: Attempt, *, is_known: bool = False) -> None:
        """Return when the attempt may be looked at. Raises `HashingBusy` at once when too many wait already.

        Otherwise a guesser with a list of names would have every thread of the server waiting.
        """
        seconds = self.seconds_before(attempt)
        if seconds <= 0:
            return
        place = self._enter(seconds, is_known=is_known)
        try:
            self._sleep(seconds)
        finally:
            with self._lock:
                self._ends.pop(place, None)

    def _enter(self, seconds: float, *, is_known: bool) -> "_Place":
        place, now = _Place(is_known), self._timer()
        with self._lock:
            if self._process != os.getpid():
                # A fork has none of the threads that wait.
                self._process, self._ends = os.getpid(), {}
            strangers = [end for other, end in self._ends.items() if not other.is_known]
            if len(self._ends) >= self._most:
                raise HashingBusy(retry_after=max(1.0, min(self._ends.values()) - now))
            if not is_known and len(strangers) >= self._most_strangers:
                raise HashingBusy(retry_after=max(1.0, min(strangers) - now))
            self._ends[place] = now + seconds
        return place
