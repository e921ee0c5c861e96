"""How fast people are imported, and in how much memory: rows per second, and the peak of the process.

    python benchmarks/importing.py                                   # a PostgreSQL of its own, as the tests start one
    python benchmarks/importing.py --database-url postgresql://…     # an empty database that may be filled
    python benchmarks/importing.py --rows 1000000 --kind ndjson

The rows are made up, each with a bcrypt hash of its own (of nothing: nobody looks at it until somebody signs in). The command is the one
that people run, in a process of its own. Memory is the most that it ever had; beside it stands that of an import of a hundred rows, so
that what grows with the file can be told from the interpreter and its libraries. Nothing here runs in the tests: figures are for people.
"""

import argparse
import json
import os
import random
import resource
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIGNS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_FEW = 100


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--database-url", default="")
    wanted.add_argument("--rows", type=int, default=100_000)
    wanted.add_argument("--kind", choices=["csv", "ndjson"], default="csv")
    options = wanted.parse_args()
    with tempfile.TemporaryDirectory() as folder, _database(options.database_url) as url:
        variables = _variables(url)
        _flask(variables, "db", "upgrade")
        small = _import(variables, Path(folder), options.kind, _FEW)
        large = _import(variables, Path(folder), options.kind, options.rows)
    print(f"{options.kind}: {large['created']} of {options.rows} rows created, {large['rows_per_second']} rows per second")
    print(f"peak memory {large['peak'] / 1024:.0f} MiB; with {_FEW} rows {small['peak'] / 1024:.0f} MiB")


def _import(variables: dict[str, str], folder: Path, kind: str, rows: int) -> dict[str, int]:
    path = folder / f"{rows}.{kind}"
    _write(path, kind, rows)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    answer = json.loads(_flask(variables, "user", "import", str(path), "--from", kind, "--json"))
    # The peak of the largest child so far: the large import comes last.
    return answer | {"peak": max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)}


def _write(path: Path, kind: str, rows: int) -> None:
    word = secrets.token_hex(3)
    with path.open("w", encoding="utf-8") as file:
        if kind == "csv":
            file.write("id,email,username,full_name,password_hash,email_verified,created_at\n")
        for number in range(rows):
            person = {
                "id": str(number),
                "email": f"person.{number}.{word}@example{number % 50}.com",
                "username": f"person-{number}-{word}",
                "full_name": f"Person Number {number}",
                "password_hash": f"$2b$12${''.join(random.choices(SIGNS, k=21))}e{''.join(random.choices(SIGNS, k=31))}",  # noqa: S311 - fits nothing
                "email_verified": "true",
                "created_at": "2024-05-01T10:00:00Z",
            }
            if kind == "csv":
                file.write(",".join(person.values()) + "\n")
            else:
                file.write(json.dumps(person) + "\n")


@contextmanager
def _database(url: str) -> Iterator[str]:
    if url:
        yield url
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from support.services import Services  # noqa: PLC0415 - only where no database was given

    services = Services(from_outside=False)
    try:
        yield services.addresses.create_database()
    finally:
        services.close()


def _variables(url: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return kept | {
        "ENVIRONMENT": "testing",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": url,
        "SECUREAPI_DOTENV": os.devnull,
        "LOG_LEVEL": "WARNING",
    }


def _flask(variables: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *command], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
