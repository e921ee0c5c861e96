"""What administrators do to accounts that there are. Who may do it to whom is in `users/service/authority.py`.

Whatever takes something away is committed, then made known to every worker, and only then answered: the very next request of whoever
it is about meets it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth.callers import Callers
from secureapi.auth.repository import ApiKeyRepository, SessionRepository
from secureapi.auth.service.requested_mail import RESET
from secureapi.core.clock import Clock
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.errors import KeyNotAllowed
from secureapi.security.events import ACCOUNT_UNLOCKED
from secureapi.security.identity import Identity
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.errors import OwnAccount, OwnDeletion, ProfileRefused
from secureapi.users.models import Status, User
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_text
from secureapi.users.service.authority import Authority, Case

_GUARDED = ("role", "status", "email")
"""What needs `admin:write`, and is never one's own to change here. Whoever sets the address of an account can have the account."""
_LINKS = (Purpose.RESET_PASSWORD, Purpose.CONFIRM_EMAIL, Purpose.UNLOCK)


class Administration:
    """Changes to other people's accounts. `caller` is None for the command line of the server.

    Everything raises `NoSuchUser`, `HigherRank` and `OwnAccount`; what takes an administrator away raises `LastAdministrator`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        links: OneTimeLinks,
        attempts: Attempts,
        authority: Authority,
        callers: Callers,
    ) -> None:
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._links = links
        self._attempts = attempts
        self._authority = authority
        self._callers = callers

    def change(self, *, user_id: str, changes: Mapping[str, Any], caller: Identity | None, client: Client) -> Row[Any]:
        """Change the fields that are given. Raises `AdministratorsOnly`, `GrantRefused`, `Invalid`, and `ProfileRefused` for taken names.

        An address that an administrator gives counts as verified, and his word is the last: links that were sent to the former one,
        to take the account back among them, are closed.
        """
        takes_away = "role" in changes or "status" in changes
        try:
            with self._authority.over(user_id, act="change", caller=caller, client=client, takes_away=takes_away) as case:
                if any(field in changes for field in _GUARDED):
                    case.refuse_own(OwnAccount)
                    case.refuse_lesser()
                if "email" in changes and caller and caller.key_id:
                    raise KeyNotAllowed
                if "username" in changes:
                    refuse_reserved(changes["username"])
                self._put(case, changes, caller, client)
                person = _seen(case)
        except IntegrityError:
            raise ProfileRefused from None
        if takes_away:
            self._callers.user_changed(user_id)
        return person

    def delete(self, *, user_id: str, caller: Identity | None, client: Client) -> None:
        """Delete an account, its sessions, links and former passwords. What the trail has about it stays. Raises `OwnDeletion`."""
        with self._authority.over(user_id, act="delete", caller=caller, client=client, takes_away=True) as case:
            case.refuse_own(OwnDeletion)
            case.refuse_lesser(Permission.USERS_DELETE)
            case.refuse_last_administrator()
            self._attempts.clear_all(case.session, user_id)
            self._trail.record(case.session, events.DELETED, client=client, actor=caller, subject_id=user_id, role=case.user.role)
            UserRepository(case.session).remove(case.user)
        self._callers.user_changed(user_id)

    def lock(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Let nobody use an account until an administrator unlocks it; its sessions end. A disabled one stays disabled."""
        return self._act("lock", self._lock, user_id, caller, client, takes_away=True)

    def unlock(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Lift the lock of an administrator, and forget the wrong passwords that were tried. A disabled account stays disabled."""
        return self._act("unlock", self._unlock, user_id, caller, client)

    def disable(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Let nobody use an account any more; its sessions end. One that was locked is disabled from now on."""
        return self._act("disable", self._disable, user_id, caller, client, takes_away=True)

    def enable(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Let a disabled account be used again; its old sessions stay ended. One that is locked stays locked."""
        return self._act("enable", self._enable, user_id, caller, client)

    def require_password_change(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Have the password of an account open nothing any more, end its sessions, and send its owner a link for another one."""
        return self._act("require-password-change", self._require_password_change, user_id, caller, client)

    def _act(
        self,
        act: str,
        do: Callable[[Case, Identity | None, Client], None],
        user_id: str,
        caller: Identity | None,
        client: Client,
        *,
        takes_away: bool = False,
    ) -> Row[Any]:
        with self._authority.over(user_id, act=act, caller=caller, client=client, takes_away=takes_away) as case:
            case.refuse_own(OwnAccount)
            case.refuse_lesser()
            do(case, caller, client)
            person = _seen(case)
        self._callers.user_changed(user_id)
        return person

    def _put(self, case: Case, changes: Mapping[str, Any], caller: Identity | None, client: Client) -> None:
        """Set what differs."""
        user, before = case.user, case.user.role
        changed = {name for name, value in changes.items() if name not in {"email", "role", "status"} and getattr(user, name) != value}
        for name in changed:
            setattr(user, name, changes[name])
        if "username" in changed:
            user.username_canonical = canonical_text(user.username)
        if changes.get("email", user.email) != user.email:
            self._put_address(case.session, user, changes["email"])
            changed.add("email")
            self._trail.record(case.session, events.EMAIL_CHANGED, client=client, actor=caller, subject_id=user.id)
        if changes.get("role", before) != before:
            case.refuse_last_administrator()
            user.role = case.granted(changes["role"])
            changed.add("role")
            self._trail.record(
                case.session, events.ROLE_CHANGED, client=client, actor=caller, subject_id=user.id, before=before, after=user.role
            )
        if "status" in changes:
            (self._enable if changes["status"] == Status.ACTIVE else self._disable)(case, caller, client)
        if changed:
            user.updated_at = self._clock.now()
            self._trail.record(case.session, events.CHANGED, client=client, actor=caller, subject_id=user.id, fields=sorted(changed))

    def _put_address(self, session: Session, user: User, email: str) -> None:
        user.move_to(email, canonical=canonical_or_refused(email), verified_at=self._clock.now())
        user.pending_email = None
        self._links.withdraw(session, user.id, *_LINKS, Purpose.VERIFY_EMAIL, Purpose.NOT_ME)

    def _lock(self, case: Case, caller: Identity | None, client: Client) -> None:
        case.refuse_last_administrator()
        if case.user.is_active:
            case.user.status, case.user.locked_at = Status.DISABLED.value, self._clock.now()
            self._throw_out(case, "locked")
            self._trail.record(case.session, events.LOCKED, client=client, actor=caller, subject_id=case.user.id)

    def _unlock(self, case: Case, caller: Identity | None, client: Client) -> None:
        if self._attempts.clear_all(case.session, case.user.id):
            self._trail.record(case.session, ACCOUNT_UNLOCKED, client=client, actor=caller, subject_id=case.user.id)
        if case.user.locked_at:
            case.user.status, case.user.locked_at = Status.ACTIVE.value, None
            case.user.updated_at = self._clock.now()
            self._trail.record(case.session, events.UNLOCKED, client=client, actor=caller, subject_id=case.user.id)

    def _disable(self, case: Case, caller: Identity | None, client: Client) -> None:
        case.refuse_last_administrator()
        if case.user.is_active or case.user.locked_at:
            case.user.status, case.user.locked_at = Status.DISABLED.value, None
            self._throw_out(case, "disabled")
            self._trail.record(case.session, events.DISABLED, client=client, actor=caller, subject_id=case.user.id)

    def _enable(self, case: Case, caller: Identity | None, client: Client) -> None:
        if not case.user.is_active and not case.user.locked_at:
            case.user.status, case.user.updated_at = Status.ACTIVE.value, self._clock.now()
            self._trail.record(case.session, events.ENABLED, client=client, actor=caller, subject_id=case.user.id)

    def _require_password_change(self, case: Case, caller: Identity | None, client: Client) -> None:
        case.user.password_refused_since = self._clock.now()
        ended = self._throw_out(case, "password_refused")
        # Whoever was in there may have asked for these himself.
        self._links.withdraw(case.session, case.user.id, *_LINKS)
        self._outbox.add(case.session, RESET, user_id=case.user.id)
        self._trail.record(case.session, events.PASSWORD_CHANGE_REQUIRED, client=client, actor=caller, subject_id=case.user.id, ended=ended)

    def _throw_out(self, case: Case, reason: str) -> int:
        """End every session, revoke every API key, and have every device and open link forgotten. How many sessions they were."""
        now = self._clock.now()
        ApiKeyRepository(case.session).revoke_all_of(case.user.id, reason=reason, now=now)
        case.user.devices_since = case.user.updated_at = now
        return SessionRepository(case.session).end_all_of(case.user.id, reason=reason, now=now)


def _seen(case: Case) -> Row[Any]:
    """The account as it is now."""
    case.session.flush()
    person = find_person(case.session.connection(), case.user.id)
    assert person is not None  # noqa: S101 - it is locked
    return person
