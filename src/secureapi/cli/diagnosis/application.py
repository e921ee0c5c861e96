"""The application on its database: tables as the code expects them, a key to sign with, somebody who may administer."""

from flask import Flask

from secureapi.auth.keys import KeyRing
from secureapi.auth.repository import KeyRepository
from secureapi.cli.diagnosis.finding import Finding, failing, ok, warning
from secureapi.cli.diagnosis.running_settings import examine_running_settings
from secureapi.cli.migrations import UnknownRevision, pending_migrations
from secureapi.core.clock import SystemClock
from secureapi.core.database import Database
from secureapi.core.services import service
from secureapi.security.permissions import Role
from secureapi.settings import Settings
from secureapi.users.repository import UserRepository


def examine_application(app: Flask, settings: Settings) -> list[Finding]:
    """Look at what `flask init` makes. The database must be there, and the application at hand."""
    tables = _tables(app)
    return [tables] if tables.remedy else [tables, _keys(settings), _administrators(), examine_running_settings()]


def _tables(app: Flask) -> Finding:
    try:
        with service(Database).reading() as connection:
            pending = pending_migrations(app, connection)
    except UnknownRevision:
        says = "the database is at a revision that this version does not know"
        return failing("migrations", says, "Install the version of secureapi that was used on it last, or a newer one.")
    if pending:
        return failing("migrations", f"{len(pending)} have not run", "Run: flask init (or flask db upgrade)")
    return ok("migrations", "up to date")


def _keys(settings: Settings) -> Finding:
    if settings.jwt_algorithm == "HS256":
        return ok("signing key", "JWT_SECRET_KEY")
    with service(Database).transaction() as session:
        rows = [(row.kid, row.algorithm, row.phase) for row in KeyRepository(session).list_usable()]
    signing = [kid for kid, algorithm, phase in rows if phase == "active" and algorithm == settings.jwt_algorithm]
    if not signing:
        return warning("signing key", f"there is none for {settings.jwt_algorithm} yet", "Run: flask init")
    unreadable = [kid for kid, _, _ in rows if service(KeyRing).find(kid) is None]
    if unreadable:
        secret = "KEY_ENCRYPTION_KEY" if settings.key_encryption_key else "SECRET_KEY"
        says = f"{len(unreadable)} of {len(rows)} cannot be decrypted: {secret} was changed, or the row was"
        return failing("signing key", says, f"Set {secret} to what it was, or let the keys retire: flask jwt keys list")
    return ok("signing key", f"{settings.jwt_algorithm}, readable")


def _administrators() -> Finding:
    with service(Database).transaction() as session:
        number = UserRepository(session).count(Role.ADMIN.value, now=SystemClock().now())
    if not number:
        return warning("administrator", "there is no active one", "Run: flask init (or flask user enable)")
    return ok("administrator", f"{number} active")
