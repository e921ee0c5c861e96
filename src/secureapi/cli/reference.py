"""The generated pages about what the code declares: events, permissions, errors and endpoints. Made from the declarations themselves.

The pages about settings are made by `settings.reference`; `pages` has them all.
"""

import ast
import inspect
import io
import secrets
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from enum import Enum
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.routing import Rule

from secureapi.cli.surroundings import build
from secureapi.core.errors import Refusal, every_reason
from secureapi.core.problems import status_of
from secureapi.security.events import Outcome, Severity, catalogue
from secureapi.security.guard import admission_of
from secureapi.security.limits import limit_of
from secureapi.security.named_limits import limits_of
from secureapi.security.permissions import PERMISSIONS_OF, Permission, Role
from secureapi.settings import Settings
from secureapi.settings.reference import dotenv_example, settings_page

_OF_THE_FRAMEWORK = (400, 404, 405, 413, 415, 431, 500)
"""What Flask and Werkzeug answer by themselves, before or instead of a view."""
_ROOMS = {
    "core": "Everywhere",
    "security": "Permissions, limits and passwords",
    "users": "Accounts",
    "auth": "Signing in and staying signed in",
}
_LIMIT_NAMES = {
    "api": "`RATE_LIMIT_PER_MINUTE`",
    "login": "`LOGIN_RATE_LIMIT`",
    "login_devices": "four times `LOGIN_RATE_LIMIT`",
    "register": "`REGISTER_RATE_LIMIT`",
    "register_all": "`REGISTER_GLOBAL_RATE_LIMIT`",
    "recovery": "`RECOVERY_RATE_LIMIT`",
    "refresh": "`REFRESH_RATE_LIMIT`",
    "client": "`CLIENT_RATE_LIMIT`",
    "client_guess": "`LOGIN_RATE_LIMIT`",
    "metrics_guess": "`LOGIN_RATE_LIMIT`",
    "password_check": "`PASSWORD_CHECK_RATE_LIMIT`",
    "profile": "`PROFILE_RATE_LIMIT`",
    "user_import": "`USER_IMPORT_RATE_LIMIT`",
}
_ANSWERED_BY_FLASK = frozenset({"HEAD", "OPTIONS"})


def pages() -> dict[Path, str]:
    """Every generated file, relative to the project, and what belongs into it."""
    settings = Settings(secret_key=secrets.token_urlsafe(48), database_url="sqlite:///:memory:")
    app = build(settings)
    return {
        Path("docs/settings.md"): settings_page(),
        Path(".env.example"): dotenv_example(),
        Path("docs/events.md"): events_page(),
        Path("docs/permissions.md"): permissions_page(),
        Path("docs/errors.md"): errors_page(app),
        Path("docs/endpoints.md"): endpoints_page(app, settings),
    }


def events_page() -> str:
    """Every kind of event that the application at hand has declared."""
    lines = [
        *_head("Events", "the `events.py` of each room"),
        "Every security-relevant fact is kept as an event, in the transaction of the change that it tells of.",
        "`GET /api/v1/security/events` reads them; names are stable, people alert on them.",
        "",
        "## Severity",
        "",
        *_meanings(Severity),
        "",
        "## Outcome",
        "",
        f"One of {', '.join(f'`{outcome.value}`' for outcome in Outcome)}.",
    ]
    room = ""
    for kind in catalogue():
        if kind.name.partition(".")[0] != room:
            room = kind.name.partition(".")[0]
            lines += ["", f"## {room}", "", *_row("event", "severity", "outcome", "meaning"), *_row("---", "---", "---", "---")]
        lines += _row(f"`{kind.name}`", kind.severity.value, kind.outcome.value, kind.meaning)
    return _page(lines)


def permissions_page() -> str:
    """What may be done, and which role may do it."""
    lines = [
        *_head("Permissions and roles", "src/secureapi/security/permissions.py"),
        "An endpoint declares the permissions that it asks for; a caller's role decides which he holds.",
        "The table is in the code and never in a token, so that a demotion is effective at once.",
        "",
        "## Permissions",
        "",
        *_meanings(Permission),
        "",
        "## Roles",
        "",
        *_row("permission", *(role.value for role in Role)),
        *_row("---", *(":---:" for _ in Role)),
    ]
    for permission in Permission:
        lines += _row(f"`{permission.value}`", *("yes" if permission in PERMISSIONS_OF[role] else "" for role in Role))
    return _page(lines)


def errors_page(app: Flask) -> str:
    """Every `code` that an answer may carry."""
    lines = [
        *_head("Errors", "the `errors.py` of each room"),
        "Every refusal is a problem document (RFC 9457) with the media type `application/problem+json`.",
        "`code` is stable and meant for programs, `detail` is meant for people.",
        "`errors` lists what is wrong with the input, where that is known: a JSON Pointer, a code and a sentence for each.",
        "No answer ever repeats what was submitted.",
    ]
    ours = sorted((reason for reason in every_reason() if reason.__module__.startswith("secureapi.")), key=lambda r: (status_of(r), r.code))
    rooms = {reason.__module__.split(".")[1] for reason in ours} - {"cli"}
    known = [room for room in _ROOMS if room in rooms]
    for room in [*known, *sorted(rooms - set(known))]:
        lines += ["", f"## {_ROOMS.get(room, room.capitalize())}", "", *_row("status", "code", "detail"), *_row("---", "---", "---")]
        lines += _unique(_error_row(reason) for reason in ours if reason.__module__.split(".")[1] == room)
    lines += ["", "## The framework", "", *_row("status", "code", "detail"), *_row("---", "---", "---")]
    lines += [line for status in _OF_THE_FRAMEWORK for line in _framework_row(app, status)]
    return _page(lines)


def endpoints_page(app: Flask, settings: Settings) -> str:
    """Every address that answers, and who may enter."""
    rates = {name: limit.rate for name, limit in limits_of(settings).items()}
    lines = [
        *_head("Endpoints", "the `routes.py` of each room"),
        "An endpoint that does not declare who may enter does not exist: the application would not start.",
        "The rates are the defaults; limits count the client's address, and for signed-in callers the account.",
        "Addresses under `/api/v1` also answer without it while `UNVERSIONED_PATHS` is on.",
        "`/openapi.json` has the shapes of what goes in and out.",
        "",
        *_row("method", "path", "who", "limit", "what"),
        *_row("---", "---", "---", "---", "---"),
    ]
    for rule in sorted(app.url_map.iter_rules(), key=_place):
        if not rule.endpoint.startswith("unversioned-"):
            lines += _endpoint_rows(app, rule, {name: f"{rate}, {_LIMIT_NAMES.get(name, name)}" for name, rate in rates.items()})
    return _page(lines)


def meanings(kinds: type[Enum]) -> dict[str, str]:
    """What the strings under the members of an enumeration say: they are documented where they are declared, for readers of the code."""
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(kinds))).body
    assert isinstance(declared, ast.ClassDef)  # noqa: S101 - that is what the source of a class is
    found: dict[str, str] = {}
    for statement, below in zip(declared.body, declared.body[1:], strict=False):
        match statement, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[kinds[name].value] = inspect.cleandoc(text)
    return found


def _meanings(kinds: type[Enum]) -> Iterator[str]:
    said = meanings(kinds)
    for member in kinds:
        yield f"- `{member.value}`: {said.get(member.value, 'not documented')}"


def _error_row(reason: type[Refusal]) -> str:
    (line,) = _row(str(int(status_of(reason))), f"`{reason.code}`", reason.detail)
    return line


def _framework_row(app: Flask, status: int) -> list[str]:
    """What is really answered: the application is given the framework's error."""
    error: HTTPException | RuntimeError = default_exceptions[status]() if status != 500 else RuntimeError()  # noqa: PLR2004
    # That something crashed is logged, and nobody needs to read it: it was made to.
    with app.test_request_context(), redirect_stdout(io.StringIO()):
        answer: dict[str, Any] = app.make_response(app.handle_user_exception(error)).get_json()
    return _row(str(status), f"`{answer['code']}`", answer["detail"])


def _place(rule: Rule) -> tuple[bool, str, list[str]]:
    """Where an endpoint stands in the list: what applications use comes first."""
    return not rule.rule.startswith("/api/"), rule.rule, sorted(rule.methods or ())


def _endpoint_rows(app: Flask, rule: Rule, limits: dict[str, str]) -> Iterator[str]:
    view = app.view_functions[rule.endpoint]
    path = rule.rule.replace("<id:", "{").replace("<", "{").replace(">", "}")
    what = inspect.cleandoc(view.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    for method in sorted((rule.methods or set()) - _ANSWERED_BY_FLASK):
        yield from _row(method, f"`{path}`", admission_of(view), limits.get(limit_of(view), "none"), what)


def _head(title: str, source: str) -> list[str]:
    return [f"# {title}", "", f"<!-- Made by `flask config docs` from {source}: change it there. -->", ""]


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"]


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _page(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
