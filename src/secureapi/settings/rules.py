"""What cannot be right together. Each rule gives sentences that begin with a setting's name and end with the remedy."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import make_url

from secureapi.settings.mail import mail_server
from secureapi.settings.model import Settings

Rule = Callable[[Settings], Iterator[str]]

_LEAST_SECRET_LENGTH = 32
_LEAST_DISTINCT_CHARACTERS = 10
_SAMPLE = re.compile(
    r"change[-_ ]?(this|me)|your[-_ ]?secret|placeholder|super[-_ ]?secret|strong_password_here|insert[-_ ]", re.IGNORECASE
)
MOST_ARGON2_WORK = 2**19
"""Memory in KiB times passes: about thirteen times OWASP's minimum, half a second. No stored string may ask for more either."""
_LEAST_ARGON2 = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
"""OWASP Password Storage: memory in KiB and passes, all as good as one another."""
MOST_DENYLIST_BYTES = 4 * 1024 * 1024
"""Some 400,000 words, which take 40 MB in each worker. A longer list belongs into PASSWORD_BREACH_DIR, which is read from disk."""
_ENCRYPTED_MODES = frozenset({"require", "verify-ca", "verify-full"})


def faults_of(settings: Settings) -> list[str]:
    """Everything that is wrong with these settings taken together, in the order of the rules."""
    return [fault for rule in _RULES for fault in rule(settings)]


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A fault of several settings taken together."""

    says: str
    names: frozenset[str]
    """The fields that the rule has asked for."""


def faults_with_names(settings: Settings) -> list[BrokenRule]:
    """The same, and for each which settings it is about."""
    asked: set[str] = set()

    class _Watched(Settings):
        def __getattribute__(self, name: str) -> Any:
            asked.add(name)
            return super().__getattribute__(name)

    watched = object.__new__(_Watched)
    vars(watched).update(vars(settings))
    found = []
    for rule in _RULES:
        asked.clear()
        says = list(rule(watched))
        found += [BrokenRule(each, frozenset(asked)) for each in says]
    return found


def faults_of_the_rest(known: Mapping[str, Any], unread: frozenset[str]) -> list[str]:
    """The same where some settings could not be read: a rule that asks for one of those has nothing to say."""

    class _Rest(Settings):
        def __getattribute__(self, name: str) -> Any:
            if name in unread:
                raise _UnreadError
            return super().__getattribute__(name)

    # What is required and missing is among the unread: nobody will see what stands in for it.
    rest = _Rest(**({"secret_key": "", "database_url": ""} | dict(known)))
    return [fault for rule in _RULES for fault in _as_far_as_read(rule, rest)]


class _UnreadError(Exception):
    """A rule has asked for a setting that could not be read."""


def _as_far_as_read(rule: Rule, settings: Settings) -> Iterator[str]:
    try:
        yield from rule(settings)
    except _UnreadError:
        return


def _is_random(name: str, settings: Settings) -> Iterator[str]:
    value = getattr(settings, name)
    if value or name == "secret_key":
        yield from _faults_of_secret(name, value)


def _old_peppers_are_random(settings: Settings) -> Iterator[str]:
    # One sentence, however many of them have the fault.
    faults = (fault for value in settings.password_peppers_old for fault in _faults_of_secret("password_peppers_old", value))
    yield from dict.fromkeys(faults)


def _faults_of_secret(name: str, value: str) -> Iterator[str]:
    remedy = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    if len(value) < _LEAST_SECRET_LENGTH:
        yield f"{name.upper()}: must have at least {_LEAST_SECRET_LENGTH} characters; {remedy}"
    elif _SAMPLE.search(value):
        yield f"{name.upper()}: is a known sample or placeholder; {remedy}"
    elif len(set(value)) < _LEAST_DISTINCT_CHARACTERS:
        yield f"{name.upper()}: repeats too few characters to be random; {remedy}"


def _secrets_differ(settings: Settings) -> Iterator[str]:
    purposes = (
        settings.secret_key,
        settings.jwt_secret_key,
        settings.key_encryption_key,
        settings.password_pepper,
        settings.metrics_token,
    )
    secrets = [value for value in purposes if value]
    if len(set(secrets)) < len(secrets):
        yield (
            "SECRET_KEY: is used for more than one purpose; give SECRET_KEY, JWT_SECRET_KEY, KEY_ENCRYPTION_KEY, PASSWORD_PEPPER and "
            "METRICS_TOKEN a value each"
        )


def _old_peppers_differ(settings: Settings) -> Iterator[str]:
    old = settings.password_peppers_old
    others = {settings.secret_key, settings.jwt_secret_key, settings.key_encryption_key, settings.password_pepper}
    if len(set(old)) < len(old) or not others.isdisjoint(old):
        yield "PASSWORD_PEPPERS_OLD: must hold each former pepper once, and no other secret; remove what is double"


def _old_peppers_have_a_successor(settings: Settings) -> Iterator[str]:
    if settings.password_peppers_old and not settings.password_pepper:
        yield "PASSWORD_PEPPERS_OLD: has no meaning without PASSWORD_PEPPER; set it to the new one"


def _hs256_has_a_secret(settings: Settings) -> Iterator[str]:
    if settings.jwt_algorithm == "HS256" and not settings.jwt_secret_key:
        yield "JWT_SECRET_KEY: is required with JWT_ALGORITHM=HS256; set it, or use ES256, which needs none"


def _workers_share_a_database(settings: Settings) -> Iterator[str]:
    if settings.web_concurrency > 1 and settings.is_embedded_database:
        yield "WEB_CONCURRENCY: several workers need PostgreSQL; set DATABASE_URL to one, or WEB_CONCURRENCY=1"


def _workers_share_their_limits(settings: Settings) -> Iterator[str]:
    if settings.web_concurrency > 1 and not settings.redis_url:
        yield "WEB_CONCURRENCY: several workers need Redis to share their limits; set REDIS_URL, or WEB_CONCURRENCY=1"


def _postgresql_is_encrypted(settings: Settings) -> Iterator[str]:
    if settings.is_embedded_database or not settings.database_require_tls:
        return
    # Asked of the library that connects: another one may see the password, and so the mode, end elsewhere. Two modes are none.
    if make_url(settings.database_url).query.get("sslmode", "require") not in _ENCRYPTED_MODES:
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


def _is_lenient(settings: Settings) -> bool:
    return settings.environment in {"development", "testing"}


def _production_has_secure_cookies(settings: Settings) -> Iterator[str]:
    if not settings.secure_cookies and not _is_lenient(settings):
        yield "SECURE_COOKIES: may be off only with ENVIRONMENT=development; remove it"


def _production_hashes_slowly(settings: Settings) -> Iterator[str]:
    if settings.password_hash == "bcrypt" and settings.bcrypt_rounds < 10 and not _is_lenient(settings):  # noqa: PLR2004, S105 - OWASP's
        yield "BCRYPT_ROUNDS: must be at least 10 outside development (OWASP Password Storage)"


def _production_hashes_in_memory(settings: Settings) -> Iterator[str]:
    memory, time = settings.argon2_memory_kib, settings.argon2_time_cost
    is_slow = any(memory >= least_memory and time >= least_time for least_memory, least_time in _LEAST_ARGON2)
    if settings.password_hash == "argon2id" and not is_slow and not _is_lenient(settings):  # noqa: S105 - the name of a scheme
        yield (
            "ARGON2_MEMORY_KIB: and ARGON2_TIME_COST must be at least 19456 and 2 outside development, or 47104 and 1, 12288 and 3, "
            "9216 and 4, 7168 and 5 (OWASP Password Storage)"
        )


def _hashing_is_bounded(settings: Settings) -> Iterator[str]:
    if settings.argon2_memory_kib * settings.argon2_time_cost > MOST_ARGON2_WORK:
        yield f"ARGON2_MEMORY_KIB: times ARGON2_TIME_COST must be at most {MOST_ARGON2_WORK}, or a login takes seconds"


def _readers_find_a_thread(settings: Settings) -> Iterator[str]:
    most = settings.threads.hashing
    if (settings.password_hash_workers or 1) + settings.password_hash_queue > most:
        yield (
            f"PASSWORD_HASH_QUEUE: and PASSWORD_HASH_WORKERS must be {most} or less together, or nobody finds a thread who only wants to "
            "read; lower them, or raise WEB_THREADS"
        )


def _former_scheme_is_another(settings: Settings) -> Iterator[str]:
    if settings.password_hash_former == settings.password_hash:
        yield "PASSWORD_HASH_FORMER: is the same as PASSWORD_HASH; name the one before it, or remove it"


def _production_is_behind_tls(settings: Settings) -> Iterator[str]:
    is_open = settings.bind_address not in {"127.0.0.1", "::1", "localhost"}
    if is_open and urlsplit(settings.public_url).scheme != "https" and not _is_lenient(settings):
        yield "PUBLIC_URL: must be https once BIND_ADDRESS is open to other machines; put TLS in front and set it"


def _credentials_have_origins(settings: Settings) -> Iterator[str]:
    if settings.cors_allow_credentials and not settings.cors_origins:
        yield "CORS_ALLOW_CREDENTIALS: has no meaning without CORS_ORIGINS; list the origins or remove it"


def _cors_is_narrow(settings: Settings) -> Iterator[str]:
    if "*" in settings.cors_allow_headers or "*" in settings.cors_allow_methods:
        yield "CORS_ALLOW_HEADERS: and CORS_ALLOW_METHODS must name what is allowed; * is not accepted"


def _sessions_outlast_refresh_tokens(settings: Settings) -> Iterator[str]:
    if settings.session_lifetime < settings.refresh_token_lifetime:
        yield "SESSION_LIFETIME_DAYS: must not be shorter than REFRESH_TOKEN_EXPIRE_DAYS"


def _refresh_tokens_outlast_access_tokens(settings: Settings) -> Iterator[str]:
    if settings.access_token_lifetime > settings.refresh_token_lifetime:
        yield "ACCESS_TOKEN_EXPIRE_MINUTES: must not be longer than REFRESH_TOKEN_EXPIRE_DAYS"


def _old_keys_outlast_their_tokens(settings: Settings) -> Iterator[str]:
    if settings.signing_key_overlap < settings.access_token_lifetime:
        yield "SIGNING_KEY_OVERLAP_HOURS: must not be shorter than ACCESS_TOKEN_EXPIRE_MINUTES"


def _password_denylist_is_there(settings: Settings) -> Iterator[str]:
    if settings.password_denylist_file and not _is_text_file(Path(settings.password_denylist_file), MOST_DENYLIST_BYTES):
        yield "PASSWORD_DENYLIST_FILE: must name a readable text file in UTF-8 of at most 4 MiB, one word a line"


def _is_text_file(path: Path, most: int) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > most:
            return False
        return "\0" not in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def _password_breaches_are_there(settings: Settings) -> Iterator[str]:
    if settings.password_breach_dir and not Path(settings.password_breach_dir).is_dir():
        yield "PASSWORD_BREACH_DIR: must name a folder with a file for each prefix (00000.txt to FFFFF.txt)"


def _contact_is_an_address(settings: Settings) -> Iterator[str]:
    contact = settings.security_contact
    if contact and not re.fullmatch(r"(mailto:[^\s@]+@[^\s@]+|https://\S+|tel:\+?[0-9-]+)", contact):
        yield "SECURITY_CONTACT: must be a mailto:, https: or tel: address (RFC 9116)"


def _mail_has_a_sender(settings: Settings) -> Iterator[str]:
    if settings.smtp_url and not settings.mail_from:
        yield "MAIL_FROM: is required with SMTP_URL; set it to an address that the mail server lets you write from"


def _mail_password_is_encrypted(settings: Settings) -> Iterator[str]:
    if not settings.smtp_url or settings.smtp_require_tls:
        return
    server = mail_server(settings.smtp_url)
    if server.password and not server.is_tls_from_the_start and not server.is_this_machine:
        yield "SMTP_REQUIRE_TLS: may not be off while SMTP_URL has a password for another machine; remove it, or use smtps://"


def _confirmations_can_be_sent(settings: Settings) -> Iterator[str]:
    if settings.email_verification == "required" and not settings.smtp_url and not _is_lenient(settings):
        yield "EMAIL_VERIFICATION: required needs mail, or nobody gets an account; set SMTP_URL, or EMAIL_VERIFICATION=optional"


# Small ones: a rule that stumbles over a setting that could not be read says nothing about its others either.
_RULES: tuple[Rule, ...] = (
    partial(_is_random, "secret_key"),
    partial(_is_random, "jwt_secret_key"),
    partial(_is_random, "key_encryption_key"),
    partial(_is_random, "password_pepper"),
    partial(_is_random, "metrics_token"),
    _old_peppers_are_random,
    _secrets_differ,
    _old_peppers_differ,
    _old_peppers_have_a_successor,
    _hs256_has_a_secret,
    _workers_share_a_database,
    _workers_share_their_limits,
    _postgresql_is_encrypted,
    _redis_is_encrypted,
    _debug_is_off,
    _production_has_secure_cookies,
    _production_hashes_slowly,
    _production_hashes_in_memory,
    _hashing_is_bounded,
    _readers_find_a_thread,
    _former_scheme_is_another,
    _production_is_behind_tls,
    _credentials_have_origins,
    _cors_is_narrow,
    _sessions_outlast_refresh_tokens,
    _refresh_tokens_outlast_access_tokens,
    _old_keys_outlast_their_tokens,
    _password_denylist_is_there,
    _password_breaches_are_there,
    _contact_is_an_address,
    _mail_has_a_sender,
    _mail_password_is_encrypted,
    _confirmations_can_be_sent,
)
