"""The vocabulary of the trail: every kind of event is declared once, with its severity and its meaning.

Each room declares its own in its `events.py` with `declare`; names are past tense and dotted, `auth.login.refused`. They are
stable: people alert on them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much attention an event deserves."""

    INFO = "INFO"
    """Normal operation."""
    WARNING = "WARNING"
    """Refusals, and changes that somebody should be able to explain."""
    CRITICAL = "CRITICAL"
    """Probably an attack, or a compromise."""


class Outcome(StrEnum):
    """What came of it."""

    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event."""

    name: str
    severity: Severity
    outcome: Outcome
    meaning: str


_catalogue: dict[str, EventType] = {}


def declare(name: str, meaning: str, *, severity: Severity = Severity.INFO, outcome: Outcome = Outcome.SUCCESS) -> EventType:
    """A new kind of event. Raises `ValueError` when the name is taken."""
    if name in _catalogue:
        raise ValueError(f"the event {name} is declared twice")
    _catalogue[name] = EventType(name, severity, outcome, meaning)
    return _catalogue[name]


def catalogue() -> list[EventType]:
    """Every kind of event that has been declared, by name."""
    return [_catalogue[name] for name in sorted(_catalogue)]


ACCESS_DENIED = declare(
    "security.access.denied",
    "A signed-in caller asked for something that the role does not allow, or a program for something that is only for people (`reason` "
    "is key_not_allowed).",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
OBJECT_READ = declare(
    "security.object.read",
    "Somebody read an object that is not his own, since his role allows it: `kind` says which, `object_id` or, for a list, `count`.",
)
ACCOUNT_LOCKED = declare(
    "security.account.locked",
    "The last attempt that is allowed was wrong: this lane of the account takes no password for a while. `lane` is strangers, device "
    "or address; the other lanes go on.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
ACCOUNT_UNLOCKED = declare("security.account.unlocked", "An administrator, or the owner, had the wrong attempts on an account forgotten.")
LIMITS_DEGRADED = declare(
    "security.limits.degraded",
    "A process counts its limits without Redis: those that guard guesses and mail in the database, the others by itself. At most one a "
    "minute and process.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
LIMITS_RESTORED = declare("security.limits.restored", "A process that told of degraded limits counts them in Redis again.")
MAIL_WITHHELD = declare(
    "mail.withheld",
    "A message was not written, because its recipient had enough of its kind: `topic` says which. Somebody may want to flood him.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
ROW_CHANGED = declare(
    "data.row.changed",
    "A row of an audited table was inserted, updated or deleted: its table, key and the names of the columns, never their values.",
)
TRAIL_READ = declare("security.events.read", "Somebody looked at the trail.")
