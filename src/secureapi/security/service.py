"""Use cases around the trail."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Fault, Invalid
from secureapi.core.requests import Client
from secureapi.security.events import TRAIL_READ
from secureapi.security.identity import Identity
from secureapi.security.repository import EventFilter, list_events
from secureapi.security.trail import Trail

_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class EventList:
    """Some events, newest first, and where to go on."""

    events: Sequence[Any]
    next_cursor: str | None


class EventReader:
    """Reads the trail, and remembers that it was read."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail

    def read(
        self,
        *,
        hours: int,
        severity: str | None = None,
        event_type: str | None = None,
        cursor: str | None = None,
        limit: int,
        caller: Identity,
        client: Client,
    ) -> EventList:
        """Events of the last so many hours. Raises `Invalid` for a cursor that did not come from here."""
        wanted = EventFilter(
            since=self._clock.now() - timedelta(hours=hours), severity=severity, type=event_type, before_id=_opened(cursor), limit=limit
        )
        with self._database.reading() as connection:
            found = list_events(connection, wanted)
        with self._database.transaction(client) as session:
            asked: dict[str, Any] = {"hours": hours, "severity": severity, "type": event_type}
            self._trail.record(session, TRAIL_READ, client=client, actor=caller, **{k: v for k, v in asked.items() if v is not None})
        shown = found[:limit]
        return EventList(shown, _closed(shown[-1].id) if len(found) > limit else None)


def _closed(event_id: int) -> str:
    """A cursor: opaque on purpose, so that nobody builds one."""
    return base64.urlsafe_b64encode(str(event_id).encode()).rstrip(b"=").decode()


def _opened(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        digits = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        digits = ""
    if not (digits.isdigit() and len(digits) <= 19 and int(digits) <= _LARGEST_ID):  # noqa: PLR2004 - digits of 2^63
        raise Invalid(faults=[Fault("/cursor", "cursor", "This cursor did not come from this list.")])
    return int(digits)
