"""API keys as their owner and the command line see them: made, listed, given another value, revoked.

Who may come with one, and what it may do, is decided in `auth/api_key_callers.py` and by the guard. `caller` is None for the command
line. A value is told once, when it is made.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hmac import compare_digest
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.api_key_values import PREFIX, ApiKeyValues, NewValue, hint_of, is_well_formed
from secureapi.auth.errors import BeyondBounds, NoSuchApiKey, NotAnApiKey, ScopeNotHeld, TooManyApiKeys, TooManyRotations
from secureapi.auth.models import ApiKey, ApiKeyValue
from secureapi.auth.repository import ApiKeyRepository, find_shown, list_shown, list_usage
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Fault, Refusal, Unauthenticated
from secureapi.core.identifiers import new_id
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.trail import Trail
from secureapi.settings.in_force import Present
from secureapi.users.custom_roles import standing_of
from secureapi.users.errors import NoSuchUser
from secureapi.users.models import User
from secureapi.users.repository import UserRepository
from secureapi.users.service.profiles import IsGoing

_CREATED, _LEAKED = "notice.api_key_created", "notice.api_key_leaked"
_STILL_LISTED = timedelta(days=30)
"""So long an expired key is shown: somebody may wonder why his program has stopped."""
_MOST_FORMER = 5
"""Values in their overlap. Two at least: if the answer to a rotation is lost, the next one must not end what is still in use."""


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key, without its value."""

    id: str
    user_id: str
    name: str
    prefix: str
    """The beginning of its newest value."""
    scopes: list[str]
    allowed_networks: list[str]
    requests_per_minute: int | None
    daily_quota: int | None
    created_at: datetime
    expires_at: datetime
    rotated_at: datetime | None
    is_expired: bool
    last_used_at: datetime | None
    last_used_from: str | None


@dataclass(frozen=True, slots=True)
class ToldKey:
    """A key and its newest value, which nobody can tell again."""

    key: ShownKey
    value: str = field(repr=False)
    former_values_until: datetime | None = None
    """When the last of the values before it is over; None where there is none."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a key was used."""

    key_id: str
    daily_quota: int | None
    requests_today: int
    days: Sequence[Any]
    """Newest first, only those on which it was used."""


class ApiKeys:
    """The use cases."""

    def __init__(
        self,
        *,
        settings: Present,
        database: Database,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        values: ApiKeyValues,
        is_going: IsGoing,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._values = values
        self._is_going = is_going

    def create(
        self,
        *,
        user_id: str,
        name: str,
        scopes: Sequence[str],
        expires_in_days: int | None = None,
        allowed_networks: Sequence[str] = (),
        requests_per_minute: int | None = None,
        daily_quota: int | None = None,
        caller: Identity | None,
        client: Client,
    ) -> ToldKey:
        """Make a key, and tell its owner by mail. Raises `ScopeNotHeld`, `BeyondBounds`, `TooManyApiKeys`."""
        now = self._clock.now()
        with self._remembered(user_id, caller, client):
            self._refuse_beyond_bounds(expires_in_days, requests_per_minute)
            with self._database.transaction(client) as session:
                user = self._owner(session, user_id, caller)
                _refuse_not_held(session, scopes, user)
                keys = ApiKeyRepository(session)
                # Counted with the owner's row locked, so that of any number at once none is one too many.
                if keys.count_living(user.id, now=now) >= self._settings.now.max_api_keys_per_user:
                    raise TooManyApiKeys
                key = ApiKey(
                    id=new_id(),
                    user_id=user.id,
                    name=name,
                    scopes=" ".join(sorted(scopes)),
                    networks=" ".join(allowed_networks),
                    requests_per_minute=requests_per_minute,
                    daily_quota=daily_quota,
                    created_at=now,
                    expires_at=self._expiry(expires_in_days, now),
                )
                keys.add(key)
                value = self._new_value(keys, key, now)
                self._trail.record(
                    session, events.API_KEY_CREATED, client=client, actor=caller, subject_id=user.id, made_key_id=key.id, scopes=key.scopes
                )
                # Not its name: a thief would choose it, and could write to the owner in our name.
                self._outbox.add(session, _CREATED, user_id=user.id, address=client.address, prefix=PREFIX + value.hint)
                return ToldKey(self._find(session, key.id, now), value.text)

    def list_of(self, *, user_id: str) -> list[ShownKey]:
        """The keys of a user that are not revoked: those that are good, newest first, and behind them for a while those that expired."""
        now = self._clock.now()
        with self._database.reading() as connection:
            rows = list_shown(connection, user_id, now=now, expired_after=now - _STILL_LISTED)
        return [_shown(row, now) for row in rows]

    def rotate(self, *, key_id: str, overlap_hours: int, expires_in_days: int | None = None, caller: Identity, client: Client) -> ToldKey:
        """Give one of the caller's own keys another value. The one before goes on for the overlap; an overlap of 0 ends all before.

        The key ends when it would have ended, unless `expires_in_days` says otherwise. Raises `NoSuchApiKey`, `BeyondBounds`,
        `TooManyRotations`.
        """
        now = self._clock.now()
        with self._remembered(caller.user_id, caller, client):
            self._refuse_beyond_bounds(expires_in_days, None)
            with self._database.transaction(client) as session:
                user = self._owner(session, caller.user_id, caller)
                keys = ApiKeyRepository(session)
                key = keys.get_living(key_id, user_id=user.id, now=now)
                until = _retire(keys.list_good_values(key.id, now=now), now, timedelta(hours=overlap_hours))
                value = self._new_value(keys, key, now)
                key.rotated_at = now
                if expires_in_days is not None:
                    key.expires_at = self._expiry(expires_in_days, now)
                self._trail.record(
                    session,
                    events.API_KEY_ROTATED,
                    client=client,
                    actor=caller,
                    subject_id=user.id,
                    rotated_key_id=key.id,
                    overlap_hours=overlap_hours,
                )
                session.flush()
                return ToldKey(self._find(session, key.id, now), value.text, until)

    def revoke(self, *, key_id: str, caller: Identity | None, client: Client) -> None:
        """Revoke one of the caller's own keys, or at the command line anybody's. It is refused from now on. Raises `NoSuchApiKey`."""
        with self._database.transaction(client) as session:
            key = ApiKeyRepository(session).get_unrevoked(key_id, user_id=caller.user_id if caller else None)
            key.revoked_at, key.revoke_reason = self._clock.now(), "owner" if caller else "administrator"
            self._trail.record(session, events.API_KEY_REVOKED, client=client, actor=caller, subject_id=key.user_id, revoked_key_id=key.id)

    def revoke_leaked(self, *, value: str, client_id: str | None = None, client: Client) -> ShownKey:
        """Revoke the key that a value belongs to, the newest or a former one, and tell its owner. Raises `NotAnApiKey`, `NoSuchApiKey`.

        One that was revoked already leaves an event all the same: it has been found somewhere. `client_id` is the service that found it.
        """
        if not is_well_formed(value):
            raise NotAnApiKey
        now = self._clock.now()
        with self._database.transaction(client) as session:
            found = ApiKeyRepository(session).find_by_hint(hint_of(value))
            if found is None or not compare_digest(found.value.value_hash, self._values.hash(value)):
                raise NoSuchApiKey
            key = found.key
            was_living = key.revoked_at is None and key.expires_at > now
            if key.revoked_at is None:
                key.revoked_at, key.revoke_reason = now, "leaked"
                self._outbox.add(session, _LEAKED, user_id=key.user_id, prefix=PREFIX + found.value.hint)
            self._trail.record(
                session,
                events.API_KEY_LEAKED,
                client=client,
                subject_id=key.user_id,
                revoked_key_id=key.id,
                was_living=was_living,
                **({"client_id": client_id} if client_id else {}),
            )
            session.flush()
            return self._find(session, key.id, now)

    def usage(self, *, key_id: str, days: int, caller: Identity) -> Usage:
        """How often one of the caller's own keys was used, today and on the days before. Raises `NoSuchApiKey`. One that was revoked too:
        its owner may want to know what it was used for.
        """
        today = self._clock.now().astimezone(UTC).date()
        with self._database.reading() as connection:
            row = find_shown(connection, key_id)
            if row is None or row.user_id != caller.user_id:
                raise NoSuchApiKey
            used = list_usage(connection, key_id, since=today - timedelta(days=days - 1))
        return Usage(key_id, row.daily_quota, _requests_on(today, used), used)

    def _owner(self, session: Session, user_id: str, caller: Identity | None) -> User:
        """Whose key it is, locked. Raises `Unauthenticated` for a caller who was deleted or thrown out while he waited for the row."""
        try:
            user = UserRepository(session).get(user_id, lock=True)
        except NoSuchUser:
            if caller is None:
                raise
            raise Unauthenticated from None
        if caller and not (user.is_active_at(self._clock.now()) and self._is_going(session, caller)):
            raise Unauthenticated
        return user

    def _new_value(self, keys: ApiKeyRepository, key: ApiKey, now: datetime) -> NewValue:
        """The newest value of a key. One of 2^47 hints is never taken in practice; if it is, the caller gets a 500 and tries again."""
        value = self._values.new()
        keys.add(ApiKeyValue(id=new_id(), key_id=key.id, hint=value.hint, value_hash=value.hash, created_at=now))
        return value

    def _find(self, session: Session, key_id: str, now: datetime) -> ShownKey:
        row = find_shown(session.connection(), key_id)
        assert row is not None  # noqa: S101 - it was locked or made in this transaction
        return _shown(row, now)

    def _expiry(self, days: int | None, now: datetime) -> datetime:
        return now + timedelta(days=days or self._settings.now.api_key_max_days)

    def _refuse_beyond_bounds(self, days: int | None, per_minute: int | None) -> None:
        settings = self._settings.now
        most_days, most_requests = settings.api_key_max_days, settings.api_key_max_requests_per_minute
        faults = []
        if days is not None and days > most_days:
            faults.append(Fault("/expires_in_days", "range", f"At most {most_days} days are allowed here."))
        if per_minute is not None and per_minute > most_requests:
            faults.append(Fault("/requests_per_minute", "range", f"At most {most_requests} requests a minute are allowed here."))
        if faults:
            raise BeyondBounds(faults=faults)

    @contextmanager
    def _remembered(self, user_id: str, caller: Identity | None, client: Client) -> Iterator[None]:
        """Leave an event about what is refused inside, after its transaction was rolled back."""
        try:
            yield
        except (ScopeNotHeld, BeyondBounds, TooManyApiKeys, TooManyRotations) as refusal:
            self._note_refusal(refusal, user_id, caller, client)
            raise

    def _note_refusal(self, refusal: Refusal, user_id: str, caller: Identity | None, client: Client) -> None:
        with self._database.transaction(client) as session:
            self._trail.record(session, events.API_KEY_CHANGE_REFUSED, client=client, actor=caller, subject_id=user_id, reason=refusal.code)


def _refuse_not_held(session: Session, scopes: Sequence[str], user: User) -> None:
    standing = standing_of(session.connection(), user.role)
    held = standing.permissions if standing else frozenset()
    faults = [
        Fault(f"/scopes/{place}", "not_held", "The owner of the key does not have this permission.")
        for place, scope in enumerate(scopes)
        if scope not in held
    ]
    if faults:
        raise ScopeNotHeld(faults=faults)


def _retire(values: Sequence[ApiKeyValue], now: datetime, overlap: timedelta) -> datetime | None:
    """Let the newest value go on for the overlap and no longer. When the last of all is over; None for no overlap."""
    if not overlap:
        for value in values:
            value.good_until = now
        return None
    if len(values) > _MOST_FORMER:
        raise TooManyRotations
    for value in values:
        # What is in its overlap already keeps it: whoever was promised a day has a day.
        value.good_until = value.good_until or now + overlap
    return max(value.good_until for value in values if value.good_until)


def _requests_on(today: date, used: Sequence[Row[Any]]) -> int:
    return next((row.requests for row in used if row.day == today), 0)


def _shown(row: Row[Any], now: datetime) -> ShownKey:
    return ShownKey(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        prefix=PREFIX + row.hint,
        scopes=row.scopes.split(),
        allowed_networks=row.networks.split(),
        requests_per_minute=row.requests_per_minute,
        daily_quota=row.daily_quota,
        created_at=row.created_at,
        expires_at=row.expires_at,
        rotated_at=row.rotated_at,
        is_expired=row.expires_at <= now,
        last_used_at=row.last_used_at,
        last_used_from=row.last_used_from,
    )
