"""secureapi as a contestant of the side-by-side benchmark: what `contestant.toml` runs.

    setup                          make .venv from requirements/app.txt, with the project of this checkout in it
    init                           migrations and a signing key in $BENCH_DSN; prints the hash of $BENCH_PASSWORD
    tokens                         e-mails on standard input, an access token each on standard output
    serve WORKERS THREADS PORT     becomes gunicorn, with the project's own gunicorn.conf.py

Everything is on, as in production, but for what is said aloud in `settings_of`: no TLS to the stores, since the bench's have none,
no grace for used refresh tokens, access tokens of a day, and limits that one address cannot reach. Nothing of the caller's
environment but BENCH_* decides anything, and no `.env` is read.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path.cwd()
"""The contestant's folder, which may be a copy or a link."""
ROOT = Path(os.environ.get("SECUREAPI_ROOT") or Path(__file__).resolve().parents[2])
"""The checkout. A copy of this folder needs to be told."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONUNBUFFERED")
_OUT_OF_REACH = "100000/minute"
_NO_FILE = os.devnull


def settings_of(*, workers: int = 2, threads: int = 8, port: int = 8000, log_level: str = "INFO") -> dict[str, str]:
    """The variables of a production installation over the benchmark's stores.

    The secret must stay the same between `init`, `tokens` and `serve`, because the signing key is encrypted with it.
    """
    return {
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "https://bench.example.com",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "WEB_THREADS": str(threads),
        "SECRET_KEY": _derived("secret-key"),
        "PASSWORD_PEPPER": _derived("pepper"),
        "DATABASE_URL": os.environ["BENCH_DSN"],
        "DATABASE_REQUIRE_TLS": "false",
        "REDIS_URL": f"redis://127.0.0.1:{os.environ['BENCH_REDIS_PORT']}/0",
        "REDIS_REQUIRE_TLS": "false",
        "ACCESS_TOKEN_EXPIRE_MINUTES": "1440",
        "REFRESH_REUSE_GRACE_SECONDS": "0",
        "BCRYPT_ROUNDS": "12",
        "RATE_LIMIT_PER_MINUTE": "1000000",
        "LOGIN_RATE_LIMIT": _OUT_OF_REACH,
        "REGISTER_RATE_LIMIT": _OUT_OF_REACH,
        "REFRESH_RATE_LIMIT": _OUT_OF_REACH,
        "LOG_LEVEL": log_level,
        "LOG_FORMAT": "json",
        "SECUREAPI_DOTENV": _NO_FILE,
    }


def set_up() -> None:
    """A virtual environment of the locked dependencies and nothing else, and the project as it is in the checkout."""
    made = HERE / ".venv"
    venv.create(made, with_pip=True)
    pip = [made / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements" / "app.txt"], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", ROOT], check=True)


def init() -> None:
    """Tables and a signing key, and the hash that every user of the benchmark gets."""
    _be_quiet()
    from flask_migrate import upgrade  # noqa: PLC0415 - not there yet when `setup` runs

    from secureapi import create_app  # noqa: PLC0415
    from secureapi.auth.keys import KeyRing  # noqa: PLC0415
    from secureapi.core.requests import Client  # noqa: PLC0415
    from secureapi.core.services import service  # noqa: PLC0415
    from secureapi.security.passwords import PasswordHasher  # noqa: PLC0415

    app = create_app()
    with app.app_context():
        upgrade()
        service(KeyRing).ensure(Client.of_command_line())
        hashed = service(PasswordHasher).hash(os.environ["BENCH_PASSWORD"])
    print(hashed, flush=True)


def tokens() -> None:
    """A session in the database and an access token of it for each e-mail; a thousand logins would hash for minutes."""
    _be_quiet()
    from sqlalchemy import delete  # noqa: PLC0415

    from secureapi import create_app  # noqa: PLC0415
    from secureapi.auth.access_tokens import AccessTokens  # noqa: PLC0415
    from secureapi.auth.keys import KeyRing  # noqa: PLC0415
    from secureapi.auth.models import UserSession  # noqa: PLC0415
    from secureapi.auth.refresh_tokens import RefreshTokens  # noqa: PLC0415
    from secureapi.auth.repository import SessionRepository  # noqa: PLC0415
    from secureapi.auth.service.sign_in import BY_PASSWORD  # noqa: PLC0415
    from secureapi.core.database import Database  # noqa: PLC0415
    from secureapi.core.identifiers import new_id  # noqa: PLC0415
    from secureapi.core.secret_values import SecretBox  # noqa: PLC0415
    from secureapi.core.services import service  # noqa: PLC0415
    from secureapi.settings import Settings  # noqa: PLC0415
    from secureapi.users.repository import UserRepository  # noqa: PLC0415

    app = create_app()
    with app.app_context():
        settings = service(Settings)
        access_tokens = AccessTokens(app, settings, service(KeyRing))
        refresh_tokens = RefreshTokens(SecretBox(settings.secret_key))
        issued = []
        with service(Database).transaction() as session:
            # What the last run left behind would make this one look worse.
            session.connection().execute(delete(UserSession))
            users, sessions = UserRepository(session), SessionRepository(session)
            for email in sys.stdin.read().split():
                user = users.find_by_login(email)
                if user is None:
                    raise SystemExit(f"no user has the address {email}")
                opened = _session_of(user.id, refresh_tokens.first(new_id()), settings, BY_PASSWORD)
                sessions.add(opened)
                issued.append(
                    access_tokens.issue(
                        user_id=user.id,
                        session_id=opened.id,
                        role=user.role,
                        authenticated_at=opened.authenticated_at,
                        methods=opened.methods,
                    )
                )
    print("\n".join(issued), flush=True)


def serve(workers: int, threads: int, port: int) -> None:
    """Become gunicorn, so that its process is the one the benchmark measures and stops."""
    gunicorn = HERE / ".venv" / "bin" / "gunicorn"
    variables = _inherited() | settings_of(workers=workers, threads=threads, port=port)
    os.chdir(ROOT)
    os.execve(gunicorn, [str(gunicorn), "--config", str(ROOT / "gunicorn.conf.py")], variables)  # noqa: S606 - no shell is wanted


def _session_of(user_id, token, settings, methods):
    from datetime import UTC, datetime  # noqa: PLC0415

    from secureapi.auth.models import UserSession  # noqa: PLC0415

    now = datetime.now(UTC)
    return UserSession(
        id=token.session_id,
        user_id=user_id,
        token_hash=token.hash,
        generation=0,
        created_at=now,
        last_used_at=now,
        idle_expires_at=now + settings.refresh_token_lifetime,
        expires_at=now + settings.session_lifetime,
        authenticated_at=now,
        methods=methods,
        address="127.0.0.1",
        user_agent="benchmark",
    )


def _derived(purpose: str) -> str:
    """Random-looking, the same in every command of a run, and of no use anywhere else."""
    return hashlib.sha256(f"{purpose}|{os.environ['BENCH_SECRET']}".encode()).hexdigest()


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _be_quiet() -> None:
    """Put the settings into the environment of this process, with logs that keep out of its standard output."""
    bench = {name: value for name, value in os.environ.items() if name.startswith("BENCH_")}
    variables = _inherited() | bench | settings_of(log_level="ERROR")
    os.environ.clear()
    os.environ.update(variables)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["setup"]:
            set_up()
        case ["init"]:
            init()
        case ["tokens"]:
            tokens()
        case ["serve", workers, threads, port]:
            serve(int(workers), int(threads), int(port))
        case _:
            raise SystemExit(__doc__)
