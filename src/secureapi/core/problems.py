"""Every refusal and every accident as `application/problem+json` (RFC 9457), and the one place that knows status codes.

No submitted value, no text of a library and no stack trace ever reaches a client. What went wrong inside goes to the log.
"""

import json
import math
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from secureapi.core import errors
from secureapi.core.errors import Fault, Refusal
from secureapi.core.requests import current_request_id
from secureapi.core.strict_json import pointer_token

_log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[Refusal], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Rejected: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Denied: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_OWN_WORDS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request could not be understood."),
    404: (errors.NotFound.code, errors.NotFound.detail),
    405: ("method_not_allowed", "This address does not answer that method; see the Allow header."),
    413: (errors.TooLarge.code, errors.TooLarge.detail),
    415: (errors.UnsupportedMedia.code, errors.UnsupportedMedia.detail),
    500: ("internal_error", "An unexpected error occurred. Please try again later."),
    431: ("headers_too_large", "The request headers are larger than this server accepts."),
}
_FAULTS_SHOWN = 50


def status_of(kind: type[Refusal]) -> HTTPStatus:
    """The HTTP status of a kind of refusal or of a reason derived from one."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def problem(status: int, code: str, detail: str, faults: list[Fault] | None = None, *, oauth_error: str = "") -> Response:
    """A problem document. `type` is a reference into our own documentation of codes, relative to this service.

    `oauth_error` adds the members of RFC 6749 section 5.2, which are all that an OAuth client looks for.
    """
    body: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": _phrase(status),
        "status": status,
        "detail": detail,
        "instance": f"/requests/{current_request_id()}",
        "code": code,
        "request_id": current_request_id(),
    }
    if oauth_error:
        body |= {"error": oauth_error, "error_description": detail}
    if faults:
        body["errors"] = [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in faults[:_FAULTS_SHOWN]]
    return Response(json.dumps(body), status, content_type=MEDIA_TYPE)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def faults_of(error: ValidationError) -> list[Fault]:
    """What a schema found, as pointers into the input. marshmallow nests messages the way the input nests."""
    found: list[Fault] = []
    waiting: list[tuple[str, Any]] = [("", error.messages)]
    while waiting:
        pointer, messages = waiting.pop(0)
        if isinstance(messages, dict):
            waiting += [(pointer if key == "_schema" else f"{pointer}/{pointer_token(str(key))}", below) for key, below in messages.items()]
        else:
            for message in messages if isinstance(messages, list) else [messages]:
                code = getattr(message, "code", None)
                # A message without a code is the library's own and may say more than we know: it stays here.
                found.append(Fault(pointer, code or "invalid", str(message) if code else "This value is not valid."))
    return found


def init_problems(app: Flask) -> None:
    """Answer every refusal, every HTTP error of the framework and every accident in this one format."""

    @app.errorhandler(Refusal)
    def _refused(refusal: Refusal) -> Response:
        response = problem(status_of(type(refusal)), refusal.code, refusal.sentence, refusal.faults, oauth_error=refusal.oauth_error)
        if isinstance(refusal, errors.Unauthenticated):
            response.headers["WWW-Authenticate"] = refusal.challenge
        if refusal.retry_after is not None and isinstance(refusal, errors.TooMany | errors.Unavailable):
            response.headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after)))
        return response

    @app.errorhandler(ValidationError)
    def _misshapen(error: ValidationError) -> Response:
        return _refused(errors.Invalid(faults=faults_of(error)))

    @app.errorhandler(HTTPException)
    def _of_the_framework(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:  # noqa: PLR2004 - a redirect is no problem
            return Response(status=status, headers={"Location": error.get_response().headers.get("Location", "/")})
        code, detail = _OWN_WORDS.get(status, (_phrase(status).lower().replace(" ", "_"), f"{_phrase(status)}."))
        response = problem(status, code, detail)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def _accident(error: Exception) -> Response:
        # The type and the place, not the message: messages of libraries carry submitted values.
        _log.error("request.crashed", error=type(error).__name__, where=_place(error), method=request.method)
        return problem(500, "internal_error", "An unexpected error occurred. Please try again later.")


def _place(error: BaseException) -> list[str]:
    """The innermost frames as `file:line function`, which say where without saying what."""
    frames: list[str] = []
    trace = error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('site-packages/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[-6:]
