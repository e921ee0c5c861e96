"""What cannot be right together. Each rule gives sentences that begin with a setting's name and end with the remedy."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

from secureapi.settings.model import Settings

Rule = Callable[[Settings], Iterator[str]]

_LEAST_SECRET_LENGTH = 32
_LEAST_DISTINCT_CHARACTERS = 10
_SAMPLE = re.compile(
    r"change[-_ ]?(this|me)|your[-_ ]?secret|placeholder|super[-_ ]?secret|strong_password_here|insert[-_ ]", re.IGNORECASE
)
_ENCRYPTED_MODES = frozenset({"require", "verify-ca", "verify-full"})


def faults_of(settings: Settings) -> list[str]:
    """Everything that is wrong with these settings taken together, in the order of the rules."""
    return [fault for rule in _RULES for fault in rule(settings)]


def _secrets_are_random(settings: Settings) -> Iterator[str]:
    for name in ("secret_key", "jwt_secret_key", "password_pepper"):
        value = getattr(settings, name)
        if not value and name != "secret_key":
            continue
        remedy = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        if len(value) < _LEAST_SECRET_LENGTH:
            yield f"{name.upper()}: must have at least {_LEAST_SECRET_LENGTH} characters; {remedy}"
        elif _SAMPLE.search(value):
            yield f"{name.upper()}: is a known sample or placeholder; {remedy}"
        elif len(set(value)) < _LEAST_DISTINCT_CHARACTERS:
            yield f"{name.upper()}: repeats too few characters to be random; {remedy}"


def _secrets_differ(settings: Settings) -> Iterator[str]:
    secrets = [value for value in (settings.secret_key, settings.jwt_secret_key, settings.password_pepper) if value]
    if len(set(secrets)) < len(secrets):
        yield "SECRET_KEY: is used for more than one purpose; give SECRET_KEY, JWT_SECRET_KEY and PASSWORD_PEPPER a value each"


def _hs256_has_a_secret(settings: Settings) -> Iterator[str]:
    if settings.jwt_algorithm == "HS256" and not settings.jwt_secret_key:
        yield "JWT_SECRET_KEY: is required with JWT_ALGORITHM=HS256; set it, or use ES256, which needs none"


def _workers_share_their_stores(settings: Settings) -> Iterator[str]:
    if settings.web_concurrency == 1:
        return
    if settings.is_embedded_database:
        yield "WEB_CONCURRENCY: several workers need PostgreSQL; set DATABASE_URL to one, or WEB_CONCURRENCY=1"
    if not settings.redis_url:
        yield "WEB_CONCURRENCY: several workers need Redis to share their limits; set REDIS_URL, or WEB_CONCURRENCY=1"


def _postgresql_is_encrypted(settings: Settings) -> Iterator[str]:
    if settings.is_embedded_database or not settings.database_require_tls:
        return
    (mode, *_) = parse_qs(urlsplit(settings.database_url).query).get("sslmode", ["require"])
    if mode not in _ENCRYPTED_MODES:
        yield (
            "DATABASE_URL: its sslmode allows an unencrypted connection; use sslmode=verify-full with sslrootcert, "
            "or say DATABASE_REQUIRE_TLS=false"
        )


def _redis_is_encrypted(settings: Settings) -> Iterator[str]:
    if settings.redis_url and settings.redis_require_tls and not settings.redis_url.startswith("rediss://"):
        yield "REDIS_URL: is without TLS; use rediss://, or say REDIS_REQUIRE_TLS=false"


def _debug_is_off(settings: Settings) -> Iterator[str]:
    if settings.debug:
        yield "DEBUG: must be off; a debugger answers strangers. Use LOG_LEVEL=DEBUG to see more"


def _production_is_strict(settings: Settings) -> Iterator[str]:
    if settings.environment in {"development", "testing"}:
        return
    if not settings.secure_cookies:
        yield "SECURE_COOKIES: may be off only with ENVIRONMENT=development; remove it"
    if settings.bcrypt_rounds < 10:  # noqa: PLR2004 - OWASP's minimum, used once
        yield "BCRYPT_ROUNDS: must be at least 10 outside development (OWASP Password Storage)"
    if urlsplit(settings.public_url).scheme != "https" and settings.bind_address not in {"127.0.0.1", "::1", "localhost"}:
        yield "PUBLIC_URL: must be https once BIND_ADDRESS is open to other machines; put TLS in front and set it"


def _cors_is_narrow(settings: Settings) -> Iterator[str]:
    if settings.cors_allow_credentials and not settings.cors_origins:
        yield "CORS_ALLOW_CREDENTIALS: has no meaning without CORS_ORIGINS; list the origins or remove it"
    if "*" in settings.cors_allow_headers or "*" in settings.cors_allow_methods:
        yield "CORS_ALLOW_HEADERS: and CORS_ALLOW_METHODS must name what is allowed; * is not accepted"


def _lifetimes_fit(settings: Settings) -> Iterator[str]:
    if settings.session_lifetime < settings.refresh_token_lifetime:
        yield "SESSION_LIFETIME_DAYS: must not be shorter than REFRESH_TOKEN_EXPIRE_DAYS"
    if settings.access_token_lifetime > settings.refresh_token_lifetime:
        yield "ACCESS_TOKEN_EXPIRE_MINUTES: must not be longer than REFRESH_TOKEN_EXPIRE_DAYS"


def _contact_is_an_address(settings: Settings) -> Iterator[str]:
    contact = settings.security_contact
    if contact and not re.fullmatch(r"(mailto:[^\s@]+@[^\s@]+|https://\S+|tel:\+?[0-9-]+)", contact):
        yield "SECURITY_CONTACT: must be a mailto:, https: or tel: address (RFC 9116)"


_RULES: tuple[Rule, ...] = (
    _secrets_are_random,
    _secrets_differ,
    _hs256_has_a_secret,
    _workers_share_their_stores,
    _postgresql_is_encrypted,
    _redis_is_encrypted,
    _debug_is_off,
    _production_is_strict,
    _cors_is_narrow,
    _lifetimes_fit,
    _contact_is_an_address,
)
