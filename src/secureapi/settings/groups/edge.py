"""Who may talk to us: hosts, proxies and origins."""

from dataclasses import dataclass

from secureapi.settings import values
from secureapi.settings.fields import setting
from secureapi.settings.values import Network


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Fields of `Settings`."""

    allowed_hosts: tuple[str, ...] = setting(
        ("localhost", "127.0.0.1"),
        "What may stand in the Host header.",
        group="Edge",
        parse=values.hosts,
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (),
        "Addresses or networks of the reverse proxies in front. Only they are believed about the client's address and scheme; without "
        "any, the socket is. A network that holds everybody is refused.",
        group="Edge",
        parse=values.networks,
        example="10.0.0.0/8",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "Origins whose pages may read our answers in a browser. Exact origins only.",
        group="Edge",
        parse=values.origins,
        example="https://app.example.com",
    )
    cors_allow_credentials: bool = setting(False, "Whether those pages may send cookies.", group="Edge")
    cors_allow_methods: tuple[str, ...] = setting(
        ("GET", "POST", "PUT", "PATCH", "DELETE"), "Methods those pages may use.", group="Edge", parse=values.words
    )
    cors_allow_headers: tuple[str, ...] = setting(
        ("Authorization", "Content-Type", "X-Request-ID", "Idempotency-Key", "X-CSRF-Token", "X-Device-Token"),
        "Request headers those pages may send.",
        group="Edge",
        parse=values.words,
    )
