"""The callers known at this moment, in Redis: whether a session is alive and whose it is, without asking the database.

What is kept is only ever a copy of the database's answer, for at most 30 seconds. A revocation is committed first, then marked
here, and only then answered:

* `x`: this session has ended. Kept longer than any copy lives.
* `e`: something about this user has changed (role, password, status); a copy made under another value of it is worthless.
* `s`: the copy, with the `e` under which it was made.

Whoever reads the database stores a copy only if no mark was set meanwhile, in one script; so a slow reader cannot bring back what
a revocation has just removed. The same script counts the request against the caller's budget: one exchange a request. A session
that has ended costs its owner nothing, or whoever holds a dead token could use up the owner's budget. To let anybody in, the script
must write; so a Redis that can only be read fails it, and the database decides.
"""

import secrets
import time
from dataclasses import dataclass

from secureapi.auth.owed_marks import OwedMarks
from secureapi.core.redis import RedisStore, Script
from secureapi.settings.values import Rate

COPY_SECONDS = 30
_MARK_SECONDS = 4 * COPY_SECONDS

_LOOK = Script("""
local known = redis.call('MGET', KEYS[1], KEYS[2], KEYS[3])
if known[2] then return {0, 0, 0, 0, '', known[2], ''} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local window, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local this = math.floor(now / window)
local budget = redis.call('HMGET', KEYS[4], 'window', 'count', 'before')
local seen, count, before = tonumber(budget[1]) or this, tonumber(budget[2]) or 0, tonumber(budget[3]) or 0
if seen ~= this then
  if seen == this - 1 then before = count else before = 0 end
  count = 0
end
local into = (now % window) / window
local accepted = 0
if count + before * (1 - into) < most then
  accepted, count = 1, count + 1
end
redis.call('HSET', KEYS[4], 'window', this, 'count', count, 'before', before)
redis.call('PEXPIRE', KEYS[4], 2 * window)
return {accepted, count, before, now % window, known[1] or '', known[2] or '', known[3] or ''}
""")

_KEEP = Script("""
if redis.call('EXISTS', KEYS[2]) == 0 and (redis.call('GET', KEYS[3]) or '') == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
""")

_END = Script("""
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
redis.call('DEL', KEYS[1])
return 1
""")

_CHANGE = Script("""
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")


@dataclass(frozen=True, slots=True)
class Budget:
    """The caller's budget after this request was counted."""

    is_exceeded: bool
    remaining: int
    resets_in: float
    """Seconds until the present window ends; when the budget is exceeded, until one more request is accepted."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one exchange told."""

    budget: Budget | None
    """None where nothing was counted, because the session has ended."""
    has_ended: bool
    role: str | None
    """The role of a session that is known to be alive; None when the database must be asked."""
    epoch: str
    """Under which a copy may be kept."""


class KnownCallers:
    """The copies and the marks."""

    def __init__(self, store: RedisStore, rate: Rate) -> None:
        self._store = store
        self._marks = OwedMarks(store, copies_live_seconds=COPY_SECONDS)
        self._window_ms = rate.seconds * 1000
        self._most = rate.requests

    def look(self, user_id: str, session_id: str) -> Sighting:
        """Count a request and see whether its caller is known. Raises `RedisAway`."""
        accepted, count, before, into, copy, mark, epoch = self._store.run(
            _LOOK, (*_keys(user_id, session_id), f"secureapi:{{{user_id}}}:b"), (self._window_ms, self._most)
        )
        if mark:
            return Sighting(None, has_ended=True, role=None, epoch="")
        budget = self._budget(bool(accepted), int(count), int(before), int(into))
        known_epoch, _, rest = copy.decode().partition("|")
        role, _, until = rest.partition("|")
        # After a failure this process, like others, may have missed a mark: copies are not believed until none is left from before.
        is_believed = bool(copy) and not self._store.has_failed_within(COPY_SECONDS)
        is_good = is_believed and known_epoch == epoch.decode() and float(until) > time.time()
        return Sighting(budget, has_ended=False, role=role if is_good else None, epoch=epoch.decode())

    def keep(self, user_id: str, session_id: str, *, epoch: str, role: str, until: float) -> None:
        """Keep a copy, unless a mark was set since `epoch` was seen. `until` is when the session ends, in epoch seconds."""
        self._store.run(_KEEP, _keys(user_id, session_id), (epoch, f"{epoch}|{role}|{until}", COPY_SECONDS * 1000))

    def remember_end(self, user_id: str, session_id: str) -> None:
        """Mark a session that the database has just been found to have ended long ago. Raises `RedisAway`; nothing is owed then."""
        self._store.run(_END, _keys(user_id, session_id), (_MARK_SECONDS * 1000,))

    def end(self, user_id: str, session_id: str) -> None:
        """Mark a session as ended; when Redis is away, as soon as it is back."""
        self._marks.write(_END, _keys(user_id, session_id), (_MARK_SECONDS * 1000,))

    def change(self, user_id: str) -> None:
        """Make every copy of this user's sessions worthless; when Redis is away, as soon as it is back."""
        self._marks.write(_CHANGE, (_keys(user_id, "")[2],), (secrets.token_hex(8), _MARK_SECONDS * 1000))

    def _budget(self, accepted: bool, count: int, before: int, into_ms: int) -> Budget:  # noqa: FBT001 - a parsed answer
        window = self._window_ms
        weight = count + before * (1 - into_ms / window)
        if accepted:
            return Budget(is_exceeded=False, remaining=max(0, int(self._most - weight)), resets_in=(window - into_ms) / 1000)
        # This window alone is full: it must become the one before, and slide out until it weighs less than the budget.
        wait = window - into_ms + window * max(0.0, 1 - self._most / max(count, 1))
        if count < self._most:
            # The window before weighs too much: wait until enough of it has slid out.
            wait = window * (1 - (self._most - count) / before) - into_ms
        return Budget(is_exceeded=True, remaining=0, resets_in=(max(0.0, wait) + 1) / 1000)


def _keys(user_id: str, session_id: str) -> tuple[str, str, str]:
    """Copy, mark and epoch. The braces put all keys of a user into one slot of a Redis Cluster."""
    prefix = f"secureapi:{{{user_id}}}"
    return f"{prefix}:s:{session_id}", f"{prefix}:x:{session_id}", f"{prefix}:e"
