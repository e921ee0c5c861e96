"""What administrators do to accounts that there are, over HTTP and at the command line: the one way in which it is done.

Who may do it to whom is in `users/service/authority.py`. Whatever takes something away is committed, then made known to every worker,
and only then answered: the very next request of whoever it is about meets it, whether it comes with a session or with an API key.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from secureapi.auth.callers import Callers
from secureapi.auth.repository import ApiKeyRepository, SessionRepository
from secureapi.auth.service.notices import Notices
from secureapi.auth.service.requested_mail import INVITATION, RESET
from secureapi.core.clock import Clock, rfc3339
from secureapi.core.errors import Fault, Invalid
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
from secureapi.users.mailboxes import mailbox
from secureapi.users.models import Status
from secureapi.users.names import canonical_or_refused, refuse_reserved
from secureapi.users.repository import UserRepository, find_person
from secureapi.users.rules import canonical_text
from secureapi.users.service.authority import Authority, Case
from secureapi.users.taken import taken

_GUARDED = frozenset({"role", "status", "email"})
"""What needs `admin:write`, and a person. Whoever sets the address of an account can have the account."""
_NEEDED = (Permission.USERS_WRITE, Permission.ADMIN_WRITE)
"""For whatever decides who may enter."""
_LASTING = frozenset({"role", "email"})
"""What needs a recent proof as well: the thief of a token would stay by it when that is over."""
Lasting = datetime | timedelta | None
"""How long a lock lasts: until a moment, for a span, or, as None, until somebody lifts it."""
_LONGEST_LOCK = timedelta(days=3653)
_LINKS = (Purpose.RESET_PASSWORD, Purpose.INVITATION, Purpose.CONFIRM_EMAIL, Purpose.UNLOCK)


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
        notices: Notices,
        attempts: Attempts,
        authority: Authority,
        callers: Callers,
    ) -> None:
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._links = links
        self._notices = notices
        self._attempts = attempts
        self._authority = authority
        self._callers = callers

    def change(self, *, user_id: str, changes: Mapping[str, Any], caller: Identity | None, client: Client) -> Row[Any]:
        """Change the fields that are given. Raises `AdministratorsOnly`, `GrantRefused`, `Invalid`, and `ProfileRefused` for taken names;
        `StepUpRequired` for another role or address without a recent proof, and `KeyNotAllowed` for what is for people.

        An address that an administrator gives counts as verified, and his word is the last: links that were sent to the former one,
        to take the account back among them, are closed.
        """
        takes_away = "role" in changes or "status" in changes
        named = _names_in(changes)
        with self._authority.over(
            user_id,
            act="change",
            needs=(Permission.USERS_WRITE,),
            caller=caller,
            client=client,
            takes_away=takes_away,
            known_as=named,
        ) as case:
            case.refuse_own(OwnAccount)
            if not _GUARDED.isdisjoint(changes):
                case.refuse_lesser()
                if caller and caller.key_id:
                    raise KeyNotAllowed
            if not _LASTING.isdisjoint(changes):
                self._authority.require_recent(caller)
            if "username" in changes:
                refuse_reserved(changes["username"])
            try:
                person = self._seen(case, caller, client, is_changed=self._put(case, changes, caller, client))
            except IntegrityError as error:
                # Within the case, so that it is remembered: whoever asks for one taken name after the other finds out who is here.
                raise ProfileRefused(faults=taken(error, case.actor)) from None
        if takes_away:
            self._callers.user_changed(user_id)
        return person

    def delete(self, *, user_id: str, caller: Identity | None, client: Client) -> None:
        """Delete an account, its sessions, links and former passwords. What the trail has about it stays. Raises `OwnDeletion`."""
        with self._authority.over(user_id, act="delete", caller=caller, client=client, takes_away=True) as case:
            case.refuse_own(OwnDeletion)
            case.refuse_lesser(Permission.USERS_DELETE)
            self._authority.require_recent(caller)
            case.refuse_last_administrator()
            self._attempts.clear_all(case.session, user_id)
            self._trail.record(case.session, events.DELETED, client=client, actor=caller, subject_id=user_id, role=case.user.role)
            UserRepository(case.session).remove(case.user)
        self._callers.user_changed(user_id)

    def lock(
        self, *, user_id: str, lasting: Lasting = None, reason: str | None = None, caller: Identity | None, client: Client
    ) -> Row[Any]:
        """Let nobody use an account until an administrator unlocks it, or until then or for so long; its sessions end.

        Its API keys are refused for as long. One that is locked already has this end and this reason from now on; a disabled one stays
        disabled. The reason is for administrators and told to nobody else. Raises `Invalid` for an end that is not ahead.
        """
        now = self._clock.now()
        until = now + lasting if isinstance(lasting, timedelta) else lasting
        if until is not None and not now < until <= now + _LONGEST_LOCK:
            raise Invalid(faults=[Fault("/until", "range", "A moment within the next ten years is expected, or none.")])
        return self._act("lock", partial(self._lock, until=until, reason=reason), user_id, caller, client, takes_away=True)

    def unlock(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Lift the lock of an administrator, and forget the wrong passwords that were tried. A disabled account stays disabled."""
        return self._act("unlock", self._unlock, user_id, caller, client)

    def disable(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Let nobody use an account any more; its sessions end, and its API keys are refused. One that was locked is disabled now."""
        return self._act("disable", self._disable, user_id, caller, client, takes_away=True)

    def enable(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Let a disabled account be used again; its old sessions stay ended. One that is locked stays locked."""
        return self._act("enable", self._enable, user_id, caller, client)

    def require_password_change(self, *, user_id: str, caller: Identity | None, client: Client) -> Row[Any]:
        """Have the password of an account open nothing any more, end its sessions, and send its owner a link for another one.

        Its API keys are revoked for good: whoever knew the password may have made one.
        """
        return self._act("require-password-change", self._require_password_change, user_id, caller, client)

    def _act(
        self,
        act: str,
        do: Callable[[Case, Identity | None, Client], bool],
        user_id: str,
        caller: Identity | None,
        client: Client,
        *,
        takes_away: bool = False,
    ) -> Row[Any]:
        with self._authority.over(user_id, act=act, needs=_NEEDED, caller=caller, client=client, takes_away=takes_away) as case:
            case.refuse_own(OwnAccount)
            person = self._seen(case, caller, client, is_changed=do(case, caller, client))
        self._callers.user_changed(user_id)
        return person

    def _seen(self, case: Case, caller: Identity | None, client: Client, *, is_changed: bool) -> Row[Any]:
        """The account as it is now. An act that changed nothing has shown it all the same, and is remembered as a look at it."""
        case.session.flush()
        person = find_person(case.session.connection(), case.user.id, now=case.now)
        assert person is not None  # noqa: S101 - it is locked
        if caller and not is_changed:
            self._trail.record(case.session, events.RECORD_READ, client=client, actor=caller, subject_id=case.user.id)
        return person

    def _put(self, case: Case, changes: Mapping[str, Any], caller: Identity | None, client: Client) -> bool:
        """Set what differs; whether anything did."""
        user, before = case.user, case.user.role
        changed = {name for name, value in changes.items() if name not in {"email", "role", "status"} and getattr(user, name) != value}
        for name in changed:
            setattr(user, name, changes[name])
        if "username" in changed:
            user.username_canonical = canonical_text(user.username)
        if changes.get("email", user.email) != user.email:
            self._put_address(case, changes["email"], caller)
            changed.add("email")
            self._trail.record(case.session, events.EMAIL_CHANGED, client=client, actor=caller, subject_id=user.id)
        if changes.get("role", before) != before:
            case.refuse_last_administrator()
            user.role = case.granted(changes["role"])
            changed.add("role")
            self._trail.record(
                case.session, events.ROLE_CHANGED, client=client, actor=caller, subject_id=user.id, before=before, after=user.role
            )
        is_other = "status" in changes and (self._enable if changes["status"] == Status.ACTIVE else self._disable)(case, caller, client)
        if changed:
            user.updated_at = case.now
            self._trail.record(case.session, events.CHANGED, client=client, actor=caller, subject_id=user.id, fields=sorted(changed))
        return is_other or bool(changed)

    def _put_address(self, case: Case, email: str, caller: Identity | None) -> None:
        """Give the account an address, close every link that was sent to the former one, and tell whoever reads at either of them.

        What goes to the former one has no link that takes the account back: an administrator moves it away from a mailbox because that
        is not its owner's any more, and must have the last word.
        """
        session, user = case.session, case.user
        is_elsewhere = mailbox(email) != mailbox(user.email)
        if is_elsewhere and user.invited_at is None:
            self._notices.leave(session, "notice.address_taken", user)
        user.move_to(email, canonical=canonical_or_refused(email), verified_at=case.now)
        user.pending_email = None
        links = [*_LINKS, Purpose.VERIFY_EMAIL, Purpose.NOT_ME]
        if not is_elsewhere:
            # Where only the spelling differs, it stays with whoever has it: another one each time would flood him.
            links.remove(Purpose.INVITATION)
        self._links.withdraw(session, user.id, *links)
        if user.invited_at and is_elsewhere:
            # Whoever reads at the former address has a link that opens nothing now; nobody had the account.
            user.invited_at = case.now
            self._outbox.add(session, INVITATION, user_id=user.id, invited_by=caller.user_id if caller else None)
        elif is_elsewhere:
            self._outbox.add(session, "notice.address_given", user_id=user.id)

    def _lock(self, case: Case, caller: Identity | None, client: Client, *, until: datetime | None, reason: str | None) -> bool:
        case.refuse_last_administrator()
        user = case.user
        is_open = user.is_active_at(case.now) or user.locked_at is not None
        if is_open:
            user.lock(at=case.now, until=until, reason=reason)
            self._throw_out(case, "locked")
            # Not the reason: it may say something about a person, and what is in the trail stays there.
            told = {"until": rfc3339(until)} if until else {}
            self._trail.record(case.session, events.LOCKED, client=client, actor=caller, subject_id=user.id, **told)
        return is_open

    def _unlock(self, case: Case, caller: Identity | None, client: Client) -> bool:
        user, had_tries = case.user, bool(self._attempts.clear_all(case.session, case.user.id))
        is_locked = user.locked_at is not None
        if had_tries:
            self._trail.record(case.session, ACCOUNT_UNLOCKED, client=client, actor=caller, subject_id=user.id)
        if is_locked:
            user.set_status(Status.ACTIVE)
            user.updated_at = case.now
            self._trail.record(case.session, events.UNLOCKED, client=client, actor=caller, subject_id=user.id)
        return is_locked or had_tries

    def _disable(self, case: Case, caller: Identity | None, client: Client) -> bool:
        case.refuse_last_administrator()
        user = case.user
        is_open = user.is_active_at(case.now) or user.locked_at is not None
        if is_open:
            user.set_status(Status.DISABLED)
            self._throw_out(case, "disabled")
            self._trail.record(case.session, events.DISABLED, client=client, actor=caller, subject_id=user.id)
        return is_open

    def _enable(self, case: Case, caller: Identity | None, client: Client) -> bool:
        user = case.user
        is_disabled = not user.is_active_at(case.now) and user.locked_at is None
        if is_disabled:
            user.set_status(Status.ACTIVE)
            user.updated_at = case.now
            self._trail.record(case.session, events.ENABLED, client=client, actor=caller, subject_id=user.id)
        return is_disabled

    def _require_password_change(self, case: Case, caller: Identity | None, client: Client) -> bool:
        case.user.password_refused_since = case.now
        ended = self._throw_out(case, "password_refused")
        ApiKeyRepository(case.session).revoke_all_of(case.user.id, reason="password_refused", now=case.now)
        # Whoever was in there may have asked for these himself.
        self._links.withdraw(case.session, case.user.id, *_LINKS)
        self._outbox.add(case.session, RESET, user_id=case.user.id)
        self._trail.record(case.session, events.PASSWORD_CHANGE_REQUIRED, client=client, actor=caller, subject_id=case.user.id, ended=ended)
        return True

    def _throw_out(self, case: Case, reason: str) -> int:
        """End every session, and have every device and open link forgotten. How many sessions they were.

        Nobody can be thrown out of an account that nobody has had: its invitation opens nothing while it may not be used, and is good again
        afterwards.
        """
        case.user.updated_at = case.now
        if case.user.invited_at is None:
            case.user.devices_since = case.now
        return SessionRepository(case.session).end_all_of(case.user.id, reason=reason, now=case.now)


def _names_in(changes: Mapping[str, Any]) -> list[str]:
    """The canonical forms of the name and the address among the changes. Raises `Invalid` for what is no address."""
    names = [canonical_text(changes["username"])] if "username" in changes else []
    return [*names, canonical_or_refused(changes["email"])] if "email" in changes else names
