"""Every query on the trail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from secureapi.core.database import table_of
from secureapi.security.models import AuditEvent

_E = table_of(AuditEvent).c


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. None leaves a condition out."""

    since: datetime
    severity: str | None = None
    type: str | None = None
    """A whole name, or the beginning of names with `.*` behind it."""
    before_id: int | None = None
    """Events older than this one: the cursor."""
    limit: int = 50


def count_events(connection: Connection, since: datetime) -> dict[str, int]:
    """How many events of each severity there were since a moment."""
    counted = select(_E.severity, func.count()).where(_E.occurred_at >= since).group_by(_E.severity)
    return {row[0]: row[1] for row in connection.execute(counted)}


def list_events(connection: Connection, wanted: EventFilter) -> list[Row[Any]]:
    """Newest first, one more than `limit` where there are more. Keyset, so the thousandth page costs what the first does."""
    statement = select(*_E).where(_E.occurred_at >= wanted.since).order_by(_E.id.desc()).limit(wanted.limit + 1)
    if wanted.severity:
        statement = statement.where(_E.severity == wanted.severity)
    if wanted.type and wanted.type.endswith(".*"):
        statement = statement.where(_E.type.startswith(wanted.type.removesuffix("*"), autoescape=True))
    elif wanted.type:
        statement = statement.where(_E.type == wanted.type)
    if wanted.before_id is not None:
        statement = statement.where(_E.id < wanted.before_id)
    return list(connection.execute(statement).all())
