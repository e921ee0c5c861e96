"""How people and programs prove who they are: passwords, tokens, devices, keys."""

from dataclasses import dataclass
from functools import partial

from flask import Flask
from sqlalchemy.orm import Session

from secureapi.auth.access_tokens import AccessTokens
from secureapi.auth.api_key_callers import ApiKeyCallers
from secureapi.auth.api_key_values import ApiKeyValues
from secureapi.auth.callers import Callers
from secureapi.auth.device_tokens import DeviceTokens
from secureapi.auth.keys import KeyRing
from secureapi.auth.known_callers import KnownCallers
from secureapi.auth.refresh_tokens import RefreshTokens
from secureapi.auth.repository import ApiKeyRepository, SessionRepository
from secureapi.auth.service.guesses import Guesses
from secureapi.auth.service.lanes import Lanes
from secureapi.auth.service.new_passwords import NewPasswords
from secureapi.auth.service.proofs import Proofs
from secureapi.auth.service.token_pair import TokenPairs
from secureapi.core.clock import Clock
from secureapi.security.attempts import PASSWORD, SESSION, TYPED, Attempts, kinds_of
from secureapi.security.delays import Delays
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL
from secureapi.security.passwords import PasswordHasher, PasswordPolicy
from secureapi.security.step_up import StepUp
from secureapi.wiring.ground import Ground


@dataclass(frozen=True, kw_only=True)
class ProofsOfIdentity:
    """Shared by all who ask who somebody is."""

    hasher: PasswordHasher
    policy: PasswordPolicy
    new_passwords: NewPasswords
    attempts: Attempts
    delays: Delays
    guesses: Guesses
    lanes: Lanes
    device_tokens: DeviceTokens
    keys: KeyRing
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    token_pairs: TokenPairs
    callers: Callers
    key_values: ApiKeyValues
    api_keys: ApiKeyCallers
    proofs: Proofs
    step_up: StepUp


def proofs_on(ground: Ground, app: Flask) -> ProofsOfIdentity:
    """Make them."""
    settings, clock, database = ground.settings, ground.clock, ground.database
    trail, limits, secret_box = ground.trail, ground.limits, ground.secret_box
    kinds = kinds_of(ground.in_force)
    hasher, policy = PasswordHasher(settings, secret_box), PasswordPolicy.of(settings)
    attempts = Attempts.of(kinds[PASSWORD], clock)
    delays = Delays(first=lambda: ground.in_force.now.login_delay_seconds, most_waiting=settings.threads.delayed)
    guesses = Guesses(database=database, hasher=hasher, attempts=attempts, delays=delays)
    keys = KeyRing(settings=settings, database=database, secret_box=secret_box, clock=clock, trail=trail)
    access_tokens = AccessTokens(app, settings, keys)
    known = KnownCallers(ground.redis, partial(limits.rate, GENERAL), most_held=settings.threads.held) if ground.redis else None
    callers = Callers(database=database, clock=clock, tokens=access_tokens, limits=limits, known=known)
    key_values = ApiKeyValues(secret_box)
    return ProofsOfIdentity(
        hasher=hasher,
        policy=policy,
        new_passwords=NewPasswords(database=database, hasher=hasher, policy=policy),
        attempts=attempts,
        delays=delays,
        guesses=guesses,
        lanes=Lanes(clock=clock, secret_box=secret_box, kind=kinds[PASSWORD], typed=kinds[TYPED]),
        device_tokens=DeviceTokens(settings=settings, clock=clock, secret_box=secret_box),
        keys=keys,
        access_tokens=access_tokens,
        refresh_tokens=RefreshTokens(secret_box),
        token_pairs=TokenPairs(settings=settings, clock=clock, access_tokens=access_tokens),
        callers=callers,
        key_values=key_values,
        api_keys=ApiKeyCallers(database=database, clock=clock, trail=trail, limits=limits, values=key_values),
        proofs=Proofs(
            database=database,
            clock=clock,
            trail=trail,
            outbox=ground.outbox,
            guesses=guesses,
            callers=callers,
            kind=kinds[SESSION],
        ),
        step_up=StepUp(clock=clock, max_age=settings.reauthentication_max_age),
    )


def is_going(clock: Clock, session: Session, caller: Identity) -> bool:
    """Whether the session or the key that somebody came with is still good, asked inside a transaction."""
    if caller.key_id:
        return ApiKeyRepository(session).is_living(caller.key_id, now=clock.now())
    return SessionRepository(session).find_living(caller.session_id, now=clock.now()) is not None
