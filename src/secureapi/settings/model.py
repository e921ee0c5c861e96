"""All settings in one object, and what follows from several of them."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from secureapi.settings.groups import Accounts, Edge, Limits, Logs, Mail, Passwords, Secrets, Service, Stores, Tokens
from secureapi.settings.threads import Threads
from secureapi.settings.values import Rate


# Python lists inherited fields from the last base to the first.
@dataclass(frozen=True, kw_only=True)
class Settings(Logs, Mail, Edge, Limits, Passwords, Accounts, Tokens, Stores, Secrets, Service):
    """Everything that can be decided from outside, as one version of it. Never printed with its values."""

    @property
    def now(self) -> "Settings":
        """Itself: these never change. `SettingsInForce` has the same word for those that may."""
        return self

    @property
    def is_embedded_database(self) -> bool:
        """SQLite rather than PostgreSQL."""
        return self.database_url.startswith("sqlite")

    @property
    def api_rate_limit(self) -> Rate:
        """The general budget, from whichever pair of names was used."""
        if self.rate_limit_max_requests:
            return Rate(self.rate_limit_max_requests, self.rate_limit_window_seconds)
        return Rate(self.rate_limit_per_minute, 60)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_expire_minutes)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_expire_days)

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(days=self.session_lifetime_days)

    @property
    def reauthentication_max_age(self) -> timedelta:
        return timedelta(minutes=self.reauthentication_max_age_minutes)

    @property
    def signing_key_overlap(self) -> timedelta:
        return timedelta(hours=self.signing_key_overlap_hours)

    @property
    def account_lockout(self) -> timedelta:
        return timedelta(minutes=self.account_lockout_minutes)

    @property
    def token_audience(self) -> str:
        return self.jwt_audience or self.public_url

    @property
    def threads(self) -> Threads:
        """How the threads of each worker are shared out."""
        return Threads.of(self.web_threads)

    @property
    def delivers_in_server(self) -> bool:
        """Whether a thread of the server empties the outbox."""
        is_alone = self.is_embedded_database and self.web_concurrency == 1
        return self.outbox_in_server == "on" or (self.outbox_in_server == "auto" and is_alone)

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, where there is one."""
        path = make_url(self.database_url).database if self.is_embedded_database else None
        return Path(path) if path and path != ":memory:" else None

    def __repr__(self) -> str:
        return "<Settings>"
