"""Structured logs: one line a request, secrets never, addresses of people masked, nothing that can forge a line."""

import logging
import os
import re
import sys
import time
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import structlog
from flask import Flask, Response, g, request

from secureapi.core.masking import masked_email
from secureapi.core.requests import current_client, current_request_id, current_traceparent, printable
from secureapi.settings import Settings

_access = structlog.get_logger("secureapi.access")
_SECRET_NAME = re.compile(r"password|secret|token|authorization|cookie|api_?key|code|otp|pepper", re.IGNORECASE)
_HARMLESS_NAMES = frozenset({"code", "status_code", "error_code", "token_id"})
_EMAIL = re.compile(r"[^\s@\"'<>]{1,64}@[^\s@\"'<>]{1,255}")
_TOKENS = re.compile(r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+|sa[r]?_[A-Za-z0-9_-]{20,})")
_CREDENTIALS_IN_URL = re.compile(r"(://[^:/@\s]*):[^@\s]+@")
_MOST_CHARACTERS = 2000


def configure_logs(settings: Settings) -> None:
    """Send everything, our own lines and those of libraries, through the same processors to standard output."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    )
    finish: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        structlog.processors.format_exc_info,
    ]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*finish, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    handler = _LibraryLines()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=finish, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _LibraryLines)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.INFO))


class _Lines:
    """Where our own lines go: standard output, as it is at that moment, each line in one piece."""

    def __init__(self, *_names: str) -> None:
        pass

    def msg(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            # Nobody reads the log any more, or its disk is full. The trail is the record; a line of log must not cost an answer.
            return

    debug = info = warning = error = critical = exception = msg


class _LibraryLines(logging.Handler):
    """The lines of libraries, on the same way out."""

    def emit(self, record: logging.LogRecord) -> None:
        _Lines().msg(self.format(record))


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out what must not be in a log: values under names of secrets, tokens, passwords in addresses, people's addresses."""
    for name, value in event.items():
        if _is_secret(name):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = _clean(value)
        elif isinstance(value, dict | list | tuple | set):
            event[name] = _clean(repr(value))
    return event


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name not in _HARMLESS_NAMES and _SECRET_NAME.search(name) is not None


def init_request_log(app: Flask, settings: Settings) -> None:
    """One line a request, and the request id on every other line that is written meanwhile."""

    @app.before_request
    def _begun() -> None:
        g.began = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=current_request_id())

    @app.after_request
    def _ended(response: Response) -> Response:
        response.headers["X-Request-ID"] = current_request_id()
        trace = current_traceparent()
        if trace:
            response.headers["traceparent"] = trace
        milliseconds = round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 2)
        identity = g.get("identity")
        line: dict[str, Any] = {
            "method": request.method,
            "path": printable(request.path)[:200],
            "status": response.status_code,
            "milliseconds": milliseconds,
            "address": current_client().address,
            "user_id": identity.user_id if identity else None,
        }
        if trace:
            line["trace_id"] = trace[3:35]
        if milliseconds > settings.slow_request_ms:
            line["is_slow"] = True
        log = _access.warning if response.status_code >= 500 or "is_slow" in line else _access.info  # noqa: PLR2004
        log("request", **line)
        return response

    @app.teardown_request
    def _over(_error: BaseException | None) -> None:
        # Whatever this thread writes before its next request belongs to none.
        structlog.contextvars.clear_contextvars()


def _clean(text: str) -> str:
    text = text[:_MOST_CHARACTERS]
    if "@" in text:
        text = _CREDENTIALS_IN_URL.sub(r"\1:[redacted]@", text)
        text = _EMAIL.sub(lambda found: masked_email(found[0]) if "[redacted]" not in found[0] else found[0], text)
    if "_" in text or "eyJ" in text:
        text = _TOKENS.sub("[redacted]", text)
    return text if text.isascii() and text.isprintable() else printable(text)
