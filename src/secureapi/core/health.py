"""Is this process alive, and can it serve? Real checks, each of them one exchange with what it is about."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from secureapi.core.errors import Unavailable
from secureapi.core.redis import RedisAway

_log = structlog.get_logger(__name__)


class NotWell(Exception):
    """Something is there, and is not as it should be."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that can be looked at. `is_vital`: without it no request can be served."""

    name: str
    look: Callable[[], object]
    """Raises when it is not well."""
    is_vital: bool
    rests_on: str = ""
    """The name of an earlier check without which this one is not worth its time-out: it is not looked at, and is not well either."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    status: str
    milliseconds: float
    is_vital: bool


@dataclass(frozen=True, slots=True)
class Health:
    """What all of them found."""

    status: str
    """`ok`, `degraded` when something is missing that only costs speed, `failing` when requests cannot be served."""
    checks: tuple[Finding, ...]


class HealthChecks:
    """The checks of one application."""

    def __init__(self, checks: tuple[Check, ...]) -> None:
        self._checks = checks

    def add(self, check: Check) -> None:
        """One more, of what is plugged in."""
        self._checks += (check,)

    def examine(self) -> Health:
        """Run every check, one after the other."""
        findings: tuple[Finding, ...] = ()
        for check in self._checks:
            is_lost = any(finding.name == check.rests_on and finding.status != "ok" for finding in findings)
            findings = (*findings, Finding(check.name, "failing", 0.0, check.is_vital) if is_lost else self._examined(check))
        bad = [finding for finding in findings if finding.status != "ok"]
        if any(finding.is_vital for finding in bad):
            return Health("failing", findings)
        return Health("degraded" if bad else "ok", findings)

    def _examined(self, check: Check) -> Finding:
        began = time.perf_counter()
        try:
            check.look()
        except (Unavailable, RedisAway, NotWell) as error:
            _log.warning("health.failing", check=check.name, reason=type(error).__name__)
            status = "failing"
        else:
            status = "ok"
        return Finding(check.name, status, round((time.perf_counter() - began) * 1000, 2), check.is_vital)
