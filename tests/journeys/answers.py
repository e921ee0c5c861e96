"""What every answer must look like, whatever was asked, and how to compare two of them. For the test client and for sockets alike."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}
_OF_OAUTH = {"error", "error_description"}
"""RFC 6749 section 5.2, on the endpoints for clients."""
_TELLTALE = re.compile(
    r"Traceback|File \"|\.py\b|SELECT |INSERT |sqlalchemy|psycopg|sqlite|werkzeug|marshmallow|flask|gunicorn", re.IGNORECASE
)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def status_of(answer: Any) -> int:
    return answer.status_code if hasattr(answer, "status_code") else answer.status


def body_of(answer: Any) -> str:
    return answer.get_data(as_text=True) if hasattr(answer, "get_data") else answer.text


def assert_headers(answer: Any) -> None:
    """The headers that are on every answer."""
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get(name) == value, name
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers.get("X-XSS-Protection") in {None, "0"}
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,64}", answer.headers["X-Request-ID"])
    assert answer.headers.get("Server") is None
    assert answer.headers.get("X-Powered-By") is None
    has_wait = "Retry-After" in answer.headers
    assert has_wait == (status_of(answer) in {429, 503}), "Retry-After belongs on 429 and 503, and nowhere else"


def assert_problem(answer: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """The answer is a complete problem document (RFC 9457) with this status, says nothing about our insides, and is not kept."""
    text = body_of(answer)
    assert status_of(answer) == status, text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(text)
    assert problem.keys() - {"errors", *_OF_OAUTH} == _MEMBERS
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    for member in ("type", "instance"):
        assert problem[member].isascii()
        assert urlsplit(problem[member]).netloc == ""
    for member in ("title", "detail", "code"):
        assert isinstance(problem[member], str)
        assert problem[member]
    for fault in problem.get("errors", []):
        assert fault.keys() == {"pointer", "code", "detail"}
        assert fault["pointer"] == "" or fault["pointer"].startswith("/")
    if code is not None:
        assert problem["code"] == code, text
    assert not _TELLTALE.search(text), text
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert_headers(answer)
    return problem


def faults(answer: Any) -> dict[str, str]:
    """The code of every fault by its pointer."""
    return {fault["pointer"]: fault["code"] for fault in json.loads(body_of(answer)).get("errors", [])}


def as_seen(answer: Any) -> tuple[int, list[tuple[str, str]], str]:
    """Everything of an answer that a stranger could compare, with the ids of requests masked."""
    headers = sorted((name, _ID.sub("<id>", value)) for name, value in answer.headers.items() if name != "Date")
    return status_of(answer), headers, _ID.sub("<id>", body_of(answer))


def without_numbers(answer: Any) -> tuple[int, list[str], str]:
    """The same where counts and lengths of time may differ: names of headers only."""
    status, headers, body = as_seen(answer)
    return status, sorted({name for name, _ in headers}), body
