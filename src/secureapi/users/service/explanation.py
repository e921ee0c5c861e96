"""Why somebody may do something, or may not: for administrators who are asked that."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission, built_in
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.custom_roles import standing_of
from secureapi.users.service.authority import Authority
from secureapi.users.service.directory import find_account


@dataclass(frozen=True, slots=True)
class Explanation:
    """Yes or no, and the steps that lead there."""

    user_id: str
    username: str
    role: str
    permission: str
    is_allowed: bool
    code: str
    """Stable, for programs: `role_grants`, `role_lacks`, `unknown_role`, or `account_` and its status."""
    reason: str
    """A sentence, for people."""


class Explanations:
    """Answers the question. The same table decides that stands before every endpoint."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, authority: Authority) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._authority = authority

    def explain(self, *, who: str, permission: str, caller: Identity | None, client: Client) -> Explanation:
        """Whether the account with this id, username or address may do this now. Leaves an event. Raises `NoSuchUser`."""
        with self._authority.remembering("explain", caller=caller, client=client):
            return self._explained(who, Permission(permission), caller, client)

    def _explained(self, who: str, asked: Permission, caller: Identity | None, client: Client) -> Explanation:
        with self._database.transaction(client) as session:
            person = find_account(session, who, now=self._clock.now())
            standing = standing_of(session.connection(), person.role)
            self._trail.record(session, events.RECORD_READ, client=client, actor=caller, subject_id=person.id, permission=asked.value)
        if not person.is_active:
            return _no(person, asked, f"account_{person.status}", f"The account is {person.status}, so that nobody is let in with it.")
        if standing is None:
            return _no(person, asked, "unknown_role", "There is no such role as this account has, so that it may do nothing.")
        kind = "built-in role" if built_in(person.role) else "custom role"
        if asked not in standing.permissions:
            held = ", ".join(sorted(standing.permissions)) or "nothing"
            return _no(person, asked, "role_lacks", f"The {kind} {person.role} does not have it. It has: {held}.")
        return Explanation(
            person.id, person.username, person.role, asked.value, True, "role_grants", f"The {kind} {person.role} has {asked.value}."
        )


def _no(person: Row[Any], asked: Permission, code: str, reason: str) -> Explanation:
    return Explanation(person.id, person.username, person.role, asked.value, False, code, reason)
