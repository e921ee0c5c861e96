"""What a stranger could learn with a stopwatch: requests about accounts of every kind, in turn, against a real server.

    python benchmarks/timing.py                                   # SQLite in a temporary folder
    python benchmarks/timing.py --database-url postgresql://…     # an empty database that may be filled
    python benchmarks/timing.py --rounds 200 --bcrypt-rounds 12

For each question (sign in, forgotten password, register) it asks about each kind of account once a round, in an order that changes, over
one connection, and prints medians, their distance from the first kind, and every difference in status, headers and body but for
moments, ids and what is left of the limit. Nothing here runs in the tests: figures are for people to read. Each account is asked about
once, so that the waiting time after several wrong passwords plays no part.
"""

import argparse
import http.client
import json
import os
import random
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
API = "/api/v1/auth"
PASSWORD = "Tall-Trees-42!"  # noqa: S105 - of accounts that live as long as this program
_MASKED = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|r=\d+|t=\d+|\d{2}:\d{2}:\d{2}|(?<=content-length: )\d+")
_OUT_OF_REACH = "1000000/minute"


@dataclass
class Asked:
    """What came of asking about one kind of account."""

    seconds: list[float] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--database-url", default="")
    wanted.add_argument("--rounds", type=int, default=200)
    wanted.add_argument("--bcrypt-rounds", type=int, default=12)
    options = wanted.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        variables = _variables(Path(folder), port, options.database_url, options.bcrypt_rounds)
        os.environ.clear()
        os.environ.update(variables)
        people = _filled(options.rounds)
        with _server(Path(folder), port):
            for title, question, kinds in _questions(people):
                _report(title, _asked(port, question, kinds, options.rounds))


def _variables(folder: Path, port: int, database_url: str, rounds: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    limits = ("LOGIN", "REGISTER", "REGISTER_GLOBAL", "RECOVERY")
    return (
        kept
        | {f"{name}_RATE_LIMIT": _OUT_OF_REACH for name in limits}
        | {
            "ENVIRONMENT": "testing",
            "SECURE_COOKIES": "false",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": database_url or f"sqlite:///{folder}/timing.db",
            "DATABASE_REQUIRE_TLS": "false",
            "PORT": str(port),
            "BCRYPT_ROUNDS": str(rounds),
            "EMAIL_VERIFICATION": "required",
            "MAIL_FOLDER": f"{folder}/mail",
            "OUTBOX_IN_SERVER": "off",
            "LOG_LEVEL": "ERROR",
            "SECUREAPI_DOTENV": os.devnull,
            "PYTHONPATH": str(ROOT / "src"),
        }
    )


def _filled(rounds: int) -> dict[str, list[str]]:
    """Accounts of every kind, by kind, as many as there are rounds."""
    from flask_migrate import upgrade  # noqa: PLC0415 - the environment must be in place before

    sys.path.insert(0, str(ROOT / "src"))
    from secureapi import create_app  # noqa: PLC0415
    from secureapi.core.database import Database, table_of  # noqa: PLC0415
    from secureapi.core.identifiers import new_id  # noqa: PLC0415
    from secureapi.core.services import service  # noqa: PLC0415
    from secureapi.security.models import Throttle  # noqa: PLC0415
    from secureapi.security.passwords import PasswordHasher  # noqa: PLC0415
    from secureapi.users.models import User  # noqa: PLC0415

    app = create_app()
    with app.app_context():
        upgrade()
    hashed, now = service(PasswordHasher, app).hash(PASSWORD), datetime.now(UTC)
    people: dict[str, list[str]] = {"known": [], "disabled": [], "locked": [], "unknown": []}
    with service(Database, app).writing() as connection:
        for kind, emails in people.items():
            for number in range(rounds):
                user_id, name = new_id(), f"{kind}-{number}"
                emails.append(f"{name}@example.com")
                if kind == "unknown":
                    continue
                connection.execute(
                    table_of(User).insert(),
                    {
                        "id": user_id,
                        "username": name,
                        "username_canonical": name,
                        "email": emails[-1],
                        "email_canonical": emails[-1],
                        "email_verified_at": now,
                        "password_hash": hashed,
                        "password_changed_at": now,
                        "role": "user",
                        "status": "disabled" if kind == "disabled" else "active",
                        "created_at": now,
                        "updated_at": now,
                    },
                )
                if kind == "locked":
                    row = {"key": f"password:{user_id}", "attempts": 6, "expires_at": now + timedelta(hours=1), "user_id": user_id}
                    connection.execute(table_of(Throttle).insert(), row)
    service(Database, app).dispose()
    return people


@contextmanager
def _server(folder: Path, port: int) -> Iterator[None]:
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "gunicorn", "wsgi:app"], cwd=ROOT, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise SystemExit((folder / "server.log").read_text())
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)


Question = Callable[[str], tuple[str, dict[str, Any]]]


def _questions(people: dict[str, list[str]]) -> Iterator[tuple[str, Question, dict[str, list[str]]]]:
    wrong = "Wrong-Trees-42!"

    def signing_in(password: str) -> Question:
        return lambda email: (f"{API}/login", {"email": email, "password": password})

    yield "sign in, wrong password", signing_in(wrong), people
    yield "sign in, right password", signing_in(PASSWORD), {kind: people[kind] for kind in ("unknown", "disabled", "locked")}
    yield "forgotten password", lambda email: (f"{API}/password/forgot", {"email": email}), people
    yield "confirm my address again", lambda email: (f"{API}/email/resend", {"email": email}), people

    def registering(email: str) -> tuple[str, dict[str, Any]]:
        return f"{API}/register", {"username": f"new-{secrets.token_hex(6)}", "email": email, "password": PASSWORD}

    yield "register", registering, people


def _asked(port: int, question: Question, kinds: dict[str, list[str]], rounds: int) -> dict[str, Asked]:
    found = {kind: Asked() for kind in kinds}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(5):
        _exchange(connection, *question(f"warm-{secrets.token_hex(4)}@example.com"))
    for number in range(rounds):
        for kind in random.sample(list(kinds), len(kinds)):
            seconds, answer = _exchange(connection, *question(kinds[kind][number]))
            found[kind].seconds.append(seconds)
            found[kind].answers.add(answer)
    connection.close()
    return found


def _exchange(connection: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> tuple[float, str]:
    began = time.perf_counter()
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read().decode()
    seconds = time.perf_counter() - began
    headers = "\n".join(f"{name.lower()}: {value}" for name, value in response.getheaders())
    return seconds, _MASKED.sub("*", f"{response.status}\n{headers}\n\n{content}")


def _report(title: str, found: dict[str, Asked]) -> None:
    first = statistics.median(next(iter(found.values())).seconds)
    print(f"\n{title}")
    for kind, asked in found.items():
        median = statistics.median(asked.seconds)
        slow = statistics.quantiles(asked.seconds, n=20)[-1]
        print(f"  {kind:10} median {median * 1000:8.2f} ms   p95 {slow * 1000:8.2f} ms   {(median / first - 1) * 100:+6.2f} %")
    answers = set().union(*(asked.answers for asked in found.values()))
    print(f"  answers: {'all alike' if len(answers) == 1 else 'DIFFERENT'} ({min(answers).partition(chr(10))[0]})")
    for answer in sorted(answers) if len(answers) > 1 else ():
        print("  --\n  " + answer.replace("\n", "\n  "))


if __name__ == "__main__":
    main()
