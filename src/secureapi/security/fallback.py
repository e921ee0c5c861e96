"""Counting without Redis: what guards guesses and mail in the database, together; everything else in this process, more strictly."""

import time
from functools import cache

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from secureapi.security.database_counters import DatabaseCounters
from secureapi.security.degradation import Degradation
from secureapi.security.metrics import KeptIn, Metrics
from secureapi.security.named_limits import Limit, Spent
from secureapi.security.process_storage import ProcessStorage
from secureapi.settings.in_force import Present
from secureapi.settings.values import Rate

STRATEGY = "moving-window"


class Fallback:
    """Where limits are kept while Redis is away, and who is told."""

    def __init__(self, settings: Present, *, counters: DatabaseCounters, degradation: Degradation, metrics: Metrics) -> None:
        self._settings = settings
        self._counters = counters
        self._degradation = degradation
        self._metrics = metrics
        self._limiter: RateLimiter = MovingWindowRateLimiter(ProcessStorage())

    def look(self, *, is_away: bool) -> None:
        """Notice how Redis is."""
        self._degradation.look(is_away=is_away)

    def spend(self, limit: Limit, subject: str) -> Spent:
        """Count one request. Raises `Unavailable` where a strict limit finds the database away too: guesses are not let through."""
        if limit.is_strict:
            self._metrics.count_without_redis(limit.name, KeptIn.DATABASE)
            return self._counters.spend(limit, subject)
        self._metrics.count_without_redis(limit.name, KeptIn.PROCESS)
        rate = self.rate_in_process(limit.rate)
        return spend_with(self._limiter, item_of(rate), limit.name, rate, subject)

    def rate_in_process(self, rate: Rate) -> Rate:
        """What each process allows by itself: its part of the rate, and of that a share, for nobody knows how many hosts there are."""
        settings = self._settings.now
        share = settings.limits_fallback_share / settings.web_concurrency
        return Rate(max(1, int(rate.requests * share)), rate.seconds)


@cache
def item_of(rate: Rate) -> RateLimitItem:
    """The rate as the library takes it."""
    # The strategy is part of every key: another strategy's values under the same key are errors.
    return RateLimitItemPerSecond(rate.requests, rate.seconds, namespace=f"secureapi:{STRATEGY}")


def spend_with(limiter: RateLimiter, item: RateLimitItem, name: str, rate: Rate, subject: str) -> Spent:
    """Count one request in a moving window of the library's."""
    is_accepted = limiter.hit(item, name, subject)
    window = limiter.get_window_stats(item, name, subject)
    resets_in = max(0.0, window.reset_time - time.time())
    return Spent(name, rate, window.remaining if is_accepted else 0, resets_in, is_exceeded=not is_accepted)
