"""Limits counted in Redis, for all workers together: one script and one exchange for each request that is counted.

The Redis storage of `limits` takes two exchanges, one to count and one to ask what is left, through a pool that looks at its
connection each time. This one learns both at once, over the connection that each thread keeps.
"""

import threading
import time
from typing import Any

from limits.storage import Storage
from limits.storage.base import MovingWindowSupport

from secureapi.core.redis import RedisAway, RedisStore, Script

SCHEME = "secureapi-redis"
_ONLY_MOVING = "only moving windows are counted here"

# The times of the requests in the window, newest first, of which the old ones are dropped on the way. By Redis' own clock: the
# clocks of several hosts would open a gap or close one.
_COUNT = Script("""
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local most, window, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and tonumber(oldest) <= now - window do
  redis.call('RPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], -1)
end
local count, accepted = redis.call('LLEN', KEYS[1]), 0
if count + amount <= most then
  for _ = 1, amount do redis.call('LPUSH', KEYS[1], now) end
  redis.call('PEXPIRE', KEYS[1], window)
  accepted, count = 1, count + amount
else
  oldest = redis.call('LINDEX', KEYS[1], most - amount)
end
return {accepted, count, tonumber(oldest or now) - now}
""")


class RedisStorage(Storage, MovingWindowSupport):
    """Moving windows in lists. Only what the moving-window strategy asks for. Raises `RedisAway`."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - the library's own way of registering it

    def __init__(self, uri: str | None = None, *, store: RedisStore, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._store = store
        self._last = threading.local()

    @property
    def base_exceptions(self) -> type[Exception]:
        return RedisAway

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count one more if there is room in the window, and remember for `get_moving_window` what the window was like."""
        accepted, count, age = self._store.run(_COUNT, (key,), (limit, expiry * 1000, amount))
        self._last.window = (key, time.time() + age / 1000, count)
        return bool(accepted)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the library's signature
        """When the window of a key began, and how many are in it, as this thread has just found it. Nothing for another key."""
        last_key, began, count = getattr(self._last, "window", ("", 0.0, 0))
        return (began, count) if last_key == key else (time.time(), 0)

    def check(self) -> bool:
        try:
            self._store.ping()
        except RedisAway:
            return False
        return True

    def reset(self) -> int | None:
        """Nothing is removed: every key ends by itself with its window."""
        return None

    def clear(self, key: str) -> None:
        """Likewise."""

    def get(self, key: str) -> int:  # noqa: ARG002 - likewise
        """Fixed windows are not counted here."""
        raise ValueError(_ONLY_MOVING)

    def get_expiry(self, key: str) -> float:  # noqa: ARG002 - likewise
        """Likewise."""
        raise ValueError(_ONLY_MOVING)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:  # noqa: ARG002 - likewise
        """Likewise."""
        raise ValueError(_ONLY_MOVING)
