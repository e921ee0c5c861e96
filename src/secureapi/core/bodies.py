"""Reading a request body once, whole, and never beyond the limit; then as JSON or as a form.

Werkzeug cuts a chunked body at its limit and hands on the rest as if it were all. Reading one byte further than the limit shows
the difference, so that a body that is too long is refused (413) instead of parsed in part.
"""

from typing import Any
from urllib.parse import parse_qsl

from flask import Request, current_app

from secureapi.core.errors import Fault, Invalid, Malformed, TooLarge, UnsupportedMedia
from secureapi.core.strict_json import parse_json, pointer_token, storable

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_FORM_FIELDS = 50


def refuse_oversized(request: Request) -> None:
    """Raise `TooLarge` for a body whose announced length is over the limit, before anything else is done."""
    if (request.content_length or 0) > current_app.config["MAX_BODY_BYTES"]:
        raise TooLarge


def read_body(request: Request) -> bytes:
    """The whole body. Raises `TooLarge` beyond the limit, chunked or not, and `Malformed` when the client stops half-way."""
    limit: int = current_app.config["MAX_BODY_BYTES"]
    refuse_oversized(request)
    environ = request.environ
    length = request.content_length
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    wanted = limit + 1 if length is None else length
    pieces: list[bytes] = []
    while wanted > 0 and (piece := environ["wsgi.input"].read(wanted)):
        pieces.append(piece)
        wanted -= len(piece)
    body = b"".join(pieces)
    if len(body) > limit:
        raise TooLarge
    if length is not None and len(body) < length:
        raise Malformed(detail="The body is shorter than its Content-Length says.")
    return body


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
