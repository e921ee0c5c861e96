"""Reading the kinds of value that a plain number or word is not. Nothing here repeats what it was given in an error."""

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

Network = IPv4Network | IPv6Network

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MOST_REQUESTS = 1_000_000
"""The highest rate: more is no limit, and the times of so many requests would fill Redis."""
LONGEST_WINDOW = 31 * 86400
"""The longest window of a rate, in seconds. A longer one would keep somebody out until nobody remembers why."""
_RATE = re.compile(r"(\d{1,9})\s*(?:/|\s+per\s+)\s*(\d{1,6})?\s*(second|minute|hour|day)s?", re.IGNORECASE | re.ASCII)
_ORIGIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LAST_PORT = 65535
_PUBLIC = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(:\d{1,5})?((?:/[a-z0-9._~!$&'()*+,;=:@%-]*)*)",
    re.IGNORECASE | re.ASCII,
)
_REDIS_DATABASE = re.compile(r"(/\d*)?", re.ASCII)
# A network wider than the widest private one is somebody's mistake for "all of them".
_WIDEST = {4: 8, 6: 7}
_HOST = re.compile(r"\.?(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds, over a sliding window."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        # In the longest unit that divides it: a long window in seconds has more digits than are read.
        unit, length = next((unit, length) for unit, length in reversed(_UNITS.items()) if self.seconds % length == 0)
        many = self.seconds // length
        return f"{self.requests}/{unit}" if many == 1 else f"{self.requests}/{many} {unit}s"


def rate(text: str) -> Rate:
    """`5/minute`, `100 per hour`, `10/30 seconds`."""
    found = _RATE.fullmatch(text.strip())
    if not found or int(found[1]) < 1 or found[2] == "0":
        raise ValueError('write it as "5/minute", "100/hour" or "10/30 seconds"')
    return Rate(int(found[1]), int(found[2] or 1) * _UNITS[found[3].lower()])


def words(text: str) -> tuple[str, ...]:
    """A list as JSON (`["a","b"]`) or separated by commas (`a,b`)."""
    text = text.strip()
    if text.startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError('write the list as JSON (["a","b"]) or separated by commas (a,b)') from None
        if not all(isinstance(item, str) for item in items):
            raise ValueError("every entry of the list must be text")
    else:
        items = text.split(",")
    return tuple(item.strip() for item in items if item.strip())


def origins(text: str) -> tuple[str, ...]:
    """Exact origins (RFC 6454): scheme, host and port, nothing else. A pattern or `*` is refused.

    So is an address in brackets: flask-cors would take it for a regular expression, and let strangers' origins in.
    """
    return tuple(_origin(item.lower().rstrip("/")) for item in words(text))


def _origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text)
    if not found or int(found[3] or 0) > _LAST_PORT:
        raise ValueError("list exact origins such as https://app.example.com; neither *, patterns, paths nor IPv6 addresses are accepted")
    scheme, host, port = found.groups()
    # Browsers leave the default port out, so an origin that names it would never match.
    return f"{scheme}://{host}" if port in {None, _DEFAULT_PORTS[scheme]} else text


def hosts(text: str) -> tuple[str, ...]:
    """Host names that may stand in the Host header; `.example.com` stands for the domain and everything under it."""
    found = tuple(item.lower().removeprefix("*") for item in words(text))
    # Werkzeug takes an empty list for "any host".
    if not found or not all(_HOST.fullmatch(item) for item in found):
        raise ValueError("list host names such as api.example.com, or .example.com for a whole domain; a bare * is not accepted")
    return found


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks in CIDR notation, but not everybody's: whoever is in one of them is believed about who he is."""
    try:
        found = tuple(ip_network(item, strict=False) for item in words(text))
    except ValueError:
        found = None
    if found is None or any(network.prefixlen < _WIDEST[network.version] for network in found):
        raise ValueError("list addresses or networks such as 10.0.0.5 or 10.0.0.0/8; one that holds everybody is not accepted")
    return found


def http_url(text: str) -> str:
    """An absolute http or https address without a trailing slash, user, query or fragment."""
    found = _PUBLIC.fullmatch(text)
    try:
        # It knows which addresses in brackets and which ports there are. What it says repeats the address, so it is not passed on.
        is_address = found is not None and urlsplit(text).port != 0
    except ValueError:
        is_address = False
    if found is None or not is_address:
        raise ValueError("write an absolute address such as https://auth.example.com")
    scheme, host, port, path = found.groups()
    return f"{scheme.lower()}://{host.lower()}{port or ''}{path.rstrip('/')}"


def database_url(text: str) -> str:
    """A SQLAlchemy address. `postgres://`, `postgresql://` and the async spellings of the seeds all mean psycopg2.

    It comes back in SQLAlchemy's own spelling, everything special in a password percent-encoded: then nobody who reads it
    later can disagree with the driver about where the password ends and the `sslmode` begins.
    """
    scheme, separator, rest = text.partition("://")
    engine = scheme.partition("+")[0]
    if separator and engine in {"postgres", "postgresql"}:
        return _taken_apart(f"postgresql+psycopg2://{rest}").render_as_string(hide_password=False)
    if separator and engine == "sqlite":
        url = _taken_apart(f"sqlite://{rest}")
        if url.host or url.username or url.password or url.port:
            raise ValueError("write a file of SQLite with three slashes, as sqlite:///var/secureapi.db, or four before a full path")
        if url.database in {None, "", ":memory:"}:
            return f"sqlite://{rest}"
        # Relative to the working directory, as a shell would take it; Flask-SQLAlchemy would look in a folder of its own.
        return url.set(database=str(Path(url.database).absolute())).render_as_string(hide_password=False)
    raise ValueError("write it as postgresql://user:password@host:5432/name?sslmode=verify-full or sqlite:///var/secureapi.db")


def _taken_apart(text: str) -> URL:
    """The parts of an address in which they can be told apart. The libraries quote what they stumble over, passwords included."""
    try:
        url = make_url(text)
        text.encode()
        urlsplit(text)
    except (ValueError, ArgumentError):
        url = None
    # Behind an @ in a password comes the rest of the password, and drivers tell everybody which host they did not find.
    if url is None or "@" in (url.host or ""):
        raise ValueError(
            "cannot be taken apart: percent-encode special characters in the password (@ as %40, [ as %5B), and use digits for the port"
        )
    return url


def redis_url(text: str) -> str:
    """`redis://`, or `rediss://` for TLS."""
    try:
        parts = urlsplit(text)
        # An @ behind the host, a port without digits: a password with a sign in it that ends an address.
        is_whole = parts.port != 0 and "@" not in parts.query and not parts.fragment and _REDIS_DATABASE.fullmatch(parts.path)
    except ValueError:
        is_whole = None
    if not is_whole or not parts.hostname or text.partition("://")[0] not in {"redis", "rediss"}:
        raise ValueError(
            "write it as rediss://:password@host:6379/0, with special characters in the password percent-encoded (redis:// is without TLS)"
        )
    return text
