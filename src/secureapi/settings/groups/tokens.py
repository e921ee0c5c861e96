"""Tokens, sessions, signing keys and cookies."""

from dataclasses import dataclass

from secureapi.settings.fields import setting


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Fields of `Settings`."""

    jwt_algorithm: str = setting(
        "ES256",
        "How new access tokens are signed. Every algorithm but HS256 has a key pair of its own, kept encrypted in the database.",
        group="Tokens",
        choices=("ES256", "RS256", "EdDSA", "HS256"),
    )
    jwt_audience: str = setting("", "The `aud` of access tokens. Empty: PUBLIC_URL.", group="Tokens")
    access_token_expire_minutes: int = setting(
        15,
        "How long an access token is good, in minutes.",
        group="Tokens",
        aliases=("JWT_ACCESS_TOKEN_EXPIRE_MINUTES",),
        least=1,
        most=1440,
    )
    refresh_token_expire_days: int = setting(
        7,
        "How long a session may lie unused before it ends, in days: each refresh starts this anew.",
        group="Tokens",
        aliases=("JWT_REFRESH_TOKEN_EXPIRE_DAYS",),
        least=1,
        most=365,
    )
    session_lifetime_days: int = setting(
        30,
        "How long a session may last in all, in days, however often it is refreshed.",
        group="Tokens",
        least=1,
        most=365,
    )
    refresh_reuse_grace_seconds: int = setting(
        10,
        "For so long after a rotation the used refresh token gives the very same successor again (a lost answer, two browser tabs). "
        "It does not slide. 0: any reuse closes the session at once.",
        group="Tokens",
        least=0,
        most=60,
    )
    max_sessions_per_user: int = setting(
        50,
        "How many sessions one account may have at a time. One more ends the oldest.",
        group="Tokens",
        least=1,
        most=10_000,
        changeable=True,
    )
    device_token_days: int = setting(
        180,
        "How long a device that signed in is known, in days: strangers who try passwords cannot lock it out, and its owner is not told of "
        "a new device when it signs in again.",
        group="Tokens",
        least=1,
        most=3650,
    )
    reauthentication_max_age_minutes: int = setting(
        10,
        "How long ago somebody may have proved who he is for what is dangerous (a new password or address): after that the endpoint asks "
        "for `POST /auth/reauthenticate` first (RFC 9470).",
        group="Tokens",
        least=1,
        most=1440,
    )
    signing_key_rotation_days: int = setting(
        90,
        "How old the signing key gets before the next one takes its place, in days. 0: only `flask jwt keys rotate` changes it.",
        group="Tokens",
        least=0,
        most=3650,
    )
    signing_key_overlap_hours: int = setting(
        24,
        "How long a key that signs no more still verifies, in hours: longer than any access token lives and any verifier caches our keys.",
        group="Tokens",
        least=1,
        most=720,
    )
    secure_cookies: bool = setting(True, "Whether cookies are only sent over https. May be off in development only.", group="Tokens")
