"""Secrets: one is enough, and others are derived from it."""

from dataclasses import dataclass

from secureapi.settings import values
from secureapi.settings.fields import REQUIRED, setting


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Fields of `Settings`."""

    secret_key: str = setting(
        REQUIRED,
        "The one secret that others are derived from: encryption of the signing keys, refresh tokens, keyed hashes. At least 32 "
        "characters of randomness. Changing it ends every session.",
        group="Secrets",
        secret=True,
        example="(python3 -c 'import secrets; print(secrets.token_urlsafe(48))')",
    )
    jwt_secret_key: str = setting(
        "",
        "The shared secret of `JWT_ALGORITHM=HS256`, at least 32 characters. Not used by the other algorithms.",
        group="Secrets",
        secret=True,
    )
    key_encryption_key: str = setting(
        "",
        "Encrypts the signing keys in the database, so that SECRET_KEY can be changed without losing them. At least 32 characters. "
        "Losing or changing it makes new signing keys. Empty: derived from SECRET_KEY.",
        group="Secrets",
        secret=True,
    )
    password_pepper: str = setting(
        "",
        "Mixed into every password hash and kept outside the database, so that a stolen table alone cannot be attacked. At least 32 "
        "characters. Losing it invalidates every password made with it. To change it, add the former one to PASSWORD_PEPPERS_OLD. Empty: "
        "derived from SECRET_KEY; setting it later invalidates nothing, as long as SECRET_KEY stays.",
        group="Secrets",
        secret=True,
    )
    metrics_token: str = setting(
        "",
        "The bearer token with which `/metrics` is read, at least 32 characters. Empty: nothing is counted for it, and it answers 404.",
        group="Secrets",
        secret=True,
    )
    password_peppers_old: tuple[str, ...] = setting(
        (),
        "Former values of PASSWORD_PEPPER, separated by commas. Passwords hashed with one of them stay good, and each is hashed with the "
        "present one at its next login. Remove one when no account's hash names it any more.",
        group="Secrets",
        secret=True,
        parse=values.words,
    )
