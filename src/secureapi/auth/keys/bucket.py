"""A token bucket for one process: so many at once, so many a second after that."""

import time


class TokenBucket:
    """Not safe for threads by itself: its owner holds a lock."""

    def __init__(self, *, capacity: int, per_second: float) -> None:
        self._capacity = float(capacity)
        self._per_second = per_second
        self._level = self._capacity
        self._filled_at = time.monotonic()

    def take(self) -> bool:
        """Take one, if there is one."""
        now = time.monotonic()
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
