"""A few people of another system, whom an administrator brings with one request. The rows are looked at and inserted as those of a file.

What is added here is who may do it: nobody gives a role that may do more than he may, and whoever has lost his account or his role in
the meantime brings nobody in. Both are decided in the transaction that inserts.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from secureapi.core.database import Database
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission, Role, Standing
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.custom_roles import list_custom, standing_of
from secureapi.users.errors import GrantRefused
from secureapi.users.importing import FORMATS, Rules
from secureapi.users.importing.rows import read_rows
from secureapi.users.service.authority import Authority, granted
from secureapi.users.service.import_users import ImportOrder, Imports, Outcome

_ACT = "import"
_NEEDED = (Permission.USERS_READ, Permission.ADMIN_READ, Permission.USERS_WRITE, Permission.ADMIN_WRITE)
"""As the endpoint asks for them. Those to read as well: each row that is taken tells who has an account, see `users/taken.py`."""
_MOST_TOLD = 100
"""So many accounts an event names. No more rows come with one request."""


@dataclass(frozen=True, slots=True)
class ImportedRows:
    """What came of each row."""

    import_id: str
    is_dry: bool
    outcomes: Sequence[Outcome]

    @property
    def refused(self) -> int:
        return sum(bool(outcome.faults) for outcome in self.outcomes)

    @property
    def created(self) -> int:
        return len(self.outcomes) - self.refused

    @property
    def met(self) -> dict[str, Any]:
        """Whose names and addresses were asked for: the answer has told that they are taken, and so of whom there is an account."""
        ids = sorted({outcome.taken_by for outcome in self.outcomes if outcome.taken_by})
        return {"taken": len(ids), "taken_by": ids[:_MOST_TOLD]}


class RowImports:
    """Imports for administrators."""

    def __init__(self, *, database: Database, trail: Trail, authority: Authority, imports: Imports) -> None:
        self._database = database
        self._trail = trail
        self._authority = authority
        self._imports = imports

    def run(
        self,
        *,
        rows: Sequence[Any],
        format_name: str,
        role: str,
        with_roles: bool,
        without_password: bool,
        replace_usernames: bool,
        dry_run: bool,
        caller: Identity,
        client: Client,
    ) -> ImportedRows:
        """Open an account for each row that may have one, all of them in one transaction; one bad row never stops the rest.

        `role` is for everybody, unless `with_roles` has each row say its own. Raises `Invalid` for a role that there is not, `GrantRefused`
        for one that the caller may not give, and `Unauthenticated`; a row with such a role is refused by itself.
        """
        with self._authority.opening(act=_ACT, needs=_NEEDED, caller=caller, client=client) as (session, actor):
            granted(session, actor, role)
            roles, grantable = _roles(session, actor)
        rules = Rules(
            role=role,
            roles=roles,
            grantable=grantable,
            is_role_taken=with_roles,
            may_lack_password=without_password,
            replaces_usernames=replace_usernames,
        )

        @contextmanager
        def begin(given: Collection[str]) -> Iterator[Connection]:
            with self._authority.opening(act=_ACT, needs=_NEEDED, caller=caller, client=client) as (session, actor):
                for name in sorted(given):
                    granted(session, actor, name)
                yield session.connection()

        order = ImportOrder(
            id=new_id(),
            format=FORMATS[format_name],
            rules=rules,
            is_done=lambda _number, _digest: False,
            is_dry=dry_run,
            caller=caller,
            begin=begin,
        )
        records = read_rows(rows, are_cells=format_name == "csv")
        batches = self._imports.run(records, order, client=client)
        done = ImportedRows(order.id, dry_run, [outcome for batch in batches for outcome in batch.outcomes])
        self._imports.note_end(order, created=done.created, refused=done.refused, client=client, **done.met)
        self._note_grants_refused(done, caller, client)
        return done

    def _note_grants_refused(self, done: ImportedRows, caller: Identity, client: Client) -> None:
        """Leave the event that a refused grant leaves everywhere, once for all rows."""
        if any(fault.code == GrantRefused.code for outcome in done.outcomes for fault in outcome.faults):
            with self._database.transaction(client) as session:
                self._trail.record(session, events.ADMINISTRATION_REFUSED, client=client, actor=caller, act=_ACT, reason=GrantRefused.code)


def _roles(session: Session, actor: Standing | None) -> tuple[frozenset[str], frozenset[str]]:
    """The names of all roles, and of those that somebody of this standing may give."""
    connection = session.connection()
    names = [role.value for role in Role] + [row.name for row in list_custom(connection)]
    standings = [standing for name in names if (standing := standing_of(connection, name))]
    return frozenset(names), frozenset(one.role for one in standings if actor is None or actor.covers(one))
