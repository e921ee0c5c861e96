"""Whose word counts about the client's address and scheme: a WSGI layer that runs before everything else.

Nothing but the socket is believed, unless the socket belongs to one of `TRUSTED_PROXIES`. Then `X-Forwarded-For` is read from
the right, past every address that is itself a trusted proxy; the first one that is not is the client. What stands further left
was written by the client, who may write anything.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from secureapi.settings.values import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)


class TrustedProxies:
    """Rewrites `REMOTE_ADDR` and `wsgi.url_scheme` from trusted proxies, and removes every forwarding header after that.

    Removing them matters: libraries further in believe them (Talisman does), whoever has sent them.
    """

    def __init__(self, application: "WSGIApplication", networks: tuple[Network, ...]) -> None:
        self._application = application
        self._networks = networks
        self._is_trusted = lru_cache(maxsize=4096)(self._look_up)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # One spelling for one client: a listener on :: sees IPv4 clients as IPv6, all of them in one and the same network.
        peer = environ.get("REMOTE_ADDR", "")
        peer = environ["REMOTE_ADDR"] = canonical_address(peer) or peer
        if self._networks and self._is_trusted(peer):
            environ["REMOTE_ADDR"] = self._client_of(environ.get("HTTP_X_FORWARDED_FOR", ""), peer)
            # Only the last proxy's own word: earlier entries of a list were written further out.
            if environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower() == "https":
                environ["wsgi.url_scheme"] = "https"
        if "HTTP_HOST" in environ:
            environ["HTTP_HOST"] = environ["HTTP_HOST"].lower()  # names of hosts have no case (RFC 9110 section 4.2.3)
        for name in _FORWARDED:
            environ.pop(name, None)
        return self._application(environ, start_response)

    def _client_of(self, forwarded_for: str, peer: str) -> str:
        client = peer
        for hop in reversed(forwarded_for.split(",")):
            address = canonical_address(_without_port(hop.strip()))
            if address is None:
                return client
            client = address
            if not self._is_trusted(address):
                break
        return client

    def _look_up(self, text: str) -> bool:
        address = canonical_address(text)
        return address is not None and any(ip_address(address) in network for network in self._networks)


def _without_port(hop: str) -> str:
    """Some proxies add the client's port: `192.0.2.1:1234`, `[2001:db8::1]:1234`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(maxsize=4096)
def canonical_address(text: str) -> str | None:
    """One spelling for one address: IPv4 inside IPv6 becomes IPv4, zones and ports are refused. None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        if address.scope_id:
            return None
    return str(address)
