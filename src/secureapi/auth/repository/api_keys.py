"""Every query on API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Dialect, Row, Select, String, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from secureapi.auth.errors import NoSuchApiKey
from secureapi.auth.models import ApiKey, ApiKeyUsage, ApiKeyValue
from secureapi.core.database import insert_or_update, table_of
from secureapi.core.statements import Statement
from secureapi.users.models import User

_K = table_of(ApiKey).c
_V = table_of(ApiKeyValue).c
_D = table_of(ApiKeyUsage).c
_U = table_of(User).c
_MOST_EXPIRED = 200
"""Of those that expired lately so many are listed. Of those that are good all are: their number has a limit of its own."""

PRESENTED_KEY = Statement(
    select(
        _V.value_hash,
        _V.good_until,
        _K.id.label("key_id"),
        _K.user_id,
        _K.scopes,
        _K.networks,
        _K.requests_per_minute,
        _K.daily_quota,
        _K.expires_at,
        _K.revoked_at,
        _K.refusal_noted_at,
        _U.username,
        _U.role,
        _U.status,
        _U.locked_until,
    )
    .join_from(table_of(ApiKeyValue), table_of(ApiKey), _K.id == _V.key_id)
    .join(table_of(User), _U.id == _K.user_id)
    .where(_V.hint == bindparam("hint"))
)
"""What decides about a value, by one look at a unique index and two primary keys. Takes `hint`."""

FORGET_USAGE = Statement(
    delete(table_of(ApiKeyUsage)).where(_D.key_id == bindparam("key_id"), _D.day < bindparam("before")).returning(_D.key_id)
)
"""Remove what a key was used for before a day. Takes `key_id` and `before`."""

_newest = (_V.key_id == _K.id) & _V.good_until.is_(None)
_SHOWN: Select[Any] = select(
    *(_K[name] for name in ("id", "user_id", "name", "scopes", "networks", "requests_per_minute", "daily_quota")),
    *(_K[name] for name in ("created_at", "expires_at", "rotated_at", "revoked_at")),
    _V.hint,
    # Wanted for a few keys at a time: each is one look at the end of its part of the primary key.
    select(_D.last_used_at).where(_D.key_id == _K.id).order_by(_D.day.desc()).limit(1).scalar_subquery().label("last_used_at"),
    select(_D.last_address).where(_D.key_id == _K.id).order_by(_D.day.desc()).limit(1).scalar_subquery().label("last_used_from"),
).join_from(table_of(ApiKey), table_of(ApiKeyValue), _newest)


def counting(dialect: Dialect, *, is_exact: bool) -> Statement:
    """Count one request of a key on one day, unless `most` were counted already: then there is no row.

    One statement, so that of any number at once exactly `most` get one. Takes `key_id`, `day`, `now`, `address` and `most`. Where it need
    not be exact PostgreSQL does not wait for its disk, before which all requests of a key would queue: a crash of the server may forget
    what was counted in the last second.
    """
    now = bindparam("now", type_=_D.last_used_at.type)
    address = bindparam("address", type_=_D.last_address.type)
    fresh = insert_or_update(dialect)(table_of(ApiKeyUsage)).values(
        key_id=bindparam("key_id", type_=_D.key_id.type),
        day=bindparam("day", type_=_D.day.type),
        requests=1,
        last_used_at=now,
        last_address=address,
    )
    counted = fresh.on_conflict_do_update(
        index_elements=["key_id", "day"],
        set_={"requests": _D.requests + 1, "last_used_at": fresh.excluded.last_used_at, "last_address": fresh.excluded.last_address},
        where=_D.requests < bindparam("most", type_=_D.requests.type),
    )
    if is_exact or dialect.name != "postgresql":
        return Statement(counted.returning(_D.requests))
    # For this transaction, which is this statement, and no longer.
    hurry = func.set_config("synchronous_commit", "off", True, type_=String).label("hurry")
    return Statement(counted.returning(_D.requests, hurry))


def list_shown(connection: Connection, user_id: str, *, now: datetime, expired_after: datetime) -> Sequence[Row[Any]]:
    """The keys of a user that are not revoked: those that are good, newest first, and behind them the newest of those that expired.

    A thief who makes key after key, each for a day, must not push the one that he keeps out of the list.
    """
    mine = _SHOWN.where(_K.user_id == user_id, _K.revoked_at.is_(None)).order_by(_K.created_at.desc(), _K.id.desc())
    good = connection.execute(mine.where(_K.expires_at > now)).all()
    expired = connection.execute(mine.where(_K.expires_at <= now, _K.expires_at > expired_after).limit(_MOST_EXPIRED)).all()
    return [*good, *expired]


def find_shown(connection: Connection, key_id: str) -> Row[Any] | None:
    """One key, whatever has become of it."""
    return connection.execute(_SHOWN.where(_K.id == key_id)).one_or_none()


def list_usage(connection: Connection, key_id: str, *, since: date) -> Sequence[Row[Any]]:
    """How often a key was used on each day since, newest first; days on which it was not have no row."""
    days: Select[Any] = select(_D.day, _D.requests, _D.last_used_at, _D.last_address).where(_D.key_id == key_id, _D.day >= since)
    return connection.execute(days.order_by(_D.day.desc())).all()


def note_refusal(connection: Connection, key_id: str, *, now: datetime, since: datetime) -> bool:
    """Whether nobody has noted a refusal of this key since that moment; it is noted now."""
    is_due = or_(_K.refusal_noted_at.is_(None), _K.refusal_noted_at <= since)
    noted = connection.execute(update(table_of(ApiKey)).where(_K.id == key_id, is_due).values(refusal_noted_at=now))
    return noted.rowcount == 1


@dataclass(frozen=True, slots=True)
class FoundValue:
    """A value that was found by its hint, and its key."""

    key: ApiKey
    value: ApiKeyValue


class ApiKeyRepository:
    """API keys inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, new: ApiKey | ApiKeyValue) -> None:
        """Insert. Raises `IntegrityError` where another value has the same hint."""
        self._session.add(new)
        self._session.flush()

    def count_living(self, user_id: str, *, now: datetime) -> int:
        """How many keys of a user are neither revoked nor expired. Only right while the user's row is locked."""
        living = select(func.count()).where(_K.user_id == user_id, _K.revoked_at.is_(None), _K.expires_at > now)
        return self._session.scalars(living).one()

    def get_living(self, key_id: str, *, user_id: str | None, now: datetime) -> ApiKey:
        """A key that is neither revoked nor expired, locked; of this user, or with None anybody's. Raises `NoSuchApiKey`."""
        found = self._find(key_id, user_id)
        if found.revoked_at is not None or found.expires_at <= now:
            raise NoSuchApiKey
        return found

    def is_living(self, key_id: str, *, now: datetime) -> bool:
        """Whether a key is neither revoked nor expired, and will not be revoked before this transaction ends."""
        try:
            self.get_living(key_id, user_id=None, now=now)
        except NoSuchApiKey:
            return False
        return True

    def get_unrevoked(self, key_id: str, *, user_id: str | None) -> ApiKey:
        """The same, and it may have expired."""
        found = self._find(key_id, user_id)
        if found.revoked_at is not None:
            raise NoSuchApiKey
        return found

    def find_by_hint(self, hint: str) -> FoundValue | None:
        """The value with this hint and its key, locked. Whether it is the right value is for the caller to see."""
        value = self._session.scalars(select(ApiKeyValue).where(_V.hint == hint)).one_or_none()
        return FoundValue(self._find(value.key_id, None), value) if value else None

    def list_good_values(self, key_id: str, *, now: datetime) -> list[ApiKeyValue]:
        """The newest value of a key, and those before it whose overlap is not over. Only right while the key's row is locked."""
        is_good = or_(_V.good_until.is_(None), _V.good_until > now)
        return list(self._session.scalars(select(ApiKeyValue).where(_V.key_id == key_id, is_good).order_by(_V.created_at, _V.id)))

    def revoke_all_of(self, user_id: str, *, reason: str, now: datetime) -> int:
        """Revoke every key of a user. How many there were. Only right while the user's row is locked."""
        going = select(ApiKey).where(_K.user_id == user_id, _K.revoked_at.is_(None)).order_by(_K.id).with_for_update()
        found = self._session.scalars(going).all()
        for key in found:
            key.revoked_at, key.revoke_reason = now, reason
        return len(found)

    def _find(self, key_id: str, user_id: str | None) -> ApiKey:
        statement = select(ApiKey).where(_K.id == key_id).with_for_update()
        if user_id is not None:
            statement = statement.where(_K.user_id == user_id)
        found = self._session.scalars(statement).one_or_none()
        if found is None:
            raise NoSuchApiKey
        return found
