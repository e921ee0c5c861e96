"""What one look found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know."""
    FAILING = "failing"
    """It does not work, or must not be left as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    says: str
    remedy: str = ""
    """One sentence; empty where nothing is to be done."""


def ok(name: str, says: str) -> Finding:
    """All is well."""
    return Finding(name, State.OK, says)


def warning(name: str, says: str, remedy: str) -> Finding:
    """Somebody should know; `remedy` is one sentence."""
    return Finding(name, State.WARNING, says, remedy)


def failing(name: str, says: str, remedy: str) -> Finding:
    """Something has to be mended; `remedy` is one sentence."""
    return Finding(name, State.FAILING, says, remedy)


_MOST_SKEW_SECONDS = 10.0
"""The leeway of access tokens: beyond it one machine refuses what another has just issued."""
_NOTABLE_SKEW_SECONDS = 2.0


def clock_finding(name: str, whose: str, skew_seconds: float) -> Finding:
    """What a difference between two clocks means. Positive: theirs is ahead."""
    if abs(skew_seconds) <= _NOTABLE_SKEW_SECONDS:
        return ok(name, f"agrees with {whose} to {abs(skew_seconds):.1f} s")
    says = f"{whose}'s clock is {abs(skew_seconds):.1f} s {'ahead' if skew_seconds > 0 else 'behind'}"
    judge = failing if abs(skew_seconds) > _MOST_SKEW_SECONDS else warning
    return judge(name, says, "Run a time service (chrony, systemd-timesyncd) on both machines.")
