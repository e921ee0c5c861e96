"""Whether what would be committed names a machine: registry hosts in a lock file, folders of somebody's home, private keys."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).resolve().parents[1]
_LOCK_FILES = "requirements/"
_NAMES_A_PLACE = re.compile(r"://|^\s*--?(index-url|i|extra-index-url|find-links|f|trusted-host)\b|^\S+ @ |\bfile:")
_HOME = re.compile(r"(?<![\w.~$}])/(?:home|Users)/[a-z][\w.-]*/|(?<![\w.~$}])/root(?=/)")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{16}")
_SHARED_PLACES = ("/opt/", "/srv/", "/app", "/usr/", "/var/")
"""Where a service is installed: documents may well speak of such a folder, and a check-out may stand there."""
_PUBLIC_HOSTS = frozenset({"pypi.org", "files.pythonhosted.org", ""})


def main() -> int:
    """Print what is wrong, a line each; 1 when there is any."""
    faults = [f"{name}: {fault}" for name in _committed() for fault in _faults(name)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def _faults(name: str) -> Iterator[str]:
    if Path(name).name == ".env" or name.startswith("var/"):
        yield "must not be committed"
    try:
        text = (FOLDER / name).read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if name.startswith(_LOCK_FILES) and _NAMES_A_PLACE.search(line.partition("#")[0]):
            yield f"line {number} names a registry or a place; make it again with: make lock"
        if _HOME.search(line) or any(place in line for place in _PLACES):
            yield f"line {number} names a folder or a registry of this machine"
    if _PRIVATE_KEY.search(text):
        yield "holds a private key"


def _committed() -> list[str]:
    """Files under version control and those that would be; without git, everything but what tools make."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return sorted({name for name in listed.stdout.split("\0") if name and (FOLDER / name).is_file()})
    made = {".git", ".venv", "var", "__pycache__"}
    names = (path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file())
    return sorted(str(name) for name in names if not made & set(name.parts))


def _places() -> Iterator[str]:
    """The check-out's own folder, and the registries that this machine is told to use."""
    if len(FOLDER.parts) > 2 and not str(FOLDER).startswith(_SHARED_PLACES):  # noqa: PLR2004 - / and one name say nothing
        yield f"{FOLDER}/"
    told = [value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")) and "://" in value]
    configured = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    told += configured.stdout.split("'")
    for word in " ".join(told).split():
        host = urlsplit(word).hostname or ""
        if host not in _PUBLIC_HOSTS:
            yield host


_PLACES = tuple(_places())

if __name__ == "__main__":
    sys.exit(main())
