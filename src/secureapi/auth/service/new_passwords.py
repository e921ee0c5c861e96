"""What every use case that gives an account another password does: ask the policy and the history, and put the hash in place."""

import unicodedata
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from secureapi.auth.repository import PasswordHistoryRepository
from secureapi.core.database import Database
from secureapi.core.errors import Fault
from secureapi.core.requests import Client
from secureapi.security.errors import WeakPassword
from secureapi.security.passwords import PasswordHasher, PasswordPolicy, words_about
from secureapi.users.models import User


class NewPasswords:
    """Passwords that come in the place of others. Who may change one, and what ends with it, is for the use case to say."""

    def __init__(self, *, database: Database, hasher: PasswordHasher, policy: PasswordPolicy) -> None:
        self._database = database
        self._hasher = hasher
        self._policy = policy

    @property
    def has_history(self) -> bool:
        """Whether former passwords are kept."""
        return self._policy.remembered > 0

    def refuse_unfit(
        self, user: User, password: str, *, present: str | None = None, pointer: str = "/new_password", client: Client
    ) -> None:
        """Raise `WeakPassword` with every rule of the policy and of the history that a password fails.

        `present` is the present password where whoever changes it has just shown it. Not to be called inside a transaction: with a
        history it hashes up to PASSWORD_HISTORY + 1 times.
        """
        personal = words_about(username=user.username, email=user.email, full_name=user.full_name)
        found = [(fault.code, fault.detail) for fault in self._policy.faults(password, personal=personal)]
        found += self._repetition(user, password, present, client)
        if found:
            raise WeakPassword(faults=[Fault(pointer, code, detail) for code, detail in found])

    def put(self, session: Session, user: User, password_hash: str, *, now: datetime) -> None:
        """Put a new hash in place. The row of the user is locked; the hash that it had goes into the history, as far as there is one."""
        former = user.password_hash
        user.password_hash = password_hash
        user.password_changed_at = user.updated_at = now
        user.password_refused_since = user.invited_at = None
        history = PasswordHistoryRepository(session)
        if self.has_history:
            history.add(user.id, former, replaced_at=now)
        # Without a history too: what was kept while there was one is of no use to anybody but a thief.
        history.keep_only(user.id, newest=self._policy.remembered)

    def _repetition(self, user: User, password: str, present: str | None, client: Client) -> Iterator[tuple[str, str]]:
        if present is not None and _is_same(password, present):
            yield "unchanged", "The new password must differ from the present one."
        elif self.has_history and self._was_used(user, password, client):
            yield "reused", "It was used for this account before."

    def _was_used(self, user: User, password: str, client: Client) -> bool:
        with self._database.transaction(client) as session:
            former = PasswordHistoryRepository(session).list_hashes(user.id, most=self._policy.remembered)
        # One hash for each, which stops at the first that fits: only whoever may change the password can measure this.
        return any(self._hasher.verify(password, stored, whose=user.id) for stored in (user.password_hash, *former))


def _is_same(one: str, other: str) -> bool:
    """Whether two passwords have the same hash: composed or not, é is é."""
    return unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
