"""Answers that are kept for requests with an Idempotency-Key, so that the same request again does nothing and gets the same answer.

That only one of many does the work is decided by the primary key of the table: workers and hosts share nothing else. A request that
dies half-way leaves its claim behind, which is given up after a while. How keys come in and answers go out is in `idempotency`.

Each unit of work of a request that holds a claim says so in the row of the claim, and is committed with that or not at all. So a claim
that is left behind tells whether something was done; and whoever was thought dead, and was only slow, cannot commit any more.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import Database, insert_or_update, table_of
from secureapi.core.errors import Unauthenticated
from secureapi.core.identifiers import new_id
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import IdempotencyAnswerLost, IdempotencyAnswerWithheld, IdempotencyInProgress, IdempotencyKeyReused
from secureapi.security.identity import Identity
from secureapi.security.models import KeptAnswer
from secureapi.security.permissions import Permission

KEPT_FOR = timedelta(hours=24)
GIVEN_UP_AFTER = timedelta(minutes=2)
"""A request that has not answered by then is dead: four times what gunicorn grants a worker that is told to stop."""
_SWEPT_AT_ONCE = 20
_PURPOSE = "kept-answer"
_DONE = 0
"""Stands where a status would be, when something was committed and nothing answered yet. Then `expires_at` is a day from that."""
_K = table_of(KeptAnswer).c


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do the work of one key."""

    key_hash: str
    id: str
    permissions: frozenset[Permission]
    """What the caller may: what is answered may depend on it."""


class KeptAnswers:
    """Claims and answers, in the database."""

    def __init__(self, *, database: Database, clock: Clock, secret_box: SecretBox) -> None:
        self._database = database
        self._clock = clock
        self._secrets = secret_box
        self._held: ContextVar[Claim | None] = ContextVar("held", default=None)
        database.before_commit = self._note_done

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """What is inside does the work of this claim."""
        token = self._held.set(claim)
        try:
            yield
        finally:
            self._held.reset(token)

    def claim(self, *, caller: Identity, endpoint: str, key: str, asked: str) -> Claim | Answer:
        """The right to do the work, or what was answered when it was done. `asked` is what is asked for, in one spelling.

        Raises `IdempotencyKeyReused` when the key came with something else, `IdempotencyInProgress` while the first request is under
        way, `IdempotencyAnswerLost` when that was done and died, `IdempotencyAnswerWithheld` to a caller who lacks a permission that
        he had then, and `Unavailable`: without the table nobody could say whether this is the first.
        """
        key_hash = self._hash("idempotency-key", caller.user_id, caller.key_id or "", endpoint, key)
        request_hash = self._hash("idempotency-request", key_hash, asked)
        claim = Claim(key_hash, new_id(), caller.permissions)
        try:
            with self._database.transaction() as session:
                if self._insert(session, claim, request_hash, caller.user_id):
                    # Afterwards, and without waiting for anybody: whoever waits for this row must not be waited for.
                    self._sweep(session)
                    return claim
                # Inserting waited for whoever was faster, so that his row is there, unless he has let go of it just now.
                wanted = select(_K.request_hash, _K.status, _K.answer, _K.expires_at).where(_K.key_hash == key_hash)
                found = session.execute(wanted).one_or_none()
        except IntegrityError:
            # The account was deleted after the guard had seen it.
            raise Unauthenticated from None
        if found is None:
            raise IdempotencyInProgress
        if found.request_hash != request_hash:
            raise IdempotencyKeyReused
        if found.status == _DONE and found.expires_at - KEPT_FOR + GIVEN_UP_AFTER <= self._clock.now():
            raise IdempotencyAnswerLost
        if not found.status:
            raise IdempotencyInProgress
        return self._unsealed(claim, found.status, found.answer)

    def keep(self, claim: Claim, answer: Answer) -> None:
        """The work is done, and this was answered."""
        plain = json.dumps([b64encode(answer.body).decode(), answer.headers, sorted(claim.permissions)]).encode()
        sealed = self._secrets.seal(_PURPOSE, plain, context=claim.key_hash.encode())
        with self._database.writing() as connection:
            connection.execute(
                update(table_of(KeptAnswer))
                .where(_K.key_hash == claim.key_hash, _K.claim == claim.id)
                .values(status=answer.status, answer=sealed, expires_at=self._clock.now() + KEPT_FOR)
            )

    def release(self, claim: Claim) -> None:
        """Nothing was done: whoever comes with this key next is the first."""
        with self._database.writing() as connection:
            connection.execute(delete(table_of(KeptAnswer)).where(_K.key_hash == claim.key_hash, _K.claim == claim.id))

    def _note_done(self, session: Session) -> None:
        """Say beside what is about to be committed that it was done. Raises `IdempotencyInProgress` where somebody else has the claim."""
        claim = self._held.get()
        if claim is None:
            return
        noted = session.connection().execute(
            update(table_of(KeptAnswer))
            .where(_K.key_hash == claim.key_hash, _K.claim == claim.id)
            .values(status=_DONE, expires_at=self._clock.now() + KEPT_FOR)
        )
        if noted.rowcount == 0:
            raise IdempotencyInProgress

    def _insert(self, session: Session, claim: Claim, request_hash: str, user_id: str) -> bool:
        """Insert the row, or take over one that is over; whether either was possible. One statement, so that only one can."""
        now = self._clock.now()
        statement = insert_or_update(session.get_bind().dialect)(table_of(KeptAnswer)).values(
            key_hash=claim.key_hash,
            request_hash=request_hash,
            user_id=user_id,
            claim=claim.id,
            status=None,
            answer=None,
            expires_at=now + GIVEN_UP_AFTER,
        )
        anew = {name: statement.excluded[name] for name in ("request_hash", "claim", "status", "answer", "expires_at")}
        statement = statement.on_conflict_do_update(index_elements=["key_hash"], set_=anew, where=_K.expires_at <= now)
        return session.execute(statement.returning(_K.claim)).first() is not None

    def _sweep(self, session: Session) -> None:
        """Remove some that are over, so that the table holds about a day."""
        over = select(_K.key_hash).where(_K.expires_at <= self._clock.now()).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
        session.execute(delete(table_of(KeptAnswer)).where(_K.key_hash.in_(over)))

    def _hash(self, purpose: str, *parts: str) -> str:
        return self._secrets.fingerprint(purpose, json.dumps(parts))

    def _unsealed(self, claim: Claim, status: int, sealed: bytes) -> Answer:
        body, headers, *rest = json.loads(self._secrets.unseal(_PURPOSE, sealed, context=claim.key_hash.encode()))
        # What an older version has kept does not say what its caller could do.
        if not rest or not claim.permissions.issuperset(rest[0]):
            raise IdempotencyAnswerWithheld
        return Answer(status, b64decode(body), headers)
