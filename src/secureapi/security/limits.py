"""Named limits, spent: counted for whom, told to whoever asks, and refused when there is nothing left.

Flask-Limiter owns the store and the strategy (a moving window, exact on both sides of every boundary); the guard decides when a
limit is spent. What the limits are is in `named_limits`, what happens while Redis is away in `fallback`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from ipaddress import ip_network
from typing import Any

from flask import Flask, Response, g
from flask_limiter import Limiter

from secureapi.core.declarations import View, declare, declared
from secureapi.core.redis import RedisAway, RedisStore
from secureapi.core.requests import current_client
from secureapi.security import process_storage, redis_storage
from secureapi.security.errors import RateLimited
from secureapi.security.fallback import STRATEGY, Fallback, item_of, spend_with
from secureapi.security.metrics import Metrics
from secureapi.security.named_limits import GENERAL, UNLIMITED, Limit, Spent, limits_of
from secureapi.settings.in_force import Derived, Present
from secureapi.settings.values import Rate

__all__ = ["GENERAL", "UNLIMITED", "Kept", "Limits", "Spent", "add_limit_headers", "limit_of", "limited", "note"]

_MAY_BE_IPV6 = re.compile(r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*")
"""Subjects that are no address begin with a word and a colon. Each of these words has a letter in it that is no digit of an address."""


class Kept(StrEnum):
    """Where limits are kept at this moment."""

    SHARED = "shared"
    """In Redis, for every worker and host."""
    IN_PROCESS = "in_process"
    """In the one process that there is."""
    WITHOUT_REDIS = "without_redis"
    """Some in the database and the others in each process, by stricter rates."""


def limited(name: str) -> Callable[[View], View]:
    """Declare the limit of an endpoint, by its name in the table. It is counted for the caller, or for a stranger's address."""
    return lambda view: declare(view, "limit", name)


def limit_of(view: Callable[..., Any] | None) -> str:
    """The name of the limit that an endpoint declares, or of the general one."""
    name: str = declared(view, "limit", GENERAL)
    return name


class Limits:
    """Counts. One for each application."""

    def __init__(
        self, app: Flask, settings: Present, redis: RedisStore | None = None, *, fallback: Fallback | None, metrics: Metrics
    ) -> None:
        """`fallback` is None where there is no Redis that could be away."""
        self._table = Derived(settings, limits_of)
        self._redis = redis
        self._fallback = fallback
        self._metrics = metrics
        self._limiter = Limiter(
            lambda: current_client().address,
            strategy=STRATEGY,
            storage_uri=f"{redis_storage.SCHEME if redis else process_storage.SCHEME}://",
            storage_options={"store": redis} if redis else {},  # type: ignore[dict-item]  # it is handed to our own storage
        )
        # Counted as initialised already, it installs no hooks: the guard spends limits, and a hook would do it a second time.
        app.extensions.setdefault("limiter", set()).add(self._limiter)
        self._limiter.init_app(app)

    @property
    def rates(self) -> dict[str, Rate]:
        """The rates in force, by the names of the limits."""
        return {name: limit.rate for name, limit in self._table.now.items()}

    def rate(self, name: str) -> Rate:
        """The rate in force."""
        return self._table.now[name].rate

    def spend(self, name: str, subject: str, *, rate: Rate | None = None, alone: bool = False, figure: str | None = None) -> Spent:
        """Count one request of a subject: an address, or `word:id` as in `user:…`, `session:…`, `key:…`, `client:…`, `all:…`.

        `rate` is the subject's own, in the place of the one in the table; `figure` is the name under which a refusal is counted, where
        that is another one.
        `alone` says that Redis was just found away. Not inside a transaction: a strict limit may need one of its own. Raises
        `RateLimited` with the true waiting time, and `Unavailable` where guesses can be counted nowhere.
        """
        limit, subject = self._table.now[name], _neighbourhood(subject)
        if rate:
            limit = replace(limit, rate=rate)
        spent = None if alone else self._spend_together(limit, subject)
        if self._redis and self._fallback:
            self._fallback.look(is_away=self._redis.is_away)
            spent = spent or self._fallback.spend(limit, subject)
        assert spent is not None, "without Redis nothing is away"  # noqa: S101 - `alone` is said by those who have asked Redis
        self.note(spent, figure=figure)
        return spent

    def note(self, spent: Spent, *, figure: str | None = None) -> None:
        """Remember what was counted, here or elsewhere, for the headers and the figures. Raises `RateLimited` when it was too much."""
        if spent.is_exceeded:
            self._metrics.count_refusal(figure or spent.name)
        note(spent)

    def look(self) -> Kept:
        """Where limits are kept at this moment, as far as this process knows."""
        if not self._redis or not self._fallback:
            return Kept.IN_PROCESS
        self._fallback.look(is_away=self._redis.is_away)
        return Kept.WITHOUT_REDIS if self._redis.is_away else Kept.SHARED

    def _spend_together(self, limit: Limit, subject: str) -> Spent | None:
        """Count in the store that all workers share; None while it is away."""
        try:
            return spend_with(self._limiter.limiter, item_of(limit.rate), limit.name, limit.rate, subject)
        except RedisAway:
            return None


def _neighbourhood(subject: str) -> str:
    """An IPv6 address as its /64: whoever has one address of it has all of them, and would count as nobody twice."""
    if not _MAY_BE_IPV6.fullmatch(subject):
        return subject
    try:
        return str(ip_network(f"{subject}/64", strict=False))
    except ValueError:
        return subject


def note(spent: Spent) -> None:
    """Remember what was counted last for the headers of the answer. Raises `RateLimited` when it was too much."""
    g.spent = spent
    if spent.is_exceeded:
        raise RateLimited(retry_after=spent.resets_in)


def add_limit_headers(response: Response) -> Response:
    """`RateLimit-Policy` and `RateLimit` as structured fields (draft-ietf-httpapi-ratelimit-headers-10 sections 3 and 4)."""
    spent: Spent | None = g.get("spent")
    if spent:
        response.headers["RateLimit-Policy"] = f'"{spent.name}";q={spent.rate.requests};w={spent.rate.seconds}'
        response.headers["RateLimit"] = f'"{spent.name}";r={spent.remaining};t={math.ceil(spent.resets_in)}'
    return response
