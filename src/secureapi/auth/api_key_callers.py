"""Which program is calling, on every request that brings an API key: the key, then its owner as he is now.

The database is asked each time, by one indexed query, and nothing is kept of its answer: a key that was revoked, or whose owner was
disabled or lost a permission, is refused on the very next request, with Redis or without.

Whatever is wrong with a key, the answer is the same 401. Only a checksum that is wrong comes back sooner, and that anybody can tell
for himself; a value that was made up takes the same query and the same comparison as a good one.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from secureapi.auth import events
from secureapi.auth.api_key_values import ApiKeyValues, hint_of, is_well_formed
from secureapi.auth.errors import TokenRefused
from secureapi.auth.repository import FORGET_USAGE, PRESENTED_KEY, counting, note_refusal
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL, Limits, Spent
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.settings.values import Rate
from secureapi.users.custom_roles import permissions_now
from secureapi.users.models import Status

_NO_HASH = bytes(32)
_UNBOUNDED = 2**31 - 2
"""What the column can count; at a thousand requests a second a day has not so many."""
_DAY_SECONDS = 86_400
_KEPT_DAYS = 400
"""So long it is known how often a key was used, and from where: a year, and time to ask."""
_QUIET = timedelta(minutes=1)
"""So long a key leaves no second event about being refused."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that is good now."""

    id: str
    user_id: str
    username: str
    permissions: frozenset[Permission]
    """What it may do at this moment."""
    until: datetime
    """When the value is over, as far as that is known."""


class ApiKeyCallers:
    """Identifies them."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, limits: Limits, values: ApiKeyValues) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._limits = limits
        self._values = values
        self._count_exactly = counting(database.reader.dialect, is_exact=True)
        self._count = counting(database.reader.dialect, is_exact=False)
        self._key_is_gone: Any = database.reader.dialect.loaded_dbapi.IntegrityError

    def identify(self, text: str, client: Client) -> Identity:
        """The caller who holds this value, with the request counted for his key.

        Raises `TokenRefused`, and `RateLimited` when the key's limit or its quota for today is used up.
        """
        row = self._presented(text)
        if row is None:
            raise TokenRefused
        now = self._clock.now()
        reason = _wrong_with(row, client.address, now)
        if reason:
            self._remember(row, reason, client, now)
            raise TokenRefused
        rate = Rate(row.requests_per_minute, 60) if row.requests_per_minute else None
        self._limits.spend(GENERAL, f"key:{row.key_id}", rate=rate, figure="api_key")
        self._spend_quota(row, client, now)
        return Identity(
            user_id=row.user_id,
            session_id="",
            role=row.role,
            permissions=self._permissions(row),
            token_id="",
            authenticated_at=0,
            methods=(),
            key_id=row.key_id,
        )

    def look(self, text: str, *, address: str) -> KnownKey | None:
        """What a value opens at this moment for somebody at this address, for whoever is asked about it; None where it opens nothing.

        It is not used by that: nothing is counted, and no event is left.
        """
        row = self._presented(text)
        if row is None or _wrong_with(row, address, self._clock.now()):
            return None
        until = min(row.expires_at, row.good_until or row.expires_at)
        return KnownKey(row.key_id, row.user_id, row.username, self._permissions(row), until)

    def _presented(self, text: str) -> Any | None:
        """What is known of a value, if it is one of ours."""
        if not is_well_formed(text):
            return None
        row = self._database.run(PRESENTED_KEY, hint=hint_of(text))
        is_right = hmac.compare_digest(self._values.hash(text), row.value_hash if row else _NO_HASH)
        return row if is_right else None

    def _permissions(self, row: Any) -> frozenset[Permission]:
        """The scopes of a key, as far as its owner has them now."""
        scopes = frozenset(row.scopes.split())
        return frozenset(held for held in permissions_now(self._database, row.role) if held in scopes)

    def _spend_quota(self, row: Any, client: Client, now: datetime) -> None:
        """Count the request for today, which is the usage log too. What the limit or the quota refuses is not in it."""
        values = {"key_id": row.key_id, "day": now.astimezone(UTC).date(), "now": now, "address": client.address}
        try:
            count = self._count_exactly if row.daily_quota else self._count
            counted = self._database.run(count, **values, most=row.daily_quota or _UNBOUNDED)
        except self._key_is_gone:
            # Its owner was deleted since the look.
            raise TokenRefused from None
        if counted is None:
            midnight = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
            rate = Rate(row.daily_quota or _UNBOUNDED, _DAY_SECONDS)
            self._limits.note(Spent("daily_quota", rate, 0, (midnight - now).total_seconds(), is_exceeded=True))
        elif counted.requests == 1:
            # Once a day and key: so nobody has to come by and sweep.
            self._database.run(FORGET_USAGE, key_id=row.key_id, before=values["day"] - timedelta(days=_KEPT_DAYS))

    def _remember(self, row: Any, reason: str, client: Client, now: datetime) -> None:
        """Leave an event: somebody has the right value, and perhaps should not. One a minute: he could fill the trail with it."""
        if row.refusal_noted_at and row.refusal_noted_at > now - _QUIET:
            # Without a transaction: he would have everybody else wait for the write lock of SQLite.
            return
        with self._database.writing() as connection:
            if note_refusal(connection, row.key_id, now=now, since=now - _QUIET):
                self._trail.record(
                    connection, events.API_KEY_REFUSED, client=client, subject_id=row.user_id, api_key_id=row.key_id, reason=reason
                )


def _wrong_with(row: Any, address: str, now: datetime) -> str:
    """Why the right value opens nothing; empty where it does."""
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at <= now:
        return "expired"
    if row.good_until is not None and row.good_until <= now:
        return "replaced"
    # As `User.is_active_at`: a key is not revoked while its owner is locked, and opens again when that is over.
    if row.status != Status.ACTIVE and (row.locked_until is None or row.locked_until > now):
        return "disabled"
    return "" if _is_within(row.networks, address) else "network"


def _is_within(networks: str, address: str) -> bool:
    """Whether an address is in one of these networks; in none of them, if it cannot be read."""
    if not networks:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    # A socket that takes both kinds shows 192.0.2.1 as ::ffff:192.0.2.1.
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in ip_network(network) for network in networks.split())
