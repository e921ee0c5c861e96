"""`@idempotent`: the same request twice does its work once (draft-ietf-httpapi-idempotency-key-header-07).

    @blueprint.post("")
    @requires(Permission.CONTENT_WRITE)
    @accepts(NoteRequest)
    @idempotent
    @returns(NoteResponse, HTTPStatus.CREATED)
    def write(wanted): ...

It stands below `@accepts`, because two requests are the same when what was read from them is, and above `@returns`, because what is
kept is the answer. Endpoints for strangers cannot have it: keys belong to a caller, and an address is not one. The application does
not start where it stands wrongly. What is kept, and for how long, is in `kept_answers`.
"""

import json
import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, cast, overload

import structlog
from flask import Flask, Response, current_app, make_response, request
from werkzeug.exceptions import HTTPException

from secureapi.core.declarations import View, declare, declared
from secureapi.core.errors import Refusal, Unavailable
from secureapi.core.services import service
from secureapi.security.errors import IdempotencyKeyMalformed
from secureapi.security.guard import access_of
from secureapi.security.identity import current_identity
from secureapi.security.kept_answers import Answer, Claim, KeptAnswers

_log = structlog.get_logger(__name__)
KEY, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
"""A String of Structured Fields (RFC 9651 section 3.3.3), as the draft wants it."""
_BARE = re.compile(r"[A-Za-z0-9._~:/+=-]{1,255}")
"""The same without quotes, as many clients send it."""
_KEPT_HEADERS = ("Content-Type", "Location")

KEY_PARAMETER = {
    "name": KEY,
    "in": "header",
    "required": False,
    "description": "A value of your own, new for each thing that is to be created: a UUID, say. The same request with the same key "
    "within 24 hours creates nothing more and gets the same answer, with `Idempotency-Replayed: true`. 409 "
    "`idempotency_in_progress` while the first is under way, 422 `idempotency_key_reused` when the same key comes with another body.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 257},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}


@overload
def idempotent(view: View) -> View: ...
@overload
def idempotent(*, never_replayed: tuple[str, ...]) -> Callable[[View], View]: ...
def idempotent(view: View | None = None, *, never_replayed: tuple[str, ...] = ()) -> View | Callable[[View], View]:
    """Do the work of a request with an `Idempotency-Key` once. Without the header nothing changes.

    `never_replayed` are members of the answer, at any depth, that are neither kept nor sent a second time: secrets that are shown once.
    """
    if view is None:
        return lambda decorated: _once(decorated, frozenset(never_replayed))
    return _once(view, frozenset())


def misplaced_endpoints(app: Flask) -> list[str]:
    """Endpoints on which `@idempotent` stands and cannot work: open to strangers or services, or not below `@accepts`."""
    return sorted({rule.endpoint for rule in app.url_map.iter_rules() if _is_misplaced(app.view_functions[rule.endpoint])})


def _is_misplaced(view: Callable[..., Any]) -> bool:
    access = access_of(view)
    has_no_caller = access is None or access.is_public or access.is_client
    return declared(view, "is_idempotent", default=False) and (has_no_caller or declared(view, "takes_form") is None)


def _once(view: View, never_replayed: frozenset[str]) -> View:
    if declared(view, "takes_form") is not None:
        raise TypeError("@idempotent stands below @accepts: it has to see what was read")
    if declared(view, "is_idempotent"):
        # The inner one would find the key taken by the outer one.
        raise TypeError("@idempotent stands once")

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Response:
        key = _key_offered()
        if key is None:
            return make_response(view(*args, **kwargs))
        asked = json.dumps([args, kwargs], sort_keys=True, default=str)
        claimed = service(KeptAnswers).claim(caller=current_identity(), endpoint=_endpoint(), key=key, asked=asked)
        if isinstance(claimed, Answer):
            return Response(claimed.body, claimed.status, claimed.headers | {REPLAYED: "true"})
        return _work(lambda: make_response(view(*args, **kwargs)), claimed, never_replayed)

    return declare(cast("View", once), "is_idempotent", value=True)


def _endpoint() -> str:
    """What is asked, under whichever version of its address: the method, and the name of the endpoint without the version before it.

    Not by the name of the function, of which a factory gives one to all that it makes, nor by the view, which may stand at two endpoints.
    """
    views, asked = current_app.view_functions, request.endpoint or ""
    names = [name for name, view in views.items() if view is views[asked] and (name == asked or asked.endswith(f"-{name}"))]
    return f"{request.method} {min(names, key=len)}"


def _key_offered() -> str | None:
    """The key of the request at hand, with or without quotes. Raises `IdempotencyKeyMalformed`."""
    offered = request.headers.get(KEY)
    if offered is None:
        return None
    offered = offered.strip(" \t")
    quoted = _QUOTED.fullmatch(offered)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if not _BARE.fullmatch(offered):
        raise IdempotencyKeyMalformed
    return offered


def _work(do: Callable[[], Response], claim: Claim, never_replayed: frozenset[str]) -> Response:
    """Do it, and keep the answer. A refusal has created nothing, so the key is free again.

    Nothing of the kind is known of an accident, or of a database that went away in between: then the claim stays, and says whether
    something was committed.
    """
    kept = service(KeptAnswers)
    try:
        with kept.holding(claim):
            response = do()
    except Refusal as refusal:
        if type(refusal) is not Unavailable:
            _quietly(lambda: kept.release(claim))
        raise
    except HTTPException as refusal:
        # What `abort` raises, in what others have written.
        if HTTPStatus.BAD_REQUEST <= (refusal.code or 0) < HTTPStatus.INTERNAL_SERVER_ERROR:
            _quietly(lambda: kept.release(claim))
        raise
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        _quietly(lambda: kept.release(claim))
        return response
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    response.direct_passthrough = False
    body = _without(response.get_data(), never_replayed)
    if body is None:
        # Whoever asks again is told that the answer is lost, rather than what is not to be told twice.
        _log.warning("idempotency.not_kept", endpoint=request.endpoint)
    else:
        _quietly(lambda: kept.keep(claim, Answer(response.status_code, body, headers)))
    return response


def _quietly(note: Callable[[], None]) -> None:
    """What was done is done: whoever did it hears of it, also when it can be noted nowhere."""
    try:
        note()
    except Unavailable:
        _log.warning("idempotency.not_noted")


def _without(body: bytes, names: frozenset[str]) -> bytes | None:
    """The body without these members; None where it is not JSON, so that nobody can say whether they are in it."""
    if not names or not body:
        return body
    try:
        return json.dumps(_pruned(json.loads(body), names)).encode()
    except ValueError:
        return None


def _pruned(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(item, names) for name, item in value.items() if name not in names}
    if isinstance(value, list):
        return [_pruned(item, names) for item in value]
    return value
