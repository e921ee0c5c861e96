"""Importing people from another system, in batches.

A batch is one transaction: its accounts, `users.created` for each and `data.row.changed` for each. A batch that fails is done again row by
row, so that one row that the database will not have never takes others with it.

The id of an account follows from the import, the number of its row and what stands in it. So a run that was killed after a commit and
before its report was written can tell, when it goes on, which accounts are its own: each row is done exactly once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Fault, Invalid, Refusal, Unavailable
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.identity import Identity
from secureapi.security.passwords import PasswordHasher, PasswordPolicy, words_about
from secureapi.security.permissions import Role
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.bulk import ids_among, insert_accounts, taken_among, usernames_among
from secureapi.users.custom_roles import hold_roles, list_custom
from secureapi.users.importing import Accepted, Format, Record, Rules, check, names_for
from secureapi.users.importing.seen import Seen
from secureapi.users.models import User
from secureapi.users.rules import canonical_text

Begin = Callable[[Collection[str]], AbstractContextManager[Connection]]
BATCH = 500
_SLOW_BATCH = 10
"""Where passwords are hashed, four a second: so that what is done is reported soon."""
_EMAIL_TAKEN = Fault("/email", "taken", "There is an account with this address already.")
_ROLE_GONE = Fault("/role", "unknown_role", "There is no such role here any more.")
_USERNAME_TAKEN = Fault("/username", "taken", "There is an account with this username already.")
_REFUSED_BY_DATABASE = Fault("", "database_refused", "The database does not take this row.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row. There is no account where there are faults, nor in a dry run."""

    number: int
    line: int | None
    digest: str
    """A keyed hash of what stands in the row: by it a later run knows the row again. 16 hexadecimal digits."""
    user_id: str | None = None
    source_id: str | None = None
    faults: tuple[Fault, ...] = ()
    taken_by: str | None = None
    """The id of the account that stands in the way. For the trail: nobody else is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """One import."""

    id: str
    """The same whenever it goes on: the ids of its accounts follow from it."""
    format: Format
    rules: Rules
    is_done: Callable[[int, str], bool]
    """Whether a row with this number and digest was done before."""
    is_resumed: bool = False
    is_dry: bool = False
    caller: Identity | None = None
    """Who wants it; None for the command line of the server."""
    begin: Begin | None = None
    """Opens the transaction of a batch in which these roles are given, where that is for somebody else to allow."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of the file."""

    outcomes: tuple[Outcome, ...]
    skipped: int
    """Rows that were done before."""


@dataclass(frozen=True, slots=True)
class _Row:
    record: Record
    digest: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """Somebody who may have an account, if nobody has his name and his address."""

    row: _Row
    account: Accepted
    user_id: str
    password_hash: str

    def refused(self, fault: Fault, *, taken_by: str | None = None) -> Outcome:
        return Outcome(self.row.record.number, self.row.record.line, self.row.digest, None, self.account.source_id, (fault,), taken_by)

    def created(self, *, is_dry: bool = False) -> Outcome:
        user_id = None if is_dry else self.user_id
        return Outcome(self.row.record.number, self.row.record.line, self.row.digest, user_id, self.account.source_id)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A stretch of the file that was looked at, as far as that can be done without the database."""

    ready: Sequence[_Ready]
    refused: Sequence[Outcome]
    skipped: int


class Imports:
    """Opening accounts for people of another system."""

    def __init__(
        self, *, database: Database, clock: Clock, trail: Trail, secret_box: SecretBox, hasher: PasswordHasher, policy: PasswordPolicy
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._row_tag = secret_box.tagger("import-row")
        self._id_tag = secret_box.tagger("import-id")
        self._hasher = hasher
        self._policy = policy

    def known_roles(self) -> frozenset[str]:
        """The names of all roles that somebody can have."""
        with self._database.reading() as connection:
            return frozenset(role.value for role in Role) | {row.name for row in list_custom(connection)}

    def run(self, records: Iterable[Record], order: ImportOrder, *, client: Client) -> Iterator[Batch]:
        """Do one batch after the other; each is committed when it is given. Raises `Unavailable`: then the rest is still to be done."""
        size = _SLOW_BATCH if order.rules.hashes_plaintext else BATCH
        rows = (_Row(record, self._digest(record)) for record in records)
        with ThreadPoolExecutor(1, thread_name_prefix="import") as ahead, closing(Seen()) if order.is_dry else nullcontext() as seen:
            # The next batch is read and looked at while the database is busy with this one: either takes about as long.
            coming = ahead.submit(self._prepare, rows, size, order)
            while (prepared := coming.result()) is not None:
                coming = ahead.submit(self._prepare, rows, size, order)
                ready = prepared.ready
                done = self._imagine(ready, seen) if seen is not None else self._insert(ready, order, client)
                outcomes = sorted([*prepared.refused, *done], key=lambda outcome: outcome.number)
                yield Batch(tuple(outcomes), prepared.skipped)

    def note_end(self, order: ImportOrder, *, created: int, refused: int, client: Client, **told: Any) -> None:
        """Leave in the trail that an import was run, and what came of it. `told` is what else its event says."""
        with self._database.transaction(client) as session:
            details: dict[str, Any] = {"import": order.id, "created": created, "refused": refused, "role": order.rules.role, **told}
            happened = events.IMPORT_TRIED if order.is_dry else events.IMPORTED
            self._trail.record(session, happened, client=client, actor=order.caller, **details)

    def _digest(self, record: Record) -> str:
        """Keyed, since rows may hold passwords, and reports are left lying about."""
        return self._row_tag(record.content)[:8].hex()

    def _prepare(self, rows: Iterator[_Row], size: int, order: ImportOrder) -> "_Prepared | None":
        """The next rows, looked at; None at the end of the file. Without the database."""
        stretch = list(islice(rows, size))
        if not stretch:
            return None
        todo = [row for row in stretch if not order.is_done(row.record.number, row.digest)]
        looked_at = [self._look_at(row, order) for row in todo]
        return _Prepared(
            ready=[one for one in looked_at if isinstance(one, _Ready)],
            refused=[one for one in looked_at if isinstance(one, Outcome)],
            skipped=len(stretch) - len(todo),
        )

    def _look_at(self, row: _Row, order: ImportOrder) -> "_Ready | Outcome":
        record = row.record
        source_id = None
        try:
            if record.faults:
                raise Invalid(faults=list(record.faults))
            newcomer = order.format.understand(record.fields)
            source_id = newcomer.source_id
            account = check(newcomer, order.rules, now=self._clock.now(), is_readable=self._hasher.knows)
            hashed = self._hash(account, is_dry=order.is_dry)
        except Unavailable:
            raise
        except Refusal as refusal:
            faults = tuple(refusal.faults) or (Fault("", refusal.code, refusal.sentence),)
            return Outcome(record.number, record.line, row.digest, None, source_id, faults)
        return _Ready(row, account, self._id_of(order, row), hashed)

    def _hash(self, account: Accepted, *, is_dry: bool) -> str:
        """The stored hash, or one of the password in plain text, where it is good enough for a registration. Raises `Refusal`."""
        if account.password is None:
            return account.password_hash
        personal = words_about(username=account.username or "", email=account.email, full_name=account.full_name)
        self._policy.check(account.password, personal=personal)
        return account.password_hash if is_dry else self._hasher.hash(account.password)

    def _id_of(self, order: ImportOrder, row: _Row) -> str:
        """A UUID version 7 with the moment of the import, the number of the row, and 42 bits of a keyed hash of all that makes it."""
        tag = self._id_tag(f"{order.id}/{row.record.number}/{row.digest}".encode())
        tail = (row.record.number & 0xFFFF_FFFF) << 42 | int.from_bytes(tag[:6], "big") >> 6
        milliseconds = int(order.id.replace("-", "")[:12], 16)
        return str(UUID(int=milliseconds << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & (1 << 62) - 1))

    def _insert(self, ready: Sequence[_Ready], order: ImportOrder, client: Client) -> list[Outcome]:
        if not ready:
            return []
        try:
            return self._insert_together(ready, order, client)
        except (DBAPIError, Unavailable):
            # One row that the database refuses, or a deadlock with somebody else's: alone, each of the others is let in.
            return [self._insert_alone(one, order, client) for one in ready]

    def _insert_alone(self, one: _Ready, order: ImportOrder, client: Client) -> Outcome:
        try:
            return self._insert_together([one], order, client)[0]
        except DBAPIError:
            return one.refused(_REFUSED_BY_DATABASE)

    def _insert_together(self, ready: Sequence[_Ready], order: ImportOrder, client: Client) -> list[Outcome]:
        with order.begin({one.account.role for one in ready}) if order.begin else self._database.writing() as connection:
            there = hold_roles(connection, {one.account.role for one in ready})
            # Committed by a run that was killed before it could say so.
            known = ids_among(connection, [one.user_id for one in ready]) if order.is_resumed else set()
            todo = [one for one in ready if one.user_id not in known and one.account.role in there]
            done = self._insert_named(connection, todo, _first_names(connection, todo))
            left = [one for one in todo if one.user_id not in done]
            gone = {one.user_id: one.refused(_ROLE_GONE) for one in ready if one.account.role not in there}
            refused = _conflicts(connection, left) | gone
            again = [one for one in left if refused[one.user_id].faults == (_USERNAME_TAKEN,) and _may_be_renamed(one, order.rules)]
            done |= self._insert_named(connection, again, {one.user_id: _last_name(one) for one in again})
            self._note(connection, [one for one in todo if one.user_id in done], order, client)
        done |= known
        return [one.created() if one.user_id in done else refused[one.user_id] for one in ready]

    def _insert_named(self, connection: Connection, ready: Sequence[_Ready], names: dict[str, str]) -> set[str]:
        now = self._clock.now()
        rows = [
            {
                "id": one.user_id,
                "username": names[one.user_id],
                "username_canonical": canonical_text(names[one.user_id]),
                "email": one.account.email,
                "email_canonical": one.account.email_canonical,
                "email_verified_at": one.account.email_verified_at,
                "password_hash": one.password_hash,
                "full_name": one.account.full_name,
                "bio": one.account.bio,
                "website": one.account.website,
                "role": one.account.role,
                "status": one.account.status,
                "created_at": one.account.created_at,
            }
            for one in ready
        ]
        return insert_accounts(connection, rows, common={"password_changed_at": now, "updated_at": now})

    def _note(self, connection: Connection, created: Sequence[_Ready], order: ImportOrder, client: Client) -> None:
        caller = order.caller
        by = {"actor_id": caller.user_id, "session_id": caller.session_id or None} if caller else {}
        facts = (
            {**by, "subject_id": one.user_id, "details": {"role": one.account.role, "import": order.id, "row": one.row.record.number}}
            for one in created
        )
        self._trail.record_each(connection, events.CREATED, client=client, facts=facts)
        self._trail.record_inserts(connection, User.__tablename__, (one.user_id for one in created), client=client)

    def _imagine(self, ready: Sequence[_Ready], seen: Seen) -> list[Outcome]:
        """What would come of it. Two rows of the file that want the same are found as well, wherever they stand."""
        emails = [one.account.email_canonical for one in ready]
        usernames = [canonical_text(one.account.username) for one in ready if one.account.username]
        with self._database.reading() as connection:
            taken = taken_among(connection, emails=emails, usernames=usernames)
        outcomes = []
        for one in ready:
            email, username = one.account.email_canonical, canonical_text(one.account.username or "")
            if email in taken or not seen.is_first("email", email):
                outcomes.append(one.refused(_EMAIL_TAKEN, taken_by=taken.get(email)))
            elif username and (username in taken or not seen.is_first("username", username)):
                outcomes.append(one.refused(_USERNAME_TAKEN, taken_by=taken.get(username)))
            else:
                outcomes.append(one.created(is_dry=True))
        return outcomes


def _first_names(connection: Connection, ready: Sequence[_Ready]) -> dict[str, str]:
    """The username of everybody by his id: his own, or one that is made and that nobody has, neither here nor in this batch."""
    names = {one.user_id: one.account.username for one in ready if one.account.username}
    made = {one.user_id: names_for(one.account.email_canonical, one.user_id) for one in ready if not one.account.username}
    used = usernames_among(connection, {canonical_text(name) for offered in made.values() for name in offered[:2]})
    used |= {canonical_text(name) for name in names.values()}
    for user_id, offered in made.items():
        names[user_id] = next((name for name in offered if canonical_text(name) not in used), offered[-1])
        used.add(canonical_text(names[user_id]))
    return names


def _last_name(one: _Ready) -> str:
    return names_for(one.account.email_canonical, one.user_id)[-1]


def _may_be_renamed(one: _Ready, rules: Rules) -> bool:
    return one.account.username is None or rules.replaces_usernames


def _conflicts(connection: Connection, left: Sequence[_Ready]) -> dict[str, Outcome]:
    """What becomes of each of these, who were not inserted, by his id."""
    if not left:
        return {}
    emails = {one.account.email_canonical for one in left}
    usernames = {canonical_text(one.account.username) for one in left if one.account.username}
    taken = taken_among(connection, emails=emails, usernames=usernames)
    return {one.user_id: _in_the_way(one, taken) for one in left}


def _in_the_way(one: _Ready, taken: Mapping[str, str]) -> Outcome:
    email = one.account.email_canonical
    if email in taken:
        return one.refused(_EMAIL_TAKEN, taken_by=taken[email])
    return one.refused(_USERNAME_TAKEN, taken_by=taken.get(canonical_text(one.account.username or "")))
