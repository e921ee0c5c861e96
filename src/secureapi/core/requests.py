"""Who is asking, as far as the transport knows: the `Client` value, request ids, and trace context."""

import re
from dataclasses import dataclass

from flask import g, request

from secureapi.core.identifiers import new_id

USER_AGENT_LENGTH = 256
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a request, or the terminal of an administrator. A value: services get it, they never ask for it."""

    address: str
    """The address of the socket, or what a trusted proxy says; empty for the command line."""
    user_agent: str
    """At most 256 characters, control characters replaced: it is stored and shown."""
    request_id: str

    @classmethod
    def of_command_line(cls) -> "Client":
        return cls(address="", user_agent="command line", request_id=new_id())


def current_client() -> Client:
    """The client of the request at hand."""
    client: Client | None = g.get("client")
    if client is None:
        client = g.client = Client(
            address=(request.remote_addr or "").partition("%")[0],
            user_agent=printable(request.headers.get("User-Agent", ""))[:USER_AGENT_LENGTH],
            request_id=current_request_id(),
        )
    return client


def current_request_id() -> str:
    """The caller's `X-Request-ID` where it is well-formed (8 to 64 of letters, digits, `.`, `_`, `-`), otherwise a new one."""
    request_id: str | None = g.get("request_id")
    if request_id is None:
        offered = request.headers.get("X-Request-ID", "")
        request_id = g.request_id = offered if _REQUEST_ID.fullmatch(offered) else new_id()
    return request_id


def current_traceparent() -> str | None:
    """The caller's trace context (W3C Trace Context section 3.2) where it is well-formed."""
    offered = request.headers.get("traceparent", "")
    return offered if offered and _TRACEPARENT.fullmatch(offered) else None


def printable(text: str) -> str:
    """The text with everything that could break a line, colour a terminal or hurt a database replaced by U+FFFD."""
    return text if text.isascii() and text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
