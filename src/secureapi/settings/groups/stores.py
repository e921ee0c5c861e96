"""Stores: the database, which has the truth, and Redis, which has the speed."""

from dataclasses import dataclass

from secureapi.settings import values
from secureapi.settings.fields import REQUIRED, setting


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Fields of `Settings`."""

    database_url: str = setting(
        REQUIRED,
        "Where the truth lives: `sqlite:///var/secureapi.db` or `postgresql://…?sslmode=verify-full&sslrootcert=…` (12 or newer). "
        "Special characters in the password are percent-encoded, as %40 for @. `DATABASE_URL_FILE` keeps it out of the environment.",
        group="Stores",
        secret=True,
        parse=values.database_url,
        example="sqlite:///var/secureapi.db",
    )
    database_require_tls: bool = setting(
        True,
        "Refuse a PostgreSQL connection that is not encrypted. Say false aloud for a server on the same host.",
        group="Stores",
    )
    database_pool_size: int = setting(
        0,
        "Connections a worker may hold for transactions, and as many again for single statements. 0: one for every four threads.",
        group="Stores",
        least=0,
        most=512,
    )
    database_timeout_seconds: float = setting(
        5.0,
        "How long a request waits for a connection, for a lock, and for one statement, before it is answered with 503.",
        group="Stores",
        least=0.1,
        most=120,
    )
    redis_url: str = setting(
        "",
        "Speed, not truth: limits over all workers and the callers known at this moment. Empty: limits are kept in the process, and only "
        "one worker may run.",
        group="Stores",
        secret=True,
        parse=values.redis_url,
        example="rediss://:password@redis.example.com:6379/0",
    )
    redis_require_tls: bool = setting(
        True,
        "Refuse `redis://`. Say false aloud for a server on the same host.",
        group="Stores",
    )
    redis_ca_file: str = setting(
        "", "The certificate authority that signed the Redis server's certificate. Empty: the system's.", group="Stores"
    )
    redis_timeout_seconds: float = setting(
        0.25,
        "How long Redis may take before the request goes on without it.",
        group="Stores",
        least=0.01,
        most=10,
    )
