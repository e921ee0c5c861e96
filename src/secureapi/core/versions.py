"""The versions of this API, as one register: which is in force, which are deprecated, and which are gone.

A deprecated version answers as before, and says with every answer since when it is deprecated (RFC 9745), when it will be gone
(RFC 8594) and what comes after it (RFC 5829). One that was removed answers 410 to everything, and names its successor too: whoever
still calls it learns what to do, where a 404 would have him look for a mistake of his own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flask import Flask, Response, request
from werkzeug.http import http_date

from secureapi.core.errors import Gone

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


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
    """The version that is in force. Raises `ValueError` unless there is exactly one, and each successor is in the register."""
    names = {version.name for version in versions}
    lost = [version.name for version in versions if version.successor and version.successor not in names]
    in_force = [version for version in versions if version.state is State.IN_FORCE]
    if len(names) != len(versions) or lost or len(in_force) != 1:
        raise ValueError("one version is in force, names are used once, and every successor is a version")
    return in_force[0]


def init_versions(app: Flask, versions: Sequence[ApiVersion]) -> None:
    """Have every answer below a version's path say what there is to say about that version."""
    told = {version.path: version for version in versions if version.state is not State.IN_FORCE}
    if not told:
        return
    paths = {version.name: version.path for version in versions}

    @app.after_request
    def _tell(response: Response) -> Response:
        found = next((v for path, v in told.items() if request.path == path or request.path.startswith(f"{path}/")), None)
        if found is not None:
            _announce(response, found, successor=paths[found.successor])
        return response


def refuse_removed(**_path: str) -> Response:
    """What every address of a removed version does."""
    raise Gone


def _announce(response: Response, version: ApiVersion, *, successor: str) -> None:
    response.headers.add("Link", f'<{successor}>; rel="successor-version"')
    if version.deprecated_at:
        # A date of structured fields (RFC 9651 section 3.3.7): seconds since the epoch behind an @.
        response.headers["Deprecation"] = f"@{int(version.deprecated_at.timestamp())}"
    if version.removed_at:
        response.headers["Sunset"] = http_date(version.removed_at)
