"""People of another system over HTTP, a few at a time. Files of any length are for `flask user import`."""

from typing import Any

from secureapi.auth.routes.blueprints import people
from secureapi.auth.schemas.importing import UserImport, UserImportResponse
from secureapi.core.api import accepts, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import people_only, recently_authenticated, requires
from secureapi.security.idempotency import idempotent
from secureapi.security.identity import current_identity
from secureapi.security.limits import limited
from secureapi.security.permissions import Permission
from secureapi.users.service.import_rows import ImportedRows, RowImports
from secureapi.users.service.import_users import Outcome

_EXAMPLE = {
    "rows": [{"id": "17", "email": "john@example.com", "username": "johndoe", "password_hash": "$2b$12$..."}],
    "dry_run": True,
}


@people.post("/import")
@requires(Permission.USERS_READ, Permission.ADMIN_READ, Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@recently_authenticated
@limited("user_import")
@accepts(UserImport, example=_EXAMPLE)
@idempotent
@returns(UserImportResponse)
def import_users(wanted: dict[str, Any]) -> Any:
    """Open accounts for up to a hundred people of another system, with the hashes of their passwords.

    The answer says what came of each row, with the id of the account or with all that is wrong; one bad row never stops the rest. The
    rules are those of `flask user import` (docs/import.md). A role is given to nobody that may do more than the caller may.
    """
    options = {name: value for name, value in wanted.items() if name != "format"}
    done = service(RowImports).run(format_name=wanted["format"], **options, caller=current_identity(), client=current_client())
    return _told(done)


def _told(done: ImportedRows) -> dict[str, Any]:
    rows = [_row(outcome, is_dry=done.is_dry) for outcome in done.outcomes]
    return {"import_id": done.import_id, "dry_run": done.is_dry, "created": done.created, "refused": done.refused, "rows": rows}


def _row(outcome: Outcome, *, is_dry: bool) -> dict[str, Any]:
    word = "refused" if outcome.faults else "would_create" if is_dry else "created"
    told: dict[str, Any] = {"number": outcome.number, "outcome": word, "errors": outcome.faults}
    return told | ({"id": outcome.user_id} if outcome.user_id else {})
