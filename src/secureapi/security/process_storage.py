"""Limits counted in this process, for the embedded profile and while Redis is away.

The memory storage of `limits` keeps every key that it has ever seen, and walks over all of them again and again: a stranger with many
addresses would fill the memory. This one forgets a key when its window is over, and never holds more than so many.
"""

import threading
import time
from collections import OrderedDict, deque
from typing import Any

from limits.storage import Storage
from limits.storage.base import MovingWindowSupport

SCHEME = "secureapi-process"
_MOST_KEYS = 100_000
_SWEPT_AT_ONCE = 4


class ProcessStorage(Storage, MovingWindowSupport):
    """Moving windows in a dictionary, oldest key first. Only what the moving-window strategy asks for."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - the library's own way of registering it

    def __init__(self, uri: str | None = None, *, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, tuple[deque[float], int]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count one more if there is room in the window."""
        now = time.time()
        with self._lock:
            self._sweep(now)
            entries = self._live(key, expiry, now)
            if len(entries) + amount > limit:
                return False
            entries.extend([now] * amount)
            self._windows[key] = (entries, expiry)
            self._windows.move_to_end(key)
            if len(self._windows) > _MOST_KEYS:
                self._windows.popitem(last=False)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the library's signature
        """When the window of a key began, and how many are in it."""
        now = time.time()
        with self._lock:
            entries = self._live(key, expiry, now)
            return (entries[0] if entries else now), len(entries)

    def _live(self, key: str, expiry: int, now: float) -> deque[float]:
        entries, _ = self._windows.get(key, (deque(), expiry))
        while entries and entries[0] <= now - expiry:
            entries.popleft()
        return entries

    def _sweep(self, now: float) -> None:
        """Look at the few keys that were used longest ago; each call removes more than it adds, as long as there are any."""
        for _ in range(min(_SWEPT_AT_ONCE, len(self._windows))):
            key, (entries, expiry) = next(iter(self._windows.items()))
            if entries and entries[-1] > now - expiry:
                return
            del self._windows[key]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        with self._lock:
            number = len(self._windows)
            self._windows.clear()
        return number

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)

    def get(self, key: str) -> int:
        with self._lock:
            return len(self._windows.get(key, ((), 0))[0])

    def get_expiry(self, key: str) -> float:
        with self._lock:
            entries, expiry = self._windows.get(key, (deque(), 0))
            return entries[-1] + expiry if entries else time.time()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:  # noqa: ARG002 - likewise
        """Fixed windows are not counted here."""
        raise ValueError("only moving windows are kept in the process")
