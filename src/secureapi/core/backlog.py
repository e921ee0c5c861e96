"""What has piled up in the outbox: dead letters, and messages that nobody comes for."""

from datetime import timedelta

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.health import NotWell
from secureapi.core.outbox import Backlog, backlog_of

LONGEST_WAIT = timedelta(minutes=15)
"""A message that was due so long ago waits for a worker that does not run, or for a server that nobody has named."""
_MOST_COUNTED = 100_000

__all__ = ["LONGEST_WAIT", "Backlog", "Backlogs"]


class Backlogs:
    """Asks the outbox how much there is."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def look(self) -> None:
        """Raise `NotWell` where there are dead letters, or a message is overdue. `Unavailable` when the database is away."""
        found = self.count(most=1)
        if found.dead or self.is_overdue(found):
            raise NotWell

    def count(self, *, most: int = _MOST_COUNTED) -> Backlog:
        """What there is, counted up to `most`. Raises `Unavailable`."""
        with self._database.reading() as connection:
            return backlog_of(connection, most=most)

    def is_overdue(self, found: Backlog) -> bool:
        """Whether the message that waits longest should have been delivered long ago."""
        return found.due_since is not None and found.due_since < self._clock.now() - LONGEST_WAIT
