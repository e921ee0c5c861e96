"""Extensions: what people who build on secureapi plug in, and how those of installed packages are found.

An installed package opens no endpoint by being installed: its name must stand in `PLUGINS`. Whoever adds a dependency of a dependency
to the environment has not decided who may talk to this server.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from flask import Blueprint

from secureapi.settings import SettingsRefused

GROUP = "secureapi.blueprints"
"""The group of entry points in a package's metadata."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A blueprint and the tables that belong to it. Raises `ValueError` for what could not work."""

    name: str
    """Lower-case letters, digits and underscores. The version table is called after it: do not change it."""
    blueprint: Blueprint
    """Registered as it is, so it says its own `url_prefix`."""
    migrations: Path | None = None
    """The folder of its migrations, where it has tables."""

    def __post_init__(self) -> None:
        if not isinstance(self.blueprint, Blueprint):
            raise ValueError(f"the extension {self.name} has no blueprint")  # noqa: TRY004 - one kind of error for all that is wrong
        if self.migrations is not None and not isinstance(self.migrations, Path):
            raise ValueError(f"the extension {self.name} has migrations that are no pathlib.Path")
        if not _NAME.fullmatch(self.name):
            raise ValueError("the name of an extension has up to 31 lower-case letters, digits and underscores, a letter first")
        if self.migrations is not None and not self.migrations.is_dir():
            raise ValueError(f"the extension {self.name} has no folder for its migrations where it says")


def extensions_of(given: Iterable[Blueprint | Extension], plugins: Sequence[str]) -> list[Blueprint | Extension]:
    """What is given to `create_app`, and what `PLUGINS` names. Raises `SettingsRefused` for what is not there, broken or there twice."""
    found = [*given]
    for each in found:
        if not isinstance(each, Blueprint | Extension):
            raise TypeError(f"a {type(each).__name__} was given to create_app; a Blueprint or an Extension is expected")
    faults: list[str] = []
    for name in plugins:
        try:
            found.append(_load(name))
        except _Broken as broken:
            faults.append(f"PLUGINS: {broken}")
    names = [each.name for each in found if isinstance(each, Extension)]
    faults += [f"PLUGINS: two extensions are called {name}; remove one" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise SettingsRefused(faults)
    return found


class _Broken(Exception):
    """A plugin that cannot be used, and why."""


def _load(name: str) -> Blueprint | Extension:
    offered = entry_points(group=GROUP)
    # One package may be seen twice, where a folder is on the path twice.
    found = {point.value: point for point in offered if point.name == name}
    if not found:
        others = ", ".join(sorted({point.name for point in offered})) or "nothing"
        raise _Broken(f'no installed package offers "{name}" as an entry point of {GROUP}; there is: {others}')
    if len(found) > 1:
        packages = ", ".join(sorted(_packages(found.values())))
        raise _Broken(f'"{name}" is offered by more than one installed package ({packages}); remove one')
    (point,) = found.values()
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:
        # Whatever somebody else's module raises when it is imported.
        raise _Broken(f'"{name}" ({point.value}) cannot be loaded: {type(error).__name__}: {error}') from error
    if not isinstance(loaded, Blueprint | Extension):
        raise _Broken(f'"{name}" ({point.value}) is a {type(loaded).__name__}; a Blueprint or an Extension is expected')
    return loaded


def _packages(points: Iterable[EntryPoint]) -> Iterator[str]:
    for point in points:
        yield point.dist.name if point.dist else point.value
