"""Named limits: how often, counted for whom. One table, filled from settings.

Flask-Limiter owns the store and the strategy (a moving window, exact on both sides of every boundary); the guard decides when a
limit is spent. When Redis is away, each process counts by itself until it is back: stricter than nothing, and never a 500.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from flask import Flask, Response, g
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from secureapi.core.declarations import View, declare, declared
from secureapi.core.redis import RedisAway, RedisStore
from secureapi.core.requests import current_client
from secureapi.security import process_storage, redis_storage
from secureapi.security.errors import RateLimited
from secureapi.security.process_storage import ProcessStorage
from secureapi.settings import Settings
from secureapi.settings.values import Rate

GENERAL = "api"
"""The limit of every endpoint that names no other."""
UNLIMITED = ""
"""For probes, which must be answered whatever happens."""
_STRATEGY = "moving-window"


@dataclass(frozen=True, slots=True)
class Spent:
    """What is left of a limit after a request was counted."""

    name: str
    rate: Rate
    remaining: int
    resets_in: float
    """Seconds until the whole budget is back; when nothing is left, until one more request is accepted."""
    is_exceeded: bool = False


def limited(name: str) -> Callable[[View], View]:
    """Declare the limit of an endpoint, by its name in the table. It is counted for the caller, or for a stranger's address."""
    return lambda view: declare(view, "limit", name)


def limit_of(view: Callable[..., Any] | None) -> str:
    """The name of the limit that an endpoint declares, or of the general one."""
    name: str = declared(view, "limit", GENERAL)
    return name


def rates_of(settings: Settings) -> dict[str, Rate]:
    """The table."""
    return {
        GENERAL: settings.api_rate_limit,
        "login": settings.login_rate_limit,
        "register": settings.register_rate_limit,
        "register_all": settings.register_global_rate_limit,
        "recovery": settings.recovery_rate_limit,
        "refresh": settings.refresh_rate_limit,
        "client": settings.client_rate_limit,
        # Wrong secrets of clients, by address. By itself: a service that has missed a new secret must not take everybody's sign-ins.
        "client_guess": settings.login_rate_limit,
        "password_check": settings.password_check_rate_limit,
        "profile": settings.profile_rate_limit,
    }


class Limits:
    """Counts. One for each application."""

    def __init__(self, app: Flask, settings: Settings, redis: RedisStore | None = None) -> None:
        self.rates = rates_of(settings)
        self._items: dict[str, RateLimitItem] = {
            # The strategy is part of every key: another strategy's values under the same key are errors.
            name: RateLimitItemPerSecond(rate.requests, rate.seconds, namespace=f"secureapi:{_STRATEGY}")
            for name, rate in self.rates.items()
        }
        self._limiter = Limiter(
            lambda: current_client().address,
            strategy=_STRATEGY,
            storage_uri=f"{redis_storage.SCHEME if redis else process_storage.SCHEME}://",
            storage_options={"store": redis} if redis else {},  # type: ignore[dict-item]  # it is handed to our own storage
        )
        # Counted as initialised already, it installs no hooks: the guard spends limits, and a hook would do it a second time.
        app.extensions.setdefault("limiter", set()).add(self._limiter)
        self._limiter.init_app(app)
        self._alone: RateLimiter = MovingWindowRateLimiter(ProcessStorage())

    def spend(self, name: str, subject: str, *, alone: bool = False) -> Spent:
        """Count one request of a subject (an address, a user); `alone`, in this process only.

        Raises `RateLimited` with the true waiting time.
        """
        subject = _neighbourhood(subject)
        spent = (None if alone else self._spend_together(name, subject)) or self._spend_with(self._alone, name, subject)
        note(spent)
        return spent

    def _spend_together(self, name: str, subject: str) -> Spent | None:
        """Count in the store that all workers share; None while it is away."""
        try:
            return self._spend_with(self._limiter.limiter, name, subject)
        except RedisAway:
            return None

    def _spend_with(self, limiter: RateLimiter, name: str, subject: str) -> Spent:
        item = self._items[name]
        accepted = limiter.hit(item, name, subject)
        window = limiter.get_window_stats(item, name, subject)
        resets_in = max(0.0, window.reset_time - time.time())
        return Spent(name, self.rates[name], window.remaining if accepted else 0, resets_in, is_exceeded=not accepted)


def _neighbourhood(subject: str) -> str:
    """An IPv6 address as its /64: whoever has one address of it has all of them, and would count as nobody twice."""
    if ":" not in subject or subject.startswith(("user:", "session:", "client:", "device:", "all:")):
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
