"""Redis: there, writable, encrypted, with the same clock."""

import secrets
import ssl
import time
from urllib.parse import parse_qs, urlsplit

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as Late

from secureapi.cli.diagnosis.finding import Finding, clock_finding, failing, ok, warning
from secureapi.core.redis import connection_options
from secureapi.settings import Settings

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def examine_limits_store(settings: Settings) -> list[Finding]:
    """Look at Redis over a connection of the kind that the server uses."""
    if not settings.redis_url:
        return [ok("redis", "not used: limits are kept in the one process")]
    try:
        client = Redis.from_url(settings.redis_url, **connection_options(settings))
    except ValueError:
        return [failing("redis", "REDIS_URL cannot be understood", "Write it as rediss://:password@host:6379/0")]
    try:
        with client:
            client.ping()
            return [_writable(client), _encryption(settings), _clock(client)]
    except (RedisError, OSError) as error:
        return [failing("redis", f"cannot be used: {_cause_of(error)}", "Check REDIS_URL and REDIS_CA_FILE, and that the server is up.")]


def _writable(client: Redis) -> Finding:
    key = f"secureapi:doctor:{secrets.token_hex(8)}"
    try:
        client.set(key, "1", ex=10)
        client.delete(key)
    except ReadOnlyError:
        return failing("redis", "only reads: it is a replica", "Let REDIS_URL name the primary server.")
    except NoPermissionError:
        says = "this user may not write keys that begin with secureapi:"
        return failing("redis", says, "Give it the key pattern ~secureapi:* in its ACL.")
    return ok("redis", "reached, and can be written")


def _encryption(settings: Settings) -> Finding:
    name, address = "redis TLS", urlsplit(settings.redis_url)
    if address.scheme == "rediss":
        if parse_qs(address.query).get("ssl_cert_reqs", ["required"]) == ["none"]:
            says = "in use, but anybody could pose as the server: its certificate is not checked"
            return warning(name, says, "Remove ssl_cert_reqs=none from REDIS_URL, and name the authority with REDIS_CA_FILE.")
        return ok(name, "in use, the server's certificate is checked")
    if address.hostname in _LOCAL_HOSTS:
        return ok(name, "not encrypted, and never leaves this machine")
    remedy = "Use rediss:// in REDIS_URL, and remove REDIS_REQUIRE_TLS=false."
    return failing(name, "the password goes over the network in the clear", remedy)


def _clock(client: Redis) -> Finding:
    before = time.time()
    seconds, microseconds = client.time()
    return clock_finding("redis clock", "Redis", seconds + microseconds / 1e6 - (before + time.time()) / 2)


def _cause_of(error: BaseException) -> str:
    """In our words: the library's may have the address in them."""
    if isinstance(error, AuthenticationError):
        return "the server refuses the user or the password"
    if isinstance(error, Late):
        return "it does not answer in time (REDIS_TIMEOUT_SECONDS)"
    if _is_about_tls(error):
        return "its certificate is not one that is trusted, or it does not speak TLS"
    return "nothing listens at that address" if "refused" in str(error).lower() else type(error).__name__


def _is_about_tls(error: BaseException) -> bool:
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLError):
            return True
        link = link.__cause__ or link.__context__
    return False
