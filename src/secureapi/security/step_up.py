"""A recent proof of who is calling (RFC 9470): asked for before what is dangerous. A token that was only refreshed is none.

Endpoints ask by `@recently_authenticated`; services ask here where it depends on what is wanted.
"""

from datetime import timedelta

from secureapi.core.clock import Clock
from secureapi.security.errors import KeyNotAllowed, StepUpRequired
from secureapi.security.identity import Identity


class StepUp:
    """Knows how old a proof may be."""

    def __init__(self, *, clock: Clock, max_age: timedelta) -> None:
        self._clock = clock
        self._max_age = int(max_age.total_seconds())

    def require(self, identity: Identity) -> None:
        """Raise `StepUpRequired` unless this caller proved who he is a short while ago. A program cannot: `KeyNotAllowed`."""
        if identity.key_id:
            raise KeyNotAllowed
        if identity.authenticated_at + self._max_age < self._clock.now().timestamp():
            raise StepUpRequired(max_age=self._max_age)
