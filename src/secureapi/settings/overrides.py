"""What administrators set while the server runs: values that stand over those of the start, each as text under the setting's name.

Where they are kept is not known here. What a build cannot use, because it knows no such setting, has other bounds, or finds it wrong
together with its environment, is left out with its reason, and the value of the start counts: a server must not stay away for it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from secureapi.settings import rules
from secureapi.settings.fields import About
from secureapi.settings.model import Settings
from secureapi.settings.reading import value_in

Overrides = Mapping[str, str]
"""Texts by the names of settings, as `{"LOGIN_RATE_LIMIT": "10/minute"}`."""


class NotHere(ValueError):
    """There is no such setting."""


class NotChangeable(ValueError):
    """It is wiring, or a secret, and what was made of it at the start stays."""


@dataclass(frozen=True, slots=True)
class Combined:
    """Settings of the start with overrides over them."""

    settings: Settings
    unusable: Mapping[str, str]
    """Overrides that do not count, and why, in a sentence that repeats no value."""


@cache
def changeable() -> Mapping[str, dataclasses.Field[Any]]:
    """The settings that may change while the server runs, by name, in the order in which they are declared."""
    return {field.name.upper(): field for field in dataclasses.fields(Settings) if _about(field).changeable}


def written(value: object) -> str:
    """A value as the text that is kept. Read again it is the same."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # Never with an exponent, which is not read.
        return repr(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return str(value)


def field_named(name: str) -> dataclasses.Field[Any]:
    """A setting that may change. Raises `NotHere`, `NotChangeable`."""
    field = changeable().get(name)
    if field is None:
        if any(name == other.name.upper() for other in dataclasses.fields(Settings)):
            raise NotChangeable("cannot change while the server runs; set it in the environment")
        raise NotHere("is not a setting of this version")
    return field


def read(name: str, text: str) -> Any:
    """What an override says. Raises likewise, and `ValueError` with what is wrong with the text."""
    field = field_named(name)
    if not text.strip():
        raise ValueError("must not be empty; null takes the value back")
    return value_in(text.strip(), field)


def combined(start: Settings, overrides: Overrides) -> Combined:
    """The settings that follow. Of those that are wrong only together, all that the rule looks at are left out: never half a pair."""
    usable: dict[str, Any] = {}
    unusable: dict[str, str] = {}
    for name, text in overrides.items():
        try:
            usable[name] = read(name, text)
        except ValueError as error:
            unusable[name] = str(error)
    if not usable:
        return Combined(start, unusable)
    before = {fault.says for fault in rules.faults_with_names(start)}
    while usable:
        settings = dataclasses.replace(start, **{name.lower(): value for name, value in usable.items()})
        new = [fault for fault in rules.faults_with_names(settings) if fault.says not in before]
        if not new:
            return Combined(settings, unusable)
        for fault in new:
            # A rule that has asked for none of them cannot be mended by leaving some out: then none of them counts.
            involved = [name for name in usable if name.lower() in fault.names] or list(usable)
            for name in involved:
                unusable[name] = f"does not go together with the others: {fault.says}"
                del usable[name]
    return Combined(start, unusable)


def _about(field: dataclasses.Field[Any]) -> About:
    about: About = field.metadata["about"]
    return about
