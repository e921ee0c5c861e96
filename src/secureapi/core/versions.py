"""The versions of this API, as one register: which is in force, which are deprecated, and which are gone.

A deprecated version answers as before, and says with every answer since when it is deprecated (RFC 9745), when it will be gone
(RFC 8594) and what comes after it (RFC 5829). One that was removed answers 410 to everything, and names its successor too: whoever
still calls it learns what to do, where a 404 would have him look for a mistake of his own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest
from werkzeug.http import http_date

from secureapi.core.errors import Gone

_NAME = re.compile(r"v[0-9]{1,6}")


class State(StrEnum):
    """The life of a version, in this order and never back."""

    IN_FORCE = "in force"
    DEPRECATED = "deprecated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One version. Raises `ValueError` for one that says less than its state asks for."""

    name: str
    """As in its addresses: `v1` for `/api/v1`."""
    successor: str = ""
    """The name of the version to go to."""
    deprecated_at: datetime | None = None
    removed_at: datetime | None = None
    """When it is to be gone, or is since; in the future it is announced."""
    is_removed: bool = False
    """Whether its endpoints are gone from the code. Time alone removes nothing."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            # It stands in addresses and in headers.
            raise ValueError("a version is called v and a number")
        if any(moment and moment.tzinfo is None for moment in (self.deprecated_at, self.removed_at)):
            raise ValueError(f"{self.name} is deprecated or removed at a moment of no time zone")
        if self.state is not State.IN_FORCE and not self.successor:
            raise ValueError(f"{self.name} is {self.state} and names no successor")
        if self.removed_at and self.deprecated_at and self.removed_at < self.deprecated_at:
            # RFC 9745 section 4.
            raise ValueError(f"{self.name} is removed before it is deprecated")
        if self.removed_at and not self.deprecated_at:
            raise ValueError(f"{self.name} is to be removed and was never deprecated")

    @property
    def state(self) -> State:
        if self.is_removed:
            return State.REMOVED
        return State.DEPRECATED if self.deprecated_at else State.IN_FORCE

    @property
    def path(self) -> str:
        return f"/api/{self.name}"


VERSIONS: tuple[ApiVersion, ...] = (ApiVersion("v1"),)
"""The register. To deprecate a version give it `deprecated_at` and a successor; to remove it, `is_removed`."""


def current(versions: Sequence[ApiVersion]) -> ApiVersion:
    """The version that is in force. Raises `ValueError` unless there is exactly one, to which whoever follows the successors comes."""
    known = {version.name: version for version in versions}
    in_force = [version for version in versions if version.state is State.IN_FORCE]
    if len(known) != len(versions) or len(in_force) != 1 or not all(_leads(version, known) for version in versions):
        raise ValueError("one version is in force, names are used once, and successors lead there over versions that answer")
    return in_force[0]


def _leads(version: ApiVersion, known: Mapping[str, ApiVersion]) -> bool:
    """Whether somebody who goes from successor to successor comes to the version in force, and to none that is gone on the way."""
    for _ in known:
        if version.state is State.IN_FORCE:
            return True
        successor = known.get(version.successor)
        if successor is None or successor.state is State.REMOVED:
            return False
        version = successor
    return False


def init_versions(app: Flask, versions: Sequence[ApiVersion]) -> None:
    """Have every answer below a version's path say what there is to say about that version."""
    told = {version.path: version for version in versions if version.state is not State.IN_FORCE}
    if not told:
        return
    paths = {version.name: version.path for version in versions}

    def asked() -> ApiVersion | None:
        return next((v for path, v in told.items() if request.path == path or request.path.startswith(f"{path}/")), None)

    def refuse_removed() -> None:
        found = asked()
        # A host that is none of ours is refused as everywhere.
        if found and found.state is State.REMOVED and not isinstance(request.routing_exception, BadRequest):
            raise Gone

    # First of all: nothing of such a request is looked at, neither its method nor its path, its body or who is calling.
    app.before_request_funcs.setdefault(None, []).insert(0, refuse_removed)

    @app.after_request
    def _tell(response: Response) -> Response:
        found = asked()
        if found is not None:
            _announce(response, found, successor=paths[found.successor])
        return response


def _announce(response: Response, version: ApiVersion, *, successor: str) -> None:
    response.headers.add("Link", f'<{successor}>; rel="successor-version"')
    if version.deprecated_at:
        # A date of structured fields (RFC 9651 section 3.3.7): seconds since the epoch behind an @.
        response.headers["Deprecation"] = f"@{int(version.deprecated_at.timestamp())}"
    if version.removed_at:
        response.headers["Sunset"] = http_date(version.removed_at)
