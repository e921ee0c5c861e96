"""The service itself: where it runs, under which address, and how many workers it has."""

from dataclasses import dataclass

from secureapi.settings import values
from secureapi.settings.fields import setting


@dataclass(frozen=True, kw_only=True)
class Service:
    """Fields of `Settings`."""

    app_name: str = setting("secureapi", "The name people see: in the API documentation and in messages.", group="Service")
    environment: str = setting(
        "production",
        "Where this runs. `development` allows plain http cookies and shows logs for people; the rest is the same everywhere.",
        group="Service",
        choices=("development", "testing", "staging", "production"),
    )
    debug: bool = setting(
        False, "Must stay off: a debugger answers strangers. Accepted so that `DEBUG=false` of older files is no fault.", group="Service"
    )
    public_url: str = setting(
        "http://127.0.0.1:8000",
        "The address under which clients reach this service, without a trailing slash. It is the issuer of tokens and the start of "
        "every link in a message; the Host header is never used for either. Not set: this machine's loopback address with PORT.",
        group="Service",
        parse=values.http_url,
        example="https://auth.example.com",
    )
    port: int = setting(8000, "The port that `make run` and gunicorn listen on.", group="Service", least=1, most=65535)
    bind_address: str = setting(
        "127.0.0.1", "The address that gunicorn listens on. Put a reverse proxy in front before opening it.", group="Service"
    )
    web_concurrency: int = setting(
        1,
        "How many worker processes gunicorn starts. More than one needs PostgreSQL and Redis.",
        group="Service",
        least=1,
        most=256,
    )
    web_threads: int = setting(
        48,
        "How many threads each worker has; requests beyond that wait. Logins wait for their turn to be hashed in them, so there must be "
        "more than those for everybody else.",
        group="Service",
        least=1,
        most=256,
    )
    plugins: tuple[str, ...] = setting(
        (),
        "Names of extensions in installed packages whose endpoints shall answer here (entry points of `secureapi.blueprints`). An "
        "installed package that is not named opens nothing.",
        group="Service",
        parse=values.words,
        example="notes",
    )
    unversioned_paths: bool = setting(
        True,
        "Whether `/auth`, `/users` and `/security` answer without `/api/v1`, as two of the seed documents write them.",
        group="Service",
    )
    docs_access: str = setting(
        "public",
        "Who may read `/docs` and `/openapi.json`: everybody, callers with `admin:read`, or nobody (404).",
        group="Service",
        choices=("public", "admin", "off"),
    )
    security_contact: str = setting(
        "",
        "The contact in `/.well-known/security.txt` (RFC 9116): a `mailto:` or `https:` address. Empty: the file answers 404.",
        group="Service",
        example="mailto:security@example.com",
    )
