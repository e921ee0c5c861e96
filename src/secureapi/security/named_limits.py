"""The table of named limits: how often, and what for. Filled from settings; what is counted, and where, is not decided here."""

from dataclasses import dataclass
from enum import StrEnum

from secureapi.settings import Settings
from secureapi.settings.values import Rate

GENERAL = "api"
"""The limit of every endpoint that names no other."""
UNLIMITED = ""
"""For probes, which must be answered whatever happens."""
_DEVICES = 4
"""So many devices of one account may sign in as often as one address may."""


class Protects(StrEnum):
    """What a limit protects: what somebody would do who was not held back."""

    SECRETS = "secrets"
    """Guess passwords, codes, links and secrets."""
    MAILBOXES = "mailboxes"
    """Have us send mail."""
    ACCOUNTS = "accounts"
    """Fill the house with accounts, or find out whose addresses are in it."""
    WORK = "work"
    """Keep the machine busy."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One named limit."""

    name: str
    rate: Rate
    protects: Protects = Protects.WORK

    @property
    def is_strict(self) -> bool:
        """Whether all workers and hosts must count together, whatever it costs: more machines must not mean more guesses."""
        return self.protects is not Protects.WORK


@dataclass(frozen=True, slots=True)
class Spent:
    """What is left of a limit after a request was counted."""

    name: str
    rate: Rate
    """The one in force at that moment: while Redis is away, not the one of the settings."""
    remaining: int
    resets_in: float
    """Seconds until more of the budget is back, the oldest request first; in the database, until all of it is."""
    is_exceeded: bool = False


def limits_of(settings: Settings) -> dict[str, Limit]:
    """The table."""
    table = (
        Limit(GENERAL, settings.api_rate_limit),
        Limit("login", settings.login_rate_limit, Protects.SECRETS),
        # All devices of an account together: whoever collects devices of his own must not have a limit for each.
        Limit("login_devices", Rate(settings.login_rate_limit.requests * _DEVICES, settings.login_rate_limit.seconds), Protects.SECRETS),
        Limit("register", settings.register_rate_limit, Protects.ACCOUNTS),
        # Everybody together: whoever has ten thousand addresses has not ten thousand budgets.
        Limit("register_all", settings.register_global_rate_limit, Protects.ACCOUNTS),
        Limit("recovery", settings.recovery_rate_limit, Protects.MAILBOXES),
        Limit("refresh", settings.refresh_rate_limit),
        Limit("client", settings.client_rate_limit),
        # Wrong secrets of clients, by address. By itself: a service that has missed a new secret must not take everybody's sign-ins.
        Limit("client_guess", settings.login_rate_limit, Protects.SECRETS),
        Limit("metrics_guess", settings.login_rate_limit, Protects.SECRETS),
        Limit("password_check", settings.password_check_rate_limit),
        Limit("profile", settings.profile_rate_limit),
        Limit("user_import", settings.user_import_rate_limit),
    )
    return {limit.name: limit for limit in table}
