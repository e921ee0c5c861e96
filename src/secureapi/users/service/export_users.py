"""Exporting accounts, page by page, to a file that may be imported elsewhere. Hashes only for whoever asks for them by name."""

from collections.abc import Iterator
from typing import Any

from secureapi.core.clock import Clock, rfc3339
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.bulk import every_account

COLUMNS = ("id", "username", "email", "full_name", "bio", "website", "role", "status", "email_verified_at", "created_at", "updated_at")
_MOMENTS = ("email_verified_at", "created_at", "updated_at")


class Exports:
    """All accounts, for operators."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    def pages(
        self, *, with_hashes: bool = False, role: str | None = None, status: str | None = None, client: Client
    ) -> Iterator[list[dict[str, Any]]]:
        """Accounts as plain values, a page at a time. The event is left before the first of them: who breaks off has read all the same."""
        with self._database.transaction(client) as session:
            self._trail.record(session, events.EXPORTED, client=client, with_hashes=with_hashes, role=role, status=status)
        columns = (*COLUMNS, "password_hash") if with_hashes else COLUMNS
        now = self._clock.now()
        for page in every_account(self._database, now=now, with_hashes=with_hashes, role=role, status=status):
            people = [{column: getattr(row, column) for column in columns} for row in page]
            for person in people:
                person.update({name: rfc3339(person[name]) for name in _MOMENTS if person[name] is not None})
            yield people
