"""Settings for tests: complete, random, fast, and out of the way unless a test says otherwise."""

import dataclasses
import secrets
from typing import Any

from secureapi.settings import Settings
from secureapi.settings.values import Rate

GENEROUS = Rate(100_000, 60)


def make_settings(**overrides: Any) -> Settings:
    """Valid settings, on an SQLite database in memory unless `database_url` says otherwise.

    Keywords are names of fields. Text is read as the environment would be where a field has a reader of its own
    (`login_rate_limit="5/minute"`); anything else is taken as it is, so that a test can also make what no environment could.
    """
    about = {field.name: field.metadata["about"] for field in dataclasses.fields(Settings)}
    unknown = overrides.keys() - about.keys()
    if unknown:
        raise TypeError(f"Settings has no {', '.join(sorted(unknown))}")
    read = {
        name: about[name].parse(value) if isinstance(value, str) and value and about[name].parse else value
        for name, value in overrides.items()
    }
    return Settings(**(_usual() | read))


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables from which `load_settings` would make these settings again."""
    return {field.name.upper(): _written(getattr(settings, field.name)) for field in dataclasses.fields(Settings)}


def _usual() -> dict[str, Any]:
    return {
        "environment": "testing",
        "secret_key": secrets.token_urlsafe(48),
        "jwt_secret_key": secrets.token_urlsafe(48),
        "password_pepper": secrets.token_urlsafe(48),
        "database_url": "sqlite:///:memory:",
        # Two cores are shared by every worker of a parallel run: only a slow machine may hit these, not a broken server.
        "database_timeout_seconds": 20.0,
        "redis_timeout_seconds": 5.0,
        "password_hash_wait_seconds": 30.0,
        "bcrypt_rounds": 4,
        "login_delay_seconds": 0.0,
        "mail_spread_seconds": 0.0,
        # A replay is a replay at once; tests of the grace say how long it is.
        "refresh_reuse_grace_seconds": 0,
        "rate_limit_per_minute": GENEROUS.requests,
        "login_rate_limit": GENEROUS,
        "register_rate_limit": GENEROUS,
        "register_global_rate_limit": GENEROUS,
        "recovery_rate_limit": GENEROUS,
        "refresh_rate_limit": GENEROUS,
        "password_check_rate_limit": GENEROUS,
        "user_import_rate_limit": GENEROUS,
        "log_level": "WARNING",
        "slow_request_ms": 60_000,
    }


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)
