"""The steps of `flask init` after there are settings: folder, database, tables, signing key, first administrator.

Each can be repeated, changes nothing where nothing is missing, and says in words what it did.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import flask_migrate
from flask import Flask
from sqlalchemy import make_url

from secureapi.auth.keys import KeyRing
from secureapi.cli.accounts import checked_account
from secureapi.cli.migrations import UnknownRevision, pending_migrations
from secureapi.core.clock import SystemClock
from secureapi.core.database import Database
from secureapi.core.migration_runs import alone as alone_with
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.security.permissions import Role
from secureapi.settings import Settings
from secureapi.users.errors import RegistrationRefused
from secureapi.users.lists import list_people
from secureapi.users.models import Status
from secureapi.users.service import Registration

_LOCK = 0x5EC0_4EA9_1217
"""The number under which PostgreSQL knows that somebody is at it. Any number, as long as it is always the same."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody who may do everything here."""

    username: str
    email: str
    password: str | None = None
    """Only when it was made up just now, and has to be shown this once."""
    is_new: bool = False


def sqlite_file(settings: Settings) -> Path | None:
    """The database file, where there is one."""
    address = make_url(settings.database_url)
    is_file = address.get_backend_name() == "sqlite" and address.database not in {None, "", ":memory:"}
    return Path(str(address.database)) if is_file else None


def make_folder(file: Path) -> str:
    """The folder of the database, for its owner only: sessions and password hashes will be in it."""
    if file.parent.is_dir():
        return "already there"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"made {shown(file.parent)}/"


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Wait until nobody else sets this database up, on this machine or another: two would make its tables at the same time."""
    file = sqlite_file(settings)
    if settings.is_embedded_database:
        folder = os.open(file.parent if file else ".", os.O_RDONLY)
        try:
            # The folder and not the file: SQLite keeps locks on that, and closing it here would drop them.
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
        return
    with alone_with(settings, _LOCK):
        yield


def make_database(settings: Settings) -> str:
    """The database file, or a look whether the server is there. Raises `Unavailable`."""
    file = sqlite_file(settings)
    if file:
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return "already there"
        return f"created {shown(file)}"
    service(Database).ping()
    return "answers"


def migrate(app: Flask) -> str:
    """Bring the tables up to date."""
    try:
        with service(Database).engine.connect() as connection:
            pending = pending_migrations(app, connection)
    except UnknownRevision:
        problem = "The database is at a revision that this version does not know: a newer version of secureapi has used it."
        raise click.ClickException(problem) from None
    if not pending:
        return "already up to date"
    flask_migrate.upgrade()
    return f"ran {len(pending)}, now at {pending[-1]}"


def make_signing_key(settings: Settings) -> str:
    """The key that access tokens are signed with."""
    ring = service(KeyRing)
    is_new = ring.ensure(Client.of_command_line())
    if settings.jwt_algorithm == "HS256":
        return "JWT_SECRET_KEY is used"
    if is_new:
        return f"made, {settings.jwt_algorithm}"
    ring.signing_key()  # raises `Unavailable` when none of them can be read with this SECRET_KEY
    return "already there"


def find_administrator() -> Administrator | None:
    """The first active administrator."""
    with service(Database).reading() as connection:
        found = list_people(
            connection, now=SystemClock().now(), page=1, per_page=1, sort="created_at", role=Role.ADMIN.value, status=Status.ACTIVE.value
        )
    return next((Administrator(row.username, row.email) for row in found.items), None)


def make_administrator(given: Mapping[str, str]) -> Administrator:
    """The first administrator, unless there is one: from SECUREAPI_ADMIN_*, or with a random password."""
    present = find_administrator()
    if present:
        return present
    email = given.get("SECUREAPI_ADMIN_EMAIL") or "admin@example.com"
    username = given.get("SECUREAPI_ADMIN_USERNAME") or "admin"
    file = given.get("SECUREAPI_ADMIN_PASSWORD_FILE")
    password = _password_in(Path(file)) if file else secrets.token_urlsafe(18)
    account = checked_account(username=username, email=email, password=password)
    try:
        service(Registration).create(**account, role=Role.ADMIN, client=Client.of_command_line())
    except RegistrationRefused:
        # With the lock held nobody else was faster: the name belongs to somebody who is no administrator, or is disabled.
        problem = f"There is no active administrator, and {username} or {email} is taken by another account."
        remedy = "Enable it with `flask user enable`, or choose other names with SECUREAPI_ADMIN_USERNAME and SECUREAPI_ADMIN_EMAIL."
        raise click.ClickException(f"{problem} {remedy}") from None
    return Administrator(username, email, password=None if file else password, is_new=True)


def shown(path: Path) -> str:
    """A path as people here would write it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _password_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise click.ClickException("SECUREAPI_ADMIN_PASSWORD_FILE must name a readable text file.") from None
