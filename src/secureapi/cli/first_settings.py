"""The `.env` that `flask init` makes where there is none: random secrets, a database beside it, and limits for trying things out."""

import contextlib
import dataclasses
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from secureapi.cli.surroundings import is_given
from secureapi.settings import Settings

_FIELDS = {field.name.upper(): field for field in dataclasses.fields(Settings)}
_REQUIRED = tuple(name for name, field in _FIELDS.items() if field.default is dataclasses.MISSING)


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """One setting of the file, under the reason for it."""

    name: str
    value: str
    reason: str


def make_dotenv(path: Path, given: Mapping[str, str]) -> str:
    """Make the file where it is missing and needed; what was done, in words.

    `given` is the environment. Where that says everything already, as in a container, there is no file: its development settings
    and its random pepper would silently mix into the configuration of somebody else. Never overwrites.
    """
    if path.exists():
        return "already there"
    if all(is_given(_FIELDS[name], given) for name in _REQUIRED):
        return "come from the environment"
    text = "".join(_text(given))
    return f"made {path} with random secrets" if _put(path, text) else "already there"


def _lines() -> Iterator[_Line]:
    yield _Line("ENVIRONMENT", "development", "For trying things out. Remove it where other people get in: it is `production` then.")
    yield _Line("SECRET_KEY", secrets.token_urlsafe(48), "Other secrets are derived from it. Changing it ends every session.")
    yield _Line("PASSWORD_PEPPER", secrets.token_urlsafe(48), "Mixed into every password hash. Without it every password is lost.")
    yield _Line("DATABASE_URL", "sqlite:///var/secureapi.db", "SQLite, from the folder that the server runs in. Or postgresql://...")
    yield _Line("LOG_FORMAT", "console", "For people; `json` for programs.")
    yield _Line("LOGIN_RATE_LIMIT", "60/minute", "Logins for each address. The default is 5/minute; here all come from one machine.")
    yield _Line("REGISTER_RATE_LIMIT", "60/minute", "Registrations for each address. The default is 3/minute.")
    yield _Line("REFRESH_RATE_LIMIT", "120/minute", "Refreshes for each address. The default is 30/minute.")
    yield _Line("RATE_LIMIT_PER_MINUTE", "600", "Requests a minute for each user, and for each address without one. The default is 60.")


def _text(given: Mapping[str, str]) -> Iterator[str]:
    yield "# Made by `flask init`. Keep it to yourself, and keep it: the two secrets below are nowhere else.\n"
    yield "# docs/settings.md explains every setting. The environment wins over this file.\n"
    for line in _lines():
        if is_given(_FIELDS[line.name], given):
            yield f"\n# {line.name} came from the environment when this file was made.\n"
        else:
            yield f"\n# {line.reason}\n{line.name}={line.value}\n"


def _put(path: Path, text: str) -> bool:
    """Write the file in one piece, readable by its owner only. Whether it was not there yet.

    It gets its name when it is complete: whoever starts at the same moment sees the whole file or none, and the link fails where
    somebody was faster.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
            return True
        return False
    finally:
        draft.unlink()
