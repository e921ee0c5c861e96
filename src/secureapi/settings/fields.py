"""How a setting is declared: a dataclass field that carries its documentation and its limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Required:
    """The default of a setting that has none."""

    def __repr__(self) -> str:
        return "(required)"


REQUIRED: Any = Required()


@dataclass(frozen=True, slots=True)
class About:
    """What there is to know about one setting besides its name and its type."""

    doc: str
    """One or more sentences: meaning, unit, and what happens at the edges."""
    group: str
    aliases: tuple[str, ...] = ()
    """Other spellings that the seed documents and operators use. Setting two of them to different values is a fault."""
    secret: bool = False
    """Whether the value must never be shown, not even by `flask config show`."""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None
    """Reads the text where the type does not say how. Raises `ValueError` with a remedy that repeats nothing of the text."""
    example: str = ""
    """What `.env.example` suggests where the default would not help."""


def setting(
    default: Any,
    doc: str,
    *,
    group: str,
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[str], Any] | None = None,
    example: str = "",
) -> Any:
    """A field of `Settings`."""
    about = About(doc, group, aliases, secret, least, most, choices, parse, example)
    if default is REQUIRED:
        return field(metadata={"about": about})
    return field(default=default, metadata={"about": about})
