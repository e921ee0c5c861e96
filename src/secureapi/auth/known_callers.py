"""The callers known at this moment, in Redis: whether a session is alive and whose it is, without asking the database.

What is kept is only ever a copy of the database's answer, for at most ten seconds since the database was asked. A revocation is
committed first, then marked here, and only then answered:

* `x`: this session has ended. Kept longer than any copy lives.
* `e`: something about this user has changed (role, password, status); a copy made under another value of it is worthless. Whoever
  finds none makes one, so that a Redis that was emptied, or has thrown a key away, is noticed.
* `s`: the copy, with the `e` under which it was made and the run of the server that was asked: one that was restarted from an older
  file, or a replica that took over, may have the copy and lack the mark.

Whoever reads the database stores a copy only if no mark was set meanwhile, in one script; so a slow reader cannot bring back what
a revocation has just removed. The same script counts the request against the caller's budget: one exchange a request. A session
that has ended costs its owner nothing, or whoever holds a dead token could use up the owner's budget. To let anybody in, the script
must write; so a Redis that can only be read fails it, and the database decides. The budget is a window that moves, exact at every
moment: the times of the requests in it, newest first, of which the old ones are dropped on the way. Each session has one of its
own: whoever has stolen a token can use up that one, and its owner signs in anew and ends it.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from secureapi.auth.marks import Marks
from secureapi.core.redis import RedisStore, Script
from secureapi.settings.values import Rate

COPY_SECONDS = 10
"""How long a copy lives, by the clock of Redis, counted from before the database was asked: so long an answer may have to be held."""
_MARK_SECONDS = 4 * COPY_SECONDS

_LOOK = Script("""
local known = redis.call('MGET', KEYS[1], KEYS[2], KEYS[3])
if known[2] then return {0, 0, 0, '', known[2], '', 0} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if not known[3] then
  known[3] = clock[1] .. '.' .. clock[2]
  redis.call('SET', KEYS[3], known[3], 'PX', ARGV[3])
end
local window, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[4], -1)
while oldest and tonumber(oldest) <= now - window do
  redis.call('RPOP', KEYS[4])
  oldest = redis.call('LINDEX', KEYS[4], -1)
end
local count, accepted = redis.call('LLEN', KEYS[4]), 0
if count < most then
  redis.call('LPUSH', KEYS[4], now)
  redis.call('PEXPIRE', KEYS[4], window)
  accepted, count = 1, count + 1
else
  oldest = redis.call('LINDEX', KEYS[4], most - 1)
end
return {accepted, count, tonumber(oldest or now) + window - now, known[1] or '', '', known[3], now}
""")

_KEEP = Script("""
local clock = redis.call('TIME')
local left = ARGV[3] - (clock[1] * 1000 + math.floor(clock[2] / 1000))
if left > 0 and redis.call('EXISTS', KEYS[2]) == 0 and redis.call('GET', KEYS[3]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', left)
  redis.call('PEXPIRE', KEYS[3], ARGV[4])
end
return 1
""")

_END = Script("""
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
redis.call('DEL', KEYS[1], KEYS[3])
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
    """Seconds until the oldest request leaves the window; when the budget is exceeded, until one more is accepted."""


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
    seen_at: int
    """When, in milliseconds by the clock of Redis: the age of a copy counts from here."""
    server: str
    """Which run of Redis was asked."""


class KnownCallers:
    """The copies and the marks."""

    def __init__(self, store: RedisStore, rate: Callable[[], Rate], *, most_held: int) -> None:
        """`rate` tells the budget of each session that is in force at this moment."""
        self._store = store
        self._marks = Marks(store, copies_live_seconds=COPY_SECONDS, most_held=most_held)
        self._rate = rate

    def look(self, user_id: str, session_id: str) -> Sighting:
        """Count a request and see whether its caller is known. Raises `RedisAway`."""
        keys = (*_keys(user_id, session_id), f"secureapi:{{{user_id}}}:w:{session_id}")
        rate = self._rate()
        accepted, count, wait, copy, mark, epoch, now = self._store.run(
            _LOOK, keys, (rate.seconds * 1000, rate.requests, _MARK_SECONDS * 1000)
        )
        server = self._store.server
        if mark:
            return Sighting(None, has_ended=True, role=None, epoch="", seen_at=now, server=server)
        budget = Budget(is_exceeded=not accepted, remaining=max(0, rate.requests - count), resets_in=max(1, wait) / 1000)
        role = self._believed(copy.decode(), f"{epoch.decode()}|{server}") if copy and server else None
        return Sighting(budget, has_ended=False, role=role, epoch=epoch.decode(), seen_at=now, server=server)

    def _believed(self, copy: str, present: str) -> str | None:
        """The role in a copy that was made under the present epoch and server, for a session that has not ended by itself since."""
        role, until, made_under = copy.split("|", 2)
        # A Redis that could not be used may have lost a mark meanwhile: no copy is believed until none is left from before.
        if made_under != present or float(until) <= time.time() or self._store.has_failed_within(COPY_SECONDS):
            return None
        return role

    def keep(self, user_id: str, session_id: str, *, sighting: Sighting, role: str, until: float) -> None:
        """Keep a copy, unless a mark was set since that sighting. `until` is when the session ends, in epoch seconds."""
        dies_at = sighting.seen_at + COPY_SECONDS * 1000
        copy = f"{role}|{until}|{sighting.epoch}|{sighting.server}"
        self._store.run(_KEEP, _keys(user_id, session_id), (sighting.epoch, copy, dies_at, _MARK_SECONDS * 1000))

    def remember_end(self, user_id: str, session_id: str) -> None:
        """Mark a session that the database has just been found to have ended long ago. Raises `RedisAway`."""
        self._store.run(_END, _keys(user_id, session_id), (_MARK_SECONDS * 1000,))

    def end(self, user_id: str, session_id: str) -> None:
        """Mark a session as ended, or wait until no copy of it can be left. Raises `Unavailable` when too many wait."""
        self._marks.write(_END, _keys(user_id, session_id), (_MARK_SECONDS * 1000,))

    def change(self, user_id: str) -> None:
        """Make every copy of this user's sessions worthless, likewise."""
        self._marks.write(_CHANGE, (_keys(user_id, "")[2],), (secrets.token_hex(8), _MARK_SECONDS * 1000))


def _keys(user_id: str, session_id: str) -> tuple[str, str, str]:
    """Copy, mark and epoch. The braces put all keys of a user into one slot of a Redis Cluster."""
    prefix = f"secureapi:{{{user_id}}}"
    return f"{prefix}:s:{session_id}", f"{prefix}:x:{session_id}", f"{prefix}:e"
