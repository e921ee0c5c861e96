"""Figures for Prometheus: what all workers of this host have counted together, and what the outbox has in it at this moment.

Without METRICS_TOKEN nobody could read them, so that nothing is counted. No label ever comes from a client.
"""

import hmac
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from secureapi.core.backlog import Backlog
from secureapi.core.errors import Unavailable
from secureapi.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one server keep what they have counted: `gunicorn.conf.py` makes it."""


class KeptIn(StrEnum):
    """Where a limit is counted while Redis is away."""

    DATABASE = "database"
    PROCESS = "process"


class Metrics:
    """The figures of one application."""

    def __init__(self, settings: Settings, *, backlog: Callable[[], Backlog]) -> None:
        """`backlog` asks the outbox. Raises `Unavailable`."""
        self._token = settings.metrics_token.encode()
        self._figures = _Figures(backlog) if self._token else None

    @property
    def is_on(self) -> bool:
        """Whether anybody may read them."""
        return self._figures is not None

    def is_opened_by(self, authorization: str) -> bool:
        """Whether this Authorization header has the token in it."""
        scheme, _, token = authorization.partition(" ")
        return self.is_on and scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._token)

    def begin_process(self) -> None:
        """Be called in each process after it was forked: what it has not said yet would be taken for a zero."""
        self.limits_are(shared=True)

    def end_process(self, pid: int) -> None:
        """Be called when a process has ended: the figures that say how it is are true no more."""
        if self._figures and FOLDER in os.environ:
            from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see `_Figures`

            mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def limits_are(self, *, shared: bool) -> None:
        if self._figures:
            self._figures.shared.set(1 if shared else 0)

    def count_refusal(self, limit: str) -> None:
        if self._figures:
            self._figures.refusals.labels(limit).inc()

    def count_without_redis(self, limit: str, kept_in: KeptIn) -> None:
        if self._figures:
            self._figures.fallback.labels(limit, kept_in.value).inc()

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        assert self._figures, "they are off"  # noqa: S101 - callers ask first
        return self._figures.text()


class _Figures:
    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        # When it is imported, it decides by its environment whether several processes keep their figures together. It also takes a
        # tenth of a second, which no command has to wait for.
        from prometheus_client import CollectorRegistry, Counter, Gauge  # noqa: PLC0415 - see above

        self._own: Any = CollectorRegistry(auto_describe=False)
        self._outbox = _OutboxCollector(backlog)
        self.shared = Gauge(
            "secureapi_limits_shared",
            "1 while limits are counted where every worker counts, 0 as soon as one worker has found Redis away.",
            registry=self._own,
            multiprocess_mode="livemin",
        )
        self.refusals = Counter("secureapi_limit_refusals", "Requests refused by a named limit.", ["limit"], registry=self._own)
        self.fallback = Counter(
            "secureapi_limits_fallback",
            "Requests counted without Redis, by limit and by where they were counted.",
            ["limit", "kept_in"],
            registry=self._own,
        )
        self.shared.set(1)

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - imported by now
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - likewise

        counted = self._own
        if FOLDER in os.environ:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        asked = CollectorRegistry(auto_describe=False)
        asked.register(self._outbox)
        return generate_latest(counted) + generate_latest(asked)


class _OutboxCollector:
    """Asked at each look, and of the database, so that every worker of every host says the same."""

    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - likewise

        try:
            found = self._backlog()
        except Unavailable:
            # What is not known is left out: a zero would be a lie, and the other figures are wanted now more than ever.
            return
        yield GaugeMetricFamily("secureapi_outbox_dead", "Messages that nobody tries to deliver any more.", value=found.dead)
        yield GaugeMetricFamily("secureapi_outbox_waiting", "Messages that wait to be delivered.", value=found.waiting)
