"""Limits: how many requests, and how large."""

from dataclasses import dataclass

from secureapi.settings import values
from secureapi.settings.fields import setting
from secureapi.settings.values import Rate


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Fields of `Settings`."""

    rate_limit_per_minute: int = setting(
        60,
        "Requests a minute for each session, and for each address without one.",
        group="Limits",
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    rate_limit_max_requests: int = setting(
        0,
        "The same in the other seed's words, together with RATE_LIMIT_WINDOW_SECONDS. 0: RATE_LIMIT_PER_MINUTE decides.",
        group="Limits",
        least=0,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    rate_limit_window_seconds: int = setting(
        60, "The window of RATE_LIMIT_MAX_REQUESTS, in seconds.", group="Limits", least=1, most=86400, changeable=True
    )
    login_rate_limit: Rate = setting(
        Rate(5, 60), "Logins for each address.", group="Limits", parse=values.rate, least=1, most=values.MOST_REQUESTS, changeable=True
    )
    register_rate_limit: Rate = setting(
        Rate(3, 60),
        "Registrations for each address.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    register_global_rate_limit: Rate = setting(
        Rate(600, 3600),
        "Registrations by everybody together, so that many addresses cannot fill the table of accounts.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    recovery_rate_limit: Rate = setting(
        Rate(5, 60),
        "Messages about a lost password or an address that are asked for, and uses of the links in them, for each address.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    refresh_rate_limit: Rate = setting(
        Rate(30, 60), "Refreshes for each address.", group="Limits", parse=values.rate, least=1, most=values.MOST_REQUESTS, changeable=True
    )
    client_rate_limit: Rate = setting(
        Rate(600, 60),
        "Introspections and revocations for each client.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    max_api_keys_per_user: int = setting(
        20,
        "How many API keys one account may have at a time. Revoked and expired ones do not count.",
        group="Limits",
        least=0,
        most=1000,
        changeable=True,
    )
    api_key_max_days: int = setting(
        365,
        "How long an API key may be good, and is where nothing else is asked for, in days.",
        group="Limits",
        least=1,
        most=3650,
        changeable=True,
    )
    api_key_max_requests_per_minute: int = setting(
        600,
        "The most that somebody may allow one of his API keys, in requests a minute. A key that says nothing has RATE_LIMIT_PER_MINUTE.",
        group="Limits",
        least=1,
        most=1_000_000,
        changeable=True,
    )
    password_check_rate_limit: Rate = setting(
        Rate(30, 60),
        "Passwords that are tried against the policy before they are chosen, for each address.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    profile_rate_limit: Rate = setting(
        Rate(30, 60),
        "Changes of one's own account, for each user: asking for taken names tells who has an account.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    user_import_rate_limit: Rate = setting(
        Rate(10, 60),
        "Requests with people of another system, of a hundred rows at most, for each administrator.",
        group="Limits",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    limits_fallback_share: float = setting(
        0.5,
        "While Redis is away each process counts by itself what guards neither guesses nor mail: it allows the rate, divided by "
        "WEB_CONCURRENCY, times this. Smaller for more hosts.",
        group="Limits",
        least=0.01,
        most=1,
        changeable=True,
    )
    max_body_bytes: int = setting(1024 * 1024, "The largest request body, in bytes. More is answered with 413.", group="Limits", least=1024)
