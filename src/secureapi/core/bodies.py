"""Reading a request body once, whole, and never beyond the limit; then as JSON or as a form.

Werkzeug cuts a chunked body at its limit and hands on the rest as if it were all. Reading one byte further than the limit shows
the difference, so that a body that is too long is refused (413) instead of parsed in part.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any
from urllib.parse import parse_qsl

import structlog
from flask import Request, current_app

from secureapi.core.errors import Fault, Invalid, Malformed, TooLarge, TooSlow, UnsupportedMedia
from secureapi.core.strict_json import parse_json, pointer_token, storable

_log = structlog.get_logger(__name__)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_FORM_FIELDS = 50
_PATIENCE_SECONDS = 10
_PATIENCE, _FOR_EVER = struct.pack("ll", _PATIENCE_SECONDS, 0), struct.pack("ll", 0, 0)


def refuse_oversized(request: Request) -> None:
    """Raise `TooLarge` for a body whose announced length is over the limit, before anything else is done."""
    if (request.content_length or 0) > current_app.config["MAX_BODY_BYTES"]:
        raise TooLarge


def read_body(request: Request) -> bytes:
    """The whole body. Raises `TooLarge` beyond the limit, chunked or not, and `Malformed` when the client stops half-way."""
    limit: int = current_app.config["MAX_BODY_BYTES"]
    refuse_oversized(request)
    length = request.content_length
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return b""
    with _patience(request.environ.get("gunicorn.socket")):
        body = _read_up_to(request.environ["wsgi.input"], limit + 1 if length is None else length)
    if len(body) > limit:
        raise TooLarge
    if length is not None and len(body) < length:
        raise Malformed(detail="The body is shorter than its Content-Length says.")
    return body


@contextmanager
def _patience(connection: socket.socket | None) -> Iterator[None]:
    """Wait only so long for each piece: a client that stops half-way would hold a thread for ever, and a few dozen hold them all."""
    if connection is None:
        yield
        return
    if type(connection) is not socket.socket:
        # Encrypted: the kernel's time-out would mean nothing to it.
        before = connection.gettimeout()
        connection.settimeout(_PATIENCE_SECONDS)
        restore = partial(connection.settimeout, before)
    else:
        # Python's own would let go of the interpreter three times, on every request with a body, and most bodies are here already.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
        restore = partial(connection.setsockopt, socket.SOL_SOCKET, socket.SO_RCVTIMEO, _FOR_EVER)
    try:
        yield
    except TooSlow:
        # Or the server would wait for the rest of this body before it reads the next request.
        connection.shutdown(socket.SHUT_RD)
        raise
    finally:
        restore()


def _read_up_to(stream: IO[bytes], wanted: int) -> bytes:
    """So many bytes, or fewer where the stream ends. Raises `Malformed` for chunks that are none, and for a client that went away."""
    pieces: list[bytes] = []
    try:
        while wanted > 0 and (piece := stream.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
    except (TimeoutError, BlockingIOError):
        raise TooSlow from None
    except Exception as error:  # noqa: BLE001 - each server has exceptions of its own for what its client sends
        _log.info("body.unreadable", reason=type(error).__name__)
        raise Malformed(detail="The body ended early, or its chunks are not what they say.") from None
    return b"".join(pieces)


def has_no_body(request: Request) -> bool:
    """Whether nothing was announced, neither a length nor chunks: then a Content-Type says nothing, and need not be there."""
    return not request.content_length and "HTTP_TRANSFER_ENCODING" not in request.environ


def read_structured(request: Request, accepted: tuple[str, ...]) -> Any:
    """The body as a value, by its Content-Type. Raises `UnsupportedMedia` (415) for anything that is not accepted here."""
    if request.mimetype not in accepted or request.mimetype_params.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMedia
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia
    body = read_body(request)
    return _form(body) if request.mimetype == FORM else parse_json(body)


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=_FORM_FIELDS
        )
    except (UnicodeDecodeError, ValueError):
        raise Malformed(detail="The body is not a valid form.") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Malformed(detail="The form has the same field twice.")
    unstorable = [key for key, value in pairs if not storable(key + value)]
    if unstorable:
        raise Invalid(faults=[Fault(f"/{pointer_token(key)}", "unstorable_text", "Text must not contain NUL.") for key in unstorable])
    return fields
