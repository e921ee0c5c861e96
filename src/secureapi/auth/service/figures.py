"""Figures for administrators: how many accounts there are, who is signed in, and what happened in the last day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from secureapi.auth.repository import count_sessions
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.security.repository import count_events
from secureapi.users.repository import count_people

_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the whole house."""

    users: dict[str, int]
    """Accounts by status."""
    roles: dict[str, int]
    """Active accounts by role."""
    active_sessions: int
    events_24h: dict[str, int]
    """Events of the last day by severity."""
    taken_at: datetime


class Statistics:
    """Counts. Each number is one query over an index; none of them holds up a writer."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def figures(self) -> Figures:
        """The present figures."""
        now = self._clock.now()
        with self._database.reading() as connection:
            people = count_people(connection, now=now)
            return Figures(
                users=people.by_status,
                roles=people.by_role,
                active_sessions=count_sessions(connection, now),
                events_24h=count_events(connection, now - _DAY),
                taken_at=now,
            )
