"""Endpoints as a stack of declarations: the one typed place that knows flask-smorest.

    @blueprint.post("/login")
    @public
    @limited("login")
    @accepts(LoginRequest)
    @returns(TokenPairResponse)
    def login(credentials): ...

`accepts` and `asks` read strictly (unknown fields and unknown query parameters are 422, a wrong content type is 415), `returns`
writes through a schema, and all three are what `/openapi.json` is made of.
"""

import json
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl

from flask import Response, request
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import ValidationError

from secureapi.core.bodies import FORM, JSON, has_no_body, read_structured
from secureapi.core.declarations import View, declare
from secureapi.core.errors import Fault, Invalid
from secureapi.core.problems import faults_of
from secureapi.core.schemas import StrictSchema, Text
from secureapi.core.strict_json import pointer_token, storable

_PARAMETERS = 50

PROBLEM_RESPONSES = {
    400: "The request cannot be read, or what it asks for is not acceptable.",
    401: "Nobody known is calling.",
    403: "The caller may not do this.",
    404: "There is nothing here, or nothing for this caller.",
    408: "The body did not arrive in time.",
    409: "This clashes with the present state.",
    413: "The body is larger than this server accepts.",
    415: "The body is in a format that this endpoint does not read.",
    422: "Some of the input is not valid; `errors` says which.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    503: "Something this server depends on is not there just now.",
}


class FaultSchema(StrictSchema):
    """One thing that is wrong with the input."""

    pointer = Text(most=512, required=True, metadata={"description": "Where, as a JSON Pointer (RFC 6901)."})
    code = Text(most=64, required=True, metadata={"description": "Stable, for programs."})
    detail = Text(most=512, required=True, metadata={"description": "A sentence, for people."})


def _read_query() -> dict[str, str]:
    """The query string, every parameter once. Read anew: werkzeug puts something else in the place of bytes that are no UTF-8."""
    try:
        pairs = parse_qsl(request.query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS)
    except (UnicodeDecodeError, ValueError):
        raise Invalid(faults=[Fault("", "unstorable_text", "The query is not UTF-8, or has too many parameters.")]) from None
    found: dict[str, str] = {}
    faults = []
    for key, value in pairs:
        where = f"/{pointer_token(key)}"
        if key in found:
            faults.append(Fault(where, "repeated", "This parameter is given more than once."))
        elif not storable(key + value):
            faults.append(Fault(where, "unstorable_text", "Text must be UTF-8 without NUL."))
        found[key] = value
    if faults:
        raise Invalid(faults=faults)
    return found


class Blueprint(SmorestBlueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A blueprint that documents what it declares. Plain Flask otherwise; the methods below only lend it types."""

    def get(self, rule: str, **options: Any) -> Callable[[View], View]:
        return cast("Callable[[View], View]", super().get(rule, **options))

    def post(self, rule: str, **options: Any) -> Callable[[View], View]:
        return cast("Callable[[View], View]", super().post(rule, **options))

    def put(self, rule: str, **options: Any) -> Callable[[View], View]:
        return cast("Callable[[View], View]", super().put(rule, **options))

    def patch(self, rule: str, **options: Any) -> Callable[[View], View]:
        return cast("Callable[[View], View]", super().patch(rule, **options))

    def delete(self, rule: str, **options: Any) -> Callable[[View], View]:
        return cast("Callable[[View], View]", super().delete(rule, **options))


_documents = Blueprint("documents", __name__)
"""Knows how flask-smorest notes on a view what it takes and gives. Reading and writing is done here, once and strictly."""


def accepts(
    schema: type[StrictSchema], *, form: bool = False, may_be_empty: bool = False, example: Mapping[str, Any] | None = None
) -> Callable[[View], View]:
    """The body, handed to the function as a dictionary; a form is read too where `form` says so.

    With `may_be_empty` no body at all reads as an empty object.
    """
    kinds = (JSON, FORM) if form else (JSON,)
    noted = {"example": dict(example)} if example else {}
    document = _documents.arguments(schema, location="json", error_status_code=422, required=not may_be_empty, **noted)

    def read() -> Any:
        return {} if may_be_empty and has_no_body(request) else read_structured(request, kinds)

    return lambda view: declare(_with_input(view, document, schema(), read), "takes_form", form)


def asks(schema: type[StrictSchema]) -> Callable[[View], View]:
    """The query string."""
    document = _documents.arguments(schema, location="query", error_status_code=422)
    return lambda view: declare(_with_input(view, document, schema(), _read_query), "takes_query", value=True)


def _with_input(view: View, document: Callable[[View], View], schema: StrictSchema, read: Callable[[], Any]) -> View:
    @wraps(document(view))
    def taken(*args: Any, **kwargs: Any) -> Any:
        try:
            wanted = schema.load(read())
        except ValidationError as error:
            raise Invalid(faults=faults_of(error)) from None
        return view(*args, wanted, **kwargs)

    return cast("View", taken)


def returns(
    schema: type[StrictSchema] | None, status: HTTPStatus = HTTPStatus.OK, *, description: str | None = None
) -> Callable[[View], View]:
    """The answer: the schema it is written through, and its status. No schema: no body.

    A view may return what the schema writes, that with headers as a tuple, or a finished response.
    """
    document = _documents.response(int(status), schema, description=description)
    written = schema() if schema else None

    def decorate(view: View) -> View:
        @wraps(document(view))
        def answer(*args: Any, **kwargs: Any) -> Response:
            result = view(*args, **kwargs)
            headers = None
            if type(result) is tuple:  # and not a row of the database, which is one too
                result, headers = result
            if isinstance(result, Response):
                return result
            body = json.dumps(written.dump(result)) if written else None
            return Response(body, int(status), headers, content_type=JSON if written else None)

        return cast("View", answer)

    return decorate
