"""The systems that people come from. A format says how its file is cut into records, and what a record says of somebody."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from secureapi.users.importing.formats import auth0, django, firebase, keycloak, own, supabase
from secureapi.users.importing.newcomer import Newcomer
from secureapi.users.importing.records import Record, read_csv, read_json_list, read_ndjson


@dataclass(frozen=True, slots=True)
class Format:
    """How one system's file is read."""

    read: Callable[[BinaryIO], Iterator[Record]]
    """Raises `Malformed` where a file is not of the format at all."""
    understand: Callable[[Mapping[str, Any]], Newcomer]
    """Raises `Invalid` for a record that does not say what it should."""


FORMATS: dict[str, Format] = {
    "csv": Format(partial(read_csv, required=frozenset({"email"}), known=own.COLUMNS), own.understand_cells),
    "ndjson": Format(read_ndjson, own.understand),
    "auth0": Format(read_ndjson, auth0.understand),
    "django": Format(read_ndjson, django.understand),
    "firebase": Format(read_json_list, partial(firebase.understand, None)),
    "keycloak": Format(read_json_list, keycloak.understand),
    "supabase": Format(partial(read_csv, required=supabase.REQUIRED), supabase.understand),
}


def firebase_with(parameters: firebase.HashParameters) -> Format:
    """Firebase's format, with the hashes of one project."""
    return Format(read_json_list, partial(firebase.understand, parameters))
