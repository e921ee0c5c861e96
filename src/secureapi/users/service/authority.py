"""Who may do what to whom: the rules of administration, in one place.

Nobody acts on somebody who stands above him, nor gives a role that may do more than he may; nobody does anything to his own account
here; the last active administrator stays. What would let a thief stay asks for a recent proof, which no program can give. What an
endpoint asks for in general is declared on it: see `security/guard.py`.

All is looked at again under lock, the caller too: of two administrators who remove one another at the same moment, one is too late.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Conflict, Denied, Fault, Invalid, NotFound, Refusal, Rejected, Unauthenticated
from secureapi.core.requests import Client
from secureapi.security.errors import InsufficientPermission
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission, Role, Standing
from secureapi.security.step_up import StepUp
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.custom_roles import CustomRoles, standing_of
from secureapi.users.errors import AdministratorsOnly, GrantRefused, HigherRank, LastAdministrator, NoSuchUser
from secureapi.users.models import User
from secureapi.users.repository import UserRepository
from secureapi.users.service.profiles import IsGoing

_NOBODY = Standing("", 0, frozenset())
"""What an account with a role that does not exist amounts to."""


@dataclass(frozen=True, slots=True)
class Case:
    """One act of administration, in its transaction: the account that it is about, locked, and what the caller may."""

    session: Session
    user: User
    actor: Standing | None
    """None for the command line of the server, which may do whatever there is."""
    is_own: bool
    administrators: frozenset[str]
    """Those who can sign in, locked; only where the act may take one away."""
    now: datetime
    """When it was opened."""

    def refuse_own(self, refusal: type[Refusal]) -> None:
        """Raise when the account is the caller's."""
        if self.is_own:
            raise refusal

    def refuse_lesser(self, permission: Permission = Permission.ADMIN_WRITE) -> None:
        """Raise `AdministratorsOnly` when the caller lacks a permission."""
        if self.actor and permission not in self.actor.permissions:
            raise AdministratorsOnly

    def refuse_last_administrator(self) -> None:
        """Raise `LastAdministrator` when nobody would be left who could undo this."""
        is_one = self.user.role == Role.ADMIN and self.user.is_active_at(self.now)
        if is_one and not self.administrators - {self.user.id}:
            raise LastAdministrator

    def granted(self, role: str) -> str:
        """A role that the caller may give. Raises `Invalid`, `GrantRefused`."""
        return granted(self.session, self.actor, role).role


class Authority:
    """Opens cases, and remembers refusals."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, step_up: StepUp, is_going: IsGoing) -> None:
        self._database = database
        self._is_going = is_going
        self._clock = clock
        self._trail = trail
        self._step_up = step_up

    @contextmanager
    def over(
        self,
        user_id: str,
        *,
        act: str,
        caller: Identity | None,
        client: Client,
        needs: Collection[Permission] = (),
        takes_away: bool = False,
        known_as: Collection[str] = (),
    ) -> Iterator[Case]:
        """A transaction about this account. `takes_away` is for acts after which somebody may be no administrator any more.

        `needs` is what the act asks for, as its endpoint declares it; `known_as` are canonical names and addresses that it is about to
        get. Raises `NoSuchUser`, `HigherRank`, and for a caller who has lost something in the meantime `Unauthenticated` (his account
        or his role) or `InsufficientPermission`.
        """
        with self.remembering(act, caller=caller, client=client, subject_id=user_id), self._database.transaction(client) as session:
            ids = {user_id, caller.user_id} if caller else {user_id}
            people = UserRepository(session).lock_people(ids, known_as=known_as, with_administrators=takes_away)
            now = self._clock.now()
            actor = self._present_standing(session, caller, people, now, needs) if caller else None
            if user_id not in people:
                raise NoSuchUser
            user, is_own = people[user_id], caller is not None and caller.user_id == user_id
            if actor and not is_own and not actor.covers(standing_of(session.connection(), user.role) or _NOBODY):
                raise HigherRank
            active = frozenset(one.id for one in people.values() if _administers(one, now)) if takes_away else frozenset()
            yield Case(session, user, actor, is_own, active, now)

    @contextmanager
    def opening(
        self, *, act: str, caller: Identity | None, client: Client, needs: Collection[Permission] = ()
    ) -> Iterator[tuple[Session, Standing | None]]:
        """A transaction about no account that there is. What the caller amounts to comes with it. Raises as `over` does."""
        with self.remembering(act, caller=caller, client=client), self._database.transaction(client) as session:
            people = UserRepository(session).lock_people({caller.user_id}) if caller else {}
            yield session, self._present_standing(session, caller, people, self._clock.now(), needs) if caller else None

    def require_recent(self, caller: Identity | None) -> None:
        """Raise `StepUpRequired` for whoever proved too long ago who he is, and `KeyNotAllowed` for a program.

        Asked for what would let a thief stay when the token or the key that he has is no good any more.
        """
        if caller:
            self._step_up.require(caller)

    def _present_standing(
        self, session: Session, caller: Identity, people: dict[str, User], now: datetime, needs: Collection[Permission]
    ) -> Standing:
        """What the caller amounts to now, and no more than what he came in with: an API key may do less than its owner.

        A role that was defined is held until the transaction ends: what is taken from it while something else is waited for, or from whom
        it is taken, is taken before or afterwards.
        """
        present = people.get(caller.user_id)
        is_he = present is not None and present.is_active_at(now) and present.role == caller.role
        if not is_he or not self._is_going(session, caller):
            # Thrown out, given another role or bereft of his session or key while this request waited.
            raise Unauthenticated
        standing = CustomRoles(session).hold(caller.role) or _NOBODY
        standing = replace(standing, permissions=standing.permissions & caller.permissions)
        if not standing.permissions.issuperset(needs):
            raise InsufficientPermission
        return standing

    @contextmanager
    def remembering(self, act: str, *, caller: Identity | None, client: Client, subject_id: str | None = None) -> Iterator[None]:
        """Leave an event when what is inside refuses, after its transaction is over."""
        try:
            yield
        except (Denied, Conflict, NotFound, Rejected, Unauthenticated) as refusal:
            with self._database.transaction(client) as session:
                self._trail.record(
                    session,
                    events.ADMINISTRATION_REFUSED,
                    client=client,
                    actor=caller,
                    subject_id=subject_id,
                    act=act,
                    reason=refusal.code,
                )
            raise


def granted(session: Session, actor: Standing | None, role: str) -> Standing:
    """What a role amounts to, if there is one that this caller may give. Raises `Invalid`, `GrantRefused`."""
    standing = CustomRoles(session).hold(role)
    if standing is None:
        raise Invalid(faults=[Fault("/role", "unknown_role", "There is no such role.")])
    if actor and not actor.covers(standing):
        raise GrantRefused
    return standing


def _administers(user: User, now: datetime) -> bool:
    """Whether there is somebody who can undo things."""
    can_enter = user.is_active_at(now) and user.invited_at is None and user.password_refused_since is None
    return can_enter and user.role == Role.ADMIN
