"""What everything else stands on: the stores, the trail, the figures, and the limits."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Flask

from secureapi.core.backlog import Backlogs
from secureapi.core.clock import Clock
from secureapi.core.database import Database, db, reading_engine
from secureapi.core.health import Check, HealthChecks
from secureapi.core.outbox import Outbox
from secureapi.core.redis import RedisStore
from secureapi.core.secret_values import SecretBox
from secureapi.core.settings_versions import SettingsWatch
from secureapi.security.database_counters import DatabaseCounters
from secureapi.security.degradation import Degradation
from secureapi.security.fallback import Fallback
from secureapi.security.limits import Limits
from secureapi.security.metrics import Metrics
from secureapi.security.trail import Trail
from secureapi.settings import Settings
from secureapi.settings.in_force import SettingsInForce


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Shared by all services of one application."""

    settings: Settings
    """What is fixed for as long as the application lives."""
    in_force: SettingsInForce
    """For whoever needs a setting that may change while the server runs."""
    clock: Clock
    secret_box: SecretBox
    database: Database
    redis: RedisStore | None
    watch: SettingsWatch
    trail: Trail
    backlogs: Backlogs
    metrics: Metrics
    limits: Limits
    outbox: Outbox


def lay_ground(app: Flask, in_force: SettingsInForce, clock: Clock) -> Ground:
    """Make it. Nothing is connected to before somebody needs it."""
    settings = in_force.fixed
    with app.app_context():
        database = Database(db.engine, reading_engine(settings))
    redis = RedisStore(settings) if settings.redis_url else None
    trail = Trail(clock)
    backlogs = Backlogs(database=database, clock=clock)
    metrics = Metrics(settings, backlog=backlogs.count)
    fallback = _fallback(in_force, database, clock, trail, metrics) if redis else None
    return Ground(
        settings=settings,
        in_force=in_force,
        clock=clock,
        secret_box=SecretBox(settings.secret_key),
        database=database,
        redis=redis,
        watch=SettingsWatch(database=database, settings=in_force),
        trail=trail,
        backlogs=backlogs,
        metrics=metrics,
        limits=Limits(app, in_force, redis, fallback=fallback, metrics=metrics),
        outbox=Outbox(clock, spread=timedelta(seconds=settings.mail_spread_seconds)),
    )


def health_checks(on: Ground) -> HealthChecks:
    """What `/readyz` asks for."""
    checks = [Check("database", on.database.ping, is_vital=True)]
    if on.redis:
        checks.append(Check("redis", on.redis.check, is_vital=False))
    checks.append(Check("outbox", on.backlogs.look, is_vital=False, rests_on="database"))
    return HealthChecks(tuple(checks))


def _fallback(in_force: SettingsInForce, database: Database, clock: Clock, trail: Trail, metrics: Metrics) -> Fallback:
    """What limits are without Redis."""
    counters = DatabaseCounters(database=database, clock=clock)
    degradation = Degradation(database=database, trail=trail, metrics=metrics)
    return Fallback(in_force, counters=counters, degradation=degradation, metrics=metrics)
