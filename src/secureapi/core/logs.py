"""Structured logs: one line a request, and where our lines and those of libraries go. `redaction` says what may not stand in them."""

import logging
import os
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from secureapi.core.redaction import redact
from secureapi.core.requests import current_client, current_request_id, current_traceparent, printable
from secureapi.settings import Settings

_own = structlog.get_logger(__name__)


def configure_logs(settings: Settings) -> None:
    """Send everything, our own lines and those of libraries, through the same processors to standard output."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty() and not os.environ.get("NO_COLOR"), exception_formatter=structlog.dev.plain_traceback
        )
    )
    begin: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A traceback ends with the message of its exception, which may quote anything: it is text before it is cleaned.
    finish: list[Any] = [structlog.processors.format_exc_info, redact, renderer]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*begin, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    handler = _LibraryLines()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=begin, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish]
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
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a library's broken line must not cost an answer, nor may its arguments be shown instead
            _own.warning("log.unreadable", logger=record.name, line=record.lineno)
            return
        _Lines().msg(line)


def init_request_log(app: Flask, settings: Settings) -> None:
    """One line a request, and the request id on every other line that is written meanwhile."""
    # Bound now, with the processors of this application: finding out anew for each line what it consists of costs as much as the line.
    access = structlog.get_logger("secureapi.access").bind()
    slow = settings.slow_request_ms

    @app.before_request
    def _begun() -> None:
        g.began = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=current_request_id())

    @app.after_request
    def _ended(response: Response) -> Response:
        request_id, trace = current_request_id(), current_traceparent()
        response.headers["X-Request-ID"] = request_id
        if trace:
            response.headers["traceparent"] = trace
        now = time.perf_counter()
        milliseconds = round((now - g.get("began", now)) * 1000, 2)
        identity = g.get("identity")
        status = response.status_code
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - each look through the proxy costs
        line: dict[str, Any] = {
            "method": asked.method,
            "path": printable(asked.path)[:200],
            "status": status,
            "milliseconds": milliseconds,
            "address": current_client().address,
            "user_id": identity.user_id if identity else None,
        }
        if trace:
            line["trace_id"] = trace[3:35]
        if milliseconds > slow:
            line["is_slow"] = True
        log = access.warning if status >= 500 or "is_slow" in line else access.info  # noqa: PLR2004
        log("request", **line)
        return response

    @app.teardown_request
    def _over(_error: BaseException | None) -> None:
        # Whatever this thread writes before its next request belongs to none.
        structlog.contextvars.clear_contextvars()
