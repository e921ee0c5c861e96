"""The settings that are in force at this moment, for those that may change while the server runs.

There are two objects, and nothing between them. `SettingsInForce.fixed` is what the application is built from: it has every setting
but the changeable ones, and asking it for one of those is an error, at once and everywhere. `SettingsInForce.now` is one whole version,
exchanged for the next by a single assignment, and cannot be asked while the application is being built. So nobody can copy a value that
is about to change: a setting that is newly declared `changeable` and still read in some constructor keeps the server from starting.

How a process learns of the next version is the business of `core/settings_versions.py`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from secureapi.settings.model import Settings
from secureapi.settings.overrides import Overrides, changeable, combined

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Present(Protocol):
    """Whoever knows the settings in force. `Settings` themselves do: theirs never change."""

    @property
    def now(self) -> Settings:
        """One version of them, the newest that is known. Ask once for all that has to go together."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """What is in force, and how it came about."""

    number: int
    """0 where nobody has ever changed anything."""
    overrides: Overrides
    """As they are kept, also those that this build cannot use."""
    settings: Settings
    unusable: Overrides
    """Overrides that do not count here, and why."""


class SettingsInForce:
    """The settings of one application."""

    def __init__(self, start: Settings) -> None:
        self.start = start
        """What the environment says."""
        self.fixed: Settings = _fixed(start)
        self._version = Version(0, {}, start, {})
        self._is_built = False
        self._taking = threading.Lock()

    @property
    def now(self) -> Settings:
        if not self._is_built:
            raise RuntimeError("settings that may change are asked for when they are needed, and not while the application is built")
        return self._version.settings

    @property
    def version(self) -> Version:
        """The version that is in force in this process."""
        return self._version

    def built(self) -> None:
        """The application is complete: from now on it may ask."""
        self._is_built = True

    def take(self, number: int, overrides: Overrides) -> None:
        """Let a version be in force, unless a newer one is."""
        self._put(number, overrides, is_next=lambda present: number > present.number)

    def follow(self, known: Version, number: int, overrides: Overrides) -> bool:
        """Let in force be what was found, whichever number it has, unless it is another version than `known` by now. Whether it is.

        `known` is the one before the look: what somebody here has made since then is newer than what was found.
        """
        return self._put(number, overrides, is_next=lambda present: present is known)

    def _put(self, number: int, overrides: Overrides, *, is_next: Callable[[Version], bool]) -> bool:
        if not is_next(self._version):
            return False
        together = combined(self.start, overrides)
        with self._taking:
            if not is_next(self._version):
                return False
            self._version = Version(number, dict(overrides), together.settings, together.unusable)
        for name, reason in together.unusable.items():
            _log.warning("settings.unusable", setting=name, version=number, reason=reason)
        return True


class Derived(Generic[T]):
    """What follows from the settings in force, made anew when they are others."""

    def __init__(self, settings: Present, make: Callable[[Settings], T]) -> None:
        self._settings = settings
        self._make = make
        self._known: tuple[Settings, T] | None = None

    @property
    def now(self) -> T:
        settings, known = self._settings.now, self._known
        if known is None or known[0] is not settings:
            known = self._known = (settings, self._make(settings))
        return known[1]


def _fixed(start: Settings) -> Settings:
    """The settings without those that may change. Reading one of these raises `RuntimeError`, through whichever property."""
    names = {field.name for field in changeable().values()}
    kind = type("FixedSettings", (Settings,), {name: _refusing(name) for name in names})
    # Not made by its constructor, which would want a value for each of them.
    fixed: Settings = object.__new__(kind)
    vars(fixed).update({name: value for name, value in vars(start).items() if name not in names})
    return fixed


def _refusing(name: str) -> Any:
    def refuse(_self: Settings) -> Any:
        raise RuntimeError(f"{name.upper()} may change while the server runs: ask SettingsInForce.now for it when it is needed")

    return property(refuse)
