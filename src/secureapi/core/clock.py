"""Time, passed in rather than looked up, so that tests can move it."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where services learn what time it is."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FrozenClock:
    """A clock that stands still until it is moved. For tests and for trying rules over the past."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment

    def advance(self, span: timedelta) -> None:
        self._moment += span


def whole_minute(moment: datetime) -> datetime:
    """The beginning of its minute, for strangers: what a worker did in which millisecond says what else it had to do."""
    return moment.replace(second=0, microsecond=0)


def rfc3339(moment: datetime) -> str:
    """An aware moment as RFC 3339 in UTC with milliseconds, ending in Z: `2026-11-21T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
