"""Settings that may change while the server runs: what is in force and why, changing it, and going back.

Which settings these are is declared where they are declared (`settings/groups/`, `changeable=True`). How the other workers learn of a
change is in `core/settings_versions.py`. Nothing here stops a server: what a build cannot use is shown, and does not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.errors import SettingsChangedMeanwhile, SettingsForAdministrators
from secureapi.auth.repository.administrators import find_usernames
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Fault, Invalid
from secureapi.core.pages import Page
from secureapi.core.requests import Client
from secureapi.core.settings_versions import (
    EFFECTIVE_WITHIN_SECONDS,
    SettingsWatch,
    add,
    find_overrides,
    find_versions,
    list_versions,
    newest,
)
from secureapi.core.strict_json import pointer_token
from secureapi.security.identity import Identity
from secureapi.security.permissions import PERMISSIONS_OF, RANK_OF, Role, Standing
from secureapi.security.trail import Trail
from secureapi.settings.in_force import SettingsInForce, Version
from secureapi.settings.overrides import NotChangeable, NotHere, Overrides, changeable, combined, field_named, read, written
from secureapi.settings.values import Rate
from secureapi.users.service import Authority

_ADMINISTRATOR = Standing(Role.ADMIN.value, RANK_OF[Role.ADMIN], PERMISSIONS_OF[Role.ADMIN])
Given = str | int | float | bool
_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", Rate: "rate"}


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a version."""

    id: str
    username: str | None
    """None where the account is gone."""


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting, as it is in force in this process."""

    name: str
    group: str
    description: str
    type: str
    value: Given
    default: Given
    """What counts while nobody has changed it: what the environment of this host says, or the code."""
    source: str
    """`default`, `environment` or `changed`."""
    least: float | None
    most: float | None
    choices: Sequence[str]


@dataclass(frozen=True, slots=True)
class Unusable:
    """An override that does not count here."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShownConfiguration:
    """Everything that may be changed, and the version that is in force."""

    version: int
    made_at: datetime | None
    made_by: Author | None
    """None for the command line, and where nobody has ever changed anything."""
    comment: str
    settings: Sequence[ShownSetting]
    unusable: Sequence[Unusable]
    effective_within_seconds: int = EFFECTIVE_WITHIN_SECONDS


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """One version of the past."""

    version: int
    made_at: datetime
    made_by: Author | None
    comment: str
    restored: int | None
    changes: Sequence[Mapping[str, str | None]]


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """What came of a change."""

    version: int
    """The version in force; with a dry run, and where nothing differs, the one that was in force before."""
    changes: Sequence[Mapping[str, str | None]]
    """`name`, `before` and `after`; null where the environment decides."""
    is_dry_run: bool
    effective_within_seconds: int = EFFECTIVE_WITHIN_SECONDS


class Configuration:
    """Shows, changes and restores. `caller` is None for the command line of the server: the way back for whoever has locked himself out."""

    def __init__(
        self, *, database: Database, clock: Clock, trail: Trail, settings: SettingsInForce, watch: SettingsWatch, authority: Authority
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._settings = settings
        self._watch = watch
        self._authority = authority

    def shown(self) -> ShownConfiguration:
        """What is in force, as the database has it at this moment."""
        self._watch.look()
        version = self._settings.version
        with self._database.reading() as connection:
            (made, *_) = find_versions(connection, [version.number]) or (None,)
            authors = _authors(connection, [made] if made else [])
        return ShownConfiguration(
            version=version.number,
            made_at=made.made_at if made else None,
            made_by=authors.get(made.made_by) if made else None,
            comment=made.comment if made else "",
            settings=[self._shown(name, version) for name in changeable()],
            unusable=[Unusable(name, reason) for name, reason in version.unusable.items()],
        )

    def history(self, *, page: int, per_page: int) -> Page:
        """Who changed what, newest first."""
        with self._database.reading() as connection:
            rows, total = list_versions(connection, page=page, per_page=per_page)
            authors = _authors(connection, rows)
        shown = [ShownVersion(row.number, row.made_at, authors.get(row.made_by), row.comment, row.restored, row.changes) for row in rows]
        return Page(shown, total, page, per_page)

    def change(
        self,
        *,
        version: int,
        changes: Mapping[str, Given | None] | None = None,
        restore: int | None = None,
        comment: str = "",
        dry_run: bool = False,
        caller: Identity | None,
        client: Client,
    ) -> ConfigurationChange:
        """Set some settings, all or none of them; None lets the environment decide again. Or `restore` what was in force with an older
        version, of which 0 is the one before anybody changed anything.

        `version` is the one that the caller has seen. Raises `SettingsChangedMeanwhile` when it is not the newest any more, `Invalid`
        with each setting that cannot be so, and `SettingsForAdministrators`.
        """
        with self._authority.opening(act="settings.change", caller=caller, client=client) as (session, actor):
            if actor and not actor.covers(_ADMINISTRATOR):
                # They are in force for everybody: with the limits that guard passwords somebody could open the accounts of those above him,
                # or with one request a day keep them out.
                raise SettingsForAdministrators
            found = newest(session.connection())
            number, before = found or (0, {})
            if number != version:
                raise SettingsChangedMeanwhile
            after = self._changed(before, changes or {}) if restore is None else self._restored(session, restore, before)
            differing = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
            told = [{"name": name, "before": before.get(name), "after": after.get(name)} for name in differing]
            if dry_run or not told:
                return ConfigurationChange(number, told, dry_run)
            number += 1
            made = {"changes": told, "overrides": after, "comment": comment, "restored": restore}
            self._add(session, number=number, made_by=caller.user_id if caller else None, **made)
            self._trail.record(
                session, events.SETTINGS_CHANGED, client=client, actor=caller, version=number, changes=told, restored=restore
            )
        self._settings.take(number, after)
        return ConfigurationChange(number, told, is_dry_run=False)

    def _add(self, session: Session, **version: Any) -> None:
        try:
            # In a savepoint: what refuses us must not keep the refusal from being remembered.
            with session.begin_nested():
                add(session.connection(), made_at=self._clock.now(), **version)
        except IntegrityError:
            raise SettingsChangedMeanwhile from None

    def _changed(self, before: Overrides, changes: Mapping[str, Given | None]) -> dict[str, str]:
        after, faults = dict(before), []
        for name, value in changes.items():
            try:
                if value is not None:
                    after[name] = written(read(name, written(value)))
                elif name not in before:
                    field_named(name)
                else:
                    # Also one that this build does not know any more.
                    del after[name]
            except ValueError as error:
                faults.append(_fault(name, error))
        if not faults:
            known, together = combined(self._settings.start, before).unusable, combined(self._settings.start, after).unusable
            faults = [
                Fault(_pointer(name), "not_together", _sentence(reason))
                for name, reason in together.items()
                if name in changes and known.get(name) != reason
            ]
        if faults:
            raise Invalid(faults=faults)
        return after

    def _restored(self, session: Session, number: int, before: Overrides) -> dict[str, str]:
        found = find_overrides(session.connection(), number)
        if found is None:
            raise Invalid(faults=[Fault("/restore", "unknown_version", "There has been no such version.")])
        unusable = combined(self._settings.start, found).unusable.keys() - before.keys()
        if unusable:
            names = ", ".join(sorted(unusable))
            raise Invalid(faults=[Fault("/restore", "not_usable", f"This version of the server cannot use what was set then: {names}.")])
        return dict(found)

    def _shown(self, name: str, version: Version) -> ShownSetting:
        field = changeable()[name]
        about, start = field.metadata["about"], getattr(self._settings.start, field.name)
        if name in version.overrides and name not in version.unusable:
            source = "changed"
        else:
            source = "default" if start == field.default else "environment"
        return ShownSetting(
            name=name,
            group=about.group,
            description=about.doc,
            type=_TYPES[type(field.default)],
            value=_plain(getattr(version.settings, field.name)),
            default=_plain(start),
            source=source,
            least=about.least,
            most=about.most,
            choices=about.choices,
        )


def _authors(connection: Connection, rows: Sequence[Any]) -> dict[str | None, Author]:
    ids = {row.made_by for row in rows if row.made_by}
    names = find_usernames(connection, ids)
    return {user_id: Author(user_id, names.get(user_id)) for user_id in ids}


def _fault(name: str, error: ValueError) -> Fault:
    match error:
        case NotHere():
            code = "unknown_setting"
        case NotChangeable():
            code = "not_changeable"
        case _:
            code = "invalid_value"
    return Fault(_pointer(name), code, _sentence(str(error)))


def _pointer(name: str) -> str:
    return f"/changes/{pointer_token(name)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _plain(value: Any) -> Given:
    """A value as JSON takes it."""
    return str(value) if isinstance(value, Rate) else value
