"""Whose an object is, and what follows from it: who may see, change and delete it is decided here, once for each kind of object.

The guard says who may enter an endpoint; which objects he then finds behind it is said by an `Ownership`. Endpoints never compare
owners themselves: one that forgets to is how strangers read other people's records (OWASP API1, broken object level authorization).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, String, Uuid, false, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from secureapi.core.clock import Clock
from secureapi.core.database import Base, Database
from secureapi.core.errors import Denied, NotFound, Unauthenticated
from secureapi.core.identifiers import is_id
from secureapi.core.requests import Client
from secureapi.security.errors import NotYours
from secureapi.security.events import ACCESS_DENIED, OBJECT_READ
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail

Owned = TypeVar("Owned", bound=Base)


class Right(StrEnum):
    """What somebody wants with an object."""

    SEE = "see"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Ownership(Generic[Owned]):
    """Who may do what with the objects of one kind. The owner may do everything; others need the permission that is named here.

    With None, the default, nobody but the owner may. Whoever may change or delete an object should be able to see it too, or he
    would be told that it is not there.
    """

    model: type[Owned]
    owner: InstrumentedAttribute[str]
    """The column with the id of the owner's account."""
    seen_with: Permission | None = None
    changed_with: Permission | None = None
    deleted_with: Permission | None = None
    missing: type[NotFound] = NotFound
    """What is said of an object that is not there, and of one that this caller may not see: the same."""

    def __post_init__(self) -> None:
        """Refuse a table whose ids are neither UUIDs nor text: what comes in an address is text, and never becomes a number here."""
        key = self.model.__mapper__.primary_key
        if len(key) != 1 or not isinstance(key[0].type, Uuid | String) or (isinstance(key[0].type, Uuid) and key[0].type.as_uuid):
            raise TypeError(f"{self.model.__name__} wants one primary key, of Uuid(as_uuid=False) or of text, to have owners")

    def visible_to(self, caller: Identity) -> ColumnElement[bool]:
        """The condition for lists and counts: only what this caller may see."""
        return true() if _holds(caller, self.seen_with) else owned_by_caller(self.owner, caller)

    def allows(self, right: Right, owner_id: str, caller: Identity) -> bool:
        """Whether this caller may do this with an object of that owner."""
        permission = {Right.SEE: self.seen_with, Right.CHANGE: self.changed_with, Right.DELETE: self.deleted_with}[right]
        return owner_id == caller.user_id or _holds(caller, permission)

    def owner_of(self, row: Owned) -> str:
        """The id of the account whose object this is."""
        return str(getattr(row, self.owner.key))


def owned_by_caller(owner: InstrumentedAttribute[str], caller: Identity) -> ColumnElement[bool]:
    """The condition that an object is the caller's own; nobody's objects are nobody's."""
    return owner == caller.user_id if caller.user_id else false()


def _holds(caller: Identity, permission: Permission | None) -> bool:
    return permission is not None and caller.may(permission)


class _Refusal(Exception):
    """Some of the objects are not for this caller. Raised through the transaction, so that nothing of it stays."""

    def __init__(self, said: type[NotFound | Denied], details: dict[str, Any]) -> None:
        super().__init__()
        self.said = said
        self.details = details


class Objects:
    """Objects inside a transaction, as far as the caller may have them. `session` is for everything else."""

    def __init__(self, session: Session, caller: Identity, client: Client, now: datetime, trail: Trail) -> None:
        self.session = session
        self.caller = caller
        self.now = now
        """When the transaction began."""
        self._client = client
        self._trail = trail

    def get(self, ownership: Ownership[Owned], object_id: str, right: Right) -> Owned:
        """One object, locked where it is to be changed or deleted. Raises what `ownership.missing` says, or `NotYours`."""
        (found,) = self.get_all(ownership, [object_id], right)
        return found

    def get_all(self, ownership: Ownership[Owned], object_ids: Sequence[str], right: Right) -> list[Owned]:
        """All of these objects in the order of their ids in the request, or none: one that is not for this caller spoils the rest.

        An id that comes twice is looked at once. Raises as `get` does. Seeing what is somebody else's leaves an event.
        """
        wanted = list(dict.fromkeys(object_ids))
        (key,) = ownership.model.__mapper__.primary_key
        # Another spelling of an id is no id: PostgreSQL would stumble over some of them, and find objects by others.
        readable = [object_id for object_id in wanted if is_id(object_id)] if isinstance(key.type, Uuid) else wanted
        # In one order, whoever asks: two requests for the same objects would otherwise wait for one another for ever.
        statement = select(ownership.model).where(key.in_(readable)).order_by(key)
        rows = self.session.scalars(statement if right is Right.SEE else statement.with_for_update()).all()
        found = {str(row.__mapper__.primary_key_from_instance(row)[0]): row for row in rows}
        for object_id in wanted:
            self._refuse(ownership, object_id, found.get(object_id), right)
        if right is Right.SEE:
            for object_id in wanted:
                owner_id = ownership.owner_of(found[object_id])
                if owner_id != self.caller.user_id:
                    self._remember(ownership, owner_id, object_id=object_id)
        return [found[object_id] for object_id in wanted]

    def shown(self, ownership: Ownership[Owned], rows: Sequence[Owned]) -> Sequence[Owned]:
        """The rows of a list that was found with `visible_to`, as they are. If somebody else's are among them, that leaves an event."""
        others = [row for row in rows if ownership.owner_of(row) != self.caller.user_id]
        if others:
            self._remember(ownership, None, count=len(others))
        return rows

    def _remember(self, ownership: Ownership[Owned], owner_id: str | None, **details: Any) -> None:
        kind = ownership.model.__tablename__
        self._trail.record(self.session, OBJECT_READ, client=self._client, actor=self.caller, subject_id=owner_id, kind=kind, **details)

    def _refuse(self, ownership: Ownership[Owned], object_id: str, row: Owned | None, right: Right) -> None:
        owner_id = None if row is None else ownership.owner_of(row)
        if owner_id is not None and ownership.allows(right, owner_id, self.caller):
            return
        is_seen = owner_id is not None and ownership.allows(Right.SEE, owner_id, self.caller)
        details = {
            "kind": ownership.model.__tablename__,
            "object_id": object_id if is_id(object_id) else "",
            "wanted": right.value,
            "reason": "not_there" if owner_id is None else "not_yours",
        }
        raise _Refusal(NotYours if is_seen else ownership.missing, details)


class ObjectAccess:
    """Transactions in which objects are found only by those who may have them."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, has_account: Callable[[str], bool]) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._has_account = has_account

    @contextmanager
    def transaction(self, *, caller: Identity, client: Client) -> Iterator[Objects]:
        """A unit of work of this caller: committed when the block ends, rolled back when it raises.

        A refusal for an object is remembered as `security.access.denied`, after what was done in the block is undone. What is not
        there is remembered like what is not his: with different work behind them, the time would tell one from the other.

        Raises `Unauthenticated` where the account of this caller is deleted while he writes: nothing can belong to him any more.
        """
        try:
            with self._database.transaction(client) as session:
                yield Objects(session, caller, client, self._clock.now(), self._trail)
        except _Refusal as refusal:
            said, details = refusal.said, refusal.details
        except IntegrityError:
            if self._has_account(caller.user_id):
                raise
            raise Unauthenticated from None
        else:
            return
        with self._database.transaction(client) as session:
            self._trail.record(session, ACCESS_DENIED, client=client, actor=caller, subject_id=caller.user_id, **details)
        raise said
