"""Where shared objects are made and meet: the one place that knows which implementation stands behind what."""

from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.access_tokens import AccessTokens
from secureapi.auth.api_key_callers import ApiKeyCallers
from secureapi.auth.api_key_values import ApiKeyValues
from secureapi.auth.callers import Callers
from secureapi.auth.client_authentication import ClientAuthentication
from secureapi.auth.cookies import Cookies
from secureapi.auth.device_tokens import DeviceTokens
from secureapi.auth.door import Door
from secureapi.auth.holders import Holders
from secureapi.auth.keys import KeyRing
from secureapi.auth.known_callers import KnownCallers
from secureapi.auth.models import ApiClient, ApiKey, ApiKeyValue, SigningKey
from secureapi.auth.own_pages import OwnPages
from secureapi.auth.recipients import Recipients
from secureapi.auth.refresh_tokens import RefreshTokens
from secureapi.auth.repository import ApiKeyRepository, SessionRepository
from secureapi.auth.service import (
    Addresses,
    Administration,
    ApiKeys,
    Clients,
    Configuration,
    Credentials,
    Disowning,
    Introspection,
    LivingSessions,
    NewAccounts,
    Reauthentication,
    Recovery,
    Sessions,
    SignIn,
    SigningKeys,
    Statistics,
)
from secureapi.auth.service.followed_links import FollowedLinks
from secureapi.auth.service.guesses import Guesses
from secureapi.auth.service.lanes import Lanes
from secureapi.auth.service.mail_budget import MailBudget
from secureapi.auth.service.new_passwords import NewPasswords
from secureapi.auth.service.notices import Notices
from secureapi.auth.service.proofs import Proofs
from secureapi.auth.service.requested_mail import RequestedMail
from secureapi.auth.service.token_pair import TokenPairs
from secureapi.core.backlog import Backlogs
from secureapi.core.clock import Clock
from secureapi.core.database import Database, db, reading_engine
from secureapi.core.delivery import Delivery, Undelivered
from secureapi.core.delivery_in_server import DeliveryInServer
from secureapi.core.health import Check, HealthChecks
from secureapi.core.identifiers import new_id
from secureapi.core.mail import post_of
from secureapi.core.outbox import Outbox
from secureapi.core.redis import RedisStore
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.core.services import provide
from secureapi.core.settings_versions import SettingsWatch
from secureapi.security.attempts import PASSWORD, SESSION, TYPED, Attempts, Bound, kinds_of
from secureapi.security.database_counters import DatabaseCounters
from secureapi.security.degradation import Degradation
from secureapi.security.delays import Delays
from secureapi.security.fallback import Fallback
from secureapi.security.guard import Guard
from secureapi.security.identity import Identity
from secureapi.security.kept_answers import KeptAnswers
from secureapi.security.limits import GENERAL, Limits
from secureapi.security.links import OneTimeLinks
from secureapi.security.metrics import Metrics
from secureapi.security.ownership import ObjectAccess
from secureapi.security.passwords import PasswordHasher, PasswordPolicy
from secureapi.security.service import EventReader
from secureapi.security.step_up import StepUp
from secureapi.security.trail import Trail, record_row_changes
from secureapi.settings.in_force import Present, SettingsInForce
from secureapi.users.models import CustomRole, User
from secureapi.users.repository import has_account
from secureapi.users.service import Authority, Directory, Explanations, Profiles, Registration, RegistrationMail, Roles
from secureapi.users.service.export_users import Exports
from secureapi.users.service.import_rows import RowImports
from secureapi.users.service.import_users import Imports

AUDITED_MODELS = (User, CustomRole, SigningKey, ApiClient, ApiKey, ApiKeyValue)
"""Every change of a row of these is recorded. Sessions are not among them: each of their changes has an event of its own."""

record_row_changes(AUDITED_MODELS)


def wire(app: Flask, in_force: SettingsInForce, clock: Clock) -> Guard:  # noqa: PLR0915 - a list of everything that there is, in its order
    """Make every service of one application, put it where routes and commands find it, and give the guard to `create_app`.

    Whoever needs a setting that may change while the server runs gets `in_force`, everybody else what is `fixed`.
    """
    settings = in_force.fixed
    secret_box = SecretBox(settings.secret_key)
    with app.app_context():
        database = Database(db.engine, reading_engine(settings))
    redis = RedisStore(settings) if settings.redis_url else None
    watch = SettingsWatch(database=database, settings=in_force)

    trail = Trail(clock)
    backlogs = Backlogs(database=database, clock=clock)
    metrics = Metrics(settings, backlog=backlogs.count)
    fallback = _fallback(in_force, database, clock, trail, metrics) if redis else None
    limits = Limits(app, in_force, redis, fallback=fallback, metrics=metrics)
    hasher = PasswordHasher(settings, secret_box)
    policy = PasswordPolicy.of(settings)
    new_passwords = NewPasswords(database=database, hasher=hasher, policy=policy)
    outbox = Outbox(clock, spread=timedelta(seconds=settings.mail_spread_seconds))
    kinds = kinds_of(in_force)
    attempts = Attempts.of(kinds[PASSWORD], clock)
    delays = Delays(first=lambda: in_force.now.login_delay_seconds, most_waiting=settings.threads.delayed)
    guesses = Guesses(database=database, hasher=hasher, attempts=attempts, delays=delays)
    lanes = Lanes(clock=clock, secret_box=secret_box, kind=kinds[PASSWORD], typed=kinds[TYPED])
    device_tokens = DeviceTokens(settings=settings, clock=clock, secret_box=secret_box)

    links = OneTimeLinks(settings=settings, clock=clock, secret_box=secret_box)
    recipients = Recipients(database=database, secret_box=secret_box)
    mail_budget = Attempts(clock=clock, bound=partial(_budget_of_a_recipient, in_force))
    bounded_mail = MailBudget(attempts=mail_budget, clock=clock, secret_box=secret_box, trail=trail)
    notices = Notices(settings=settings, outbox=outbox, links=links, recipients=recipients, secret_box=secret_box, budget=bounded_mail)
    requested_mail = RequestedMail(
        settings=settings,
        clock=clock,
        outbox=outbox,
        links=links,
        recipients=recipients,
        budget=bounded_mail,
        secret_box=secret_box,
    )
    followed = FollowedLinks(database=database, trail=trail, links=links)
    registration_mail = RegistrationMail(
        settings=settings,
        clock=clock,
        trail=trail,
        outbox=outbox,
        links=links,
        budget=mail_budget,
        secret_box=secret_box,
        seal=recipients.seal,
        unseal=recipients.unseal,
    )

    delivery = Delivery(
        settings=settings,
        database=database,
        clock=clock,
        post=post_of(settings),
        find_recipient=recipients.find,
        link_to=links.url,
        handlers=registration_mail.handlers | requested_mail.handlers | notices.handlers,
        record=partial(_record_of_mail, trail),
        keep_up=watch.keep_up,
    )
    if settings.delivers_in_server:
        app.wsgi_app = DeliveryInServer(app.wsgi_app, delivery)  # type: ignore[method-assign]

    keys = KeyRing(settings=settings, database=database, secret_box=secret_box, clock=clock, trail=trail)
    access_tokens = AccessTokens(app, settings, keys)
    refresh_tokens = RefreshTokens(secret_box)
    token_pairs = TokenPairs(settings=settings, clock=clock, access_tokens=access_tokens)
    known = KnownCallers(redis, partial(limits.rate, GENERAL), most_held=settings.threads.held) if redis else None
    callers = Callers(database=database, clock=clock, tokens=access_tokens, limits=limits, known=known)
    key_values = ApiKeyValues(secret_box)
    api_keys = ApiKeyCallers(database=database, clock=clock, trail=trail, limits=limits, values=key_values)
    own_keys = ApiKeys(
        settings=in_force,
        database=database,
        clock=clock,
        trail=trail,
        outbox=outbox,
        values=key_values,
        is_going=partial(_is_going, clock),
    )
    proofs = Proofs(database=database, clock=clock, trail=trail, outbox=outbox, guesses=guesses, callers=callers, kind=kinds[SESSION])

    step_up = StepUp(clock=clock, max_age=settings.reauthentication_max_age)
    authority = Authority(database=database, clock=clock, trail=trail, step_up=step_up, is_going=partial(_is_going, clock))
    imports = Imports(database=database, clock=clock, trail=trail, secret_box=secret_box, hasher=hasher, policy=policy)
    registration = Registration(
        settings=in_force,
        database=database,
        clock=clock,
        trail=trail,
        outbox=outbox,
        secret_box=secret_box,
        hasher=hasher,
        policy=policy,
    )

    checks = [Check("database", database.ping, is_vital=True)]
    if redis:
        checks.append(Check("redis", redis.check, is_vital=False))
    checks.append(Check("outbox", backlogs.look, is_vital=False, rests_on="database"))

    for instance in (
        in_force,
        watch,
        database,
        trail,
        keys,
        callers,
        limits,
        metrics,
        backlogs,
        hasher,
        policy,
        new_passwords,
        attempts,
        delays,
        HealthChecks(tuple(checks)),
        SignIn(
            settings=in_force,
            database=database,
            clock=clock,
            trail=trail,
            outbox=outbox,
            secret_box=secret_box,
            hasher=hasher,
            guesses=guesses,
            attempts=attempts,
            lanes=lanes,
            device_tokens=device_tokens,
            refresh_tokens=refresh_tokens,
            token_pairs=token_pairs,
            callers=callers,
        ),
        Sessions(
            settings=settings,
            outbox=outbox,
            database=database,
            clock=clock,
            trail=trail,
            refresh_tokens=refresh_tokens,
            token_pairs=token_pairs,
            callers=callers,
        ),
        Credentials(
            database=database,
            clock=clock,
            trail=trail,
            outbox=outbox,
            hasher=hasher,
            proofs=proofs,
            new_passwords=new_passwords,
            attempts=attempts,
            lanes=lanes,
            device_tokens=device_tokens,
            callers=callers,
        ),
        Reauthentication(database=database, clock=clock, trail=trail, proofs=proofs, token_pairs=token_pairs),
        LivingSessions(database=database, clock=clock, trail=trail, authority=authority, callers=callers),
        own_keys,
        Clients(database=database, clock=clock, trail=trail),
        Introspection(
            settings=settings,
            database=database,
            clock=clock,
            trail=trail,
            access_tokens=access_tokens,
            refresh_tokens=refresh_tokens,
            callers=callers,
            api_keys=api_keys,
            own_keys=own_keys,
        ),
        registration,
        Directory(database=database, clock=clock, trail=trail),
        Exports(database=database, trail=trail),
        imports,
        RowImports(database=database, trail=trail, authority=authority, imports=imports),
        Roles(database=database, clock=clock, trail=trail, authority=authority),
        Explanations(database=database, clock=clock, trail=trail, authority=authority),
        NewAccounts(
            clock=clock,
            trail=trail,
            outbox=outbox,
            hasher=hasher,
            policy=policy,
            authority=authority,
            invitations=mail_budget,
        ),
        Administration(
            clock=clock, trail=trail, outbox=outbox, links=links, notices=notices, attempts=attempts, authority=authority, callers=callers
        ),
        Profiles(database=database, clock=clock, trail=trail, outbox=outbox, links=links, is_going=partial(_is_going, clock)),
        Recovery(
            settings=settings,
            database=database,
            clock=clock,
            trail=trail,
            outbox=outbox,
            secret_box=secret_box,
            links=links,
            followed=followed,
            recipients=recipients,
            requested_mail=requested_mail,
            hasher=hasher,
            new_passwords=new_passwords,
            attempts=attempts,
            callers=callers,
        ),
        Disowning(
            database=database,
            clock=clock,
            trail=trail,
            links=links,
            followed=followed,
            recipients=recipients,
            requested_mail=requested_mail,
            notices=notices,
            callers=callers,
        ),
        Addresses(
            database=database,
            clock=clock,
            trail=trail,
            outbox=outbox,
            secret_box=secret_box,
            links=links,
            followed=followed,
            recipients=recipients,
            requested_mail=requested_mail,
            notices=notices,
            registration=registration,
        ),
        Statistics(database=database, clock=clock),
        Configuration(database=database, clock=clock, trail=trail, settings=in_force, watch=watch, authority=authority),
        SigningKeys(settings=settings, database=database, keys=keys),
        EventReader(database=database, clock=clock, trail=trail),
        ObjectAccess(database=database, clock=clock, trail=trail, has_account=partial(has_account, database)),
        KeptAnswers(database=database, clock=clock, secret_box=secret_box),
        outbox,
        links,
        recipients,
        bounded_mail,
        delivery,
        Undelivered(database=database, clock=clock, record=partial(_record_of_mail, trail)),
    ):
        provide(app, instance)

    cookies = Cookies(settings=settings)
    own_pages = OwnPages(settings=settings, secret_box=secret_box)
    holders = Holders(settings=settings, database=database, clock=clock, refresh_tokens=refresh_tokens)
    clients = ClientAuthentication(database=database, trail=trail, secret_box=secret_box, limits=limits)
    door = Door(
        callers=callers,
        api_keys=api_keys,
        clients=clients,
        cookies=cookies,
        devices=device_tokens,
        own_pages=own_pages,
        holders=holders,
        limits=limits,
        database=database,
        trail=trail,
    )
    guard = Guard(door=door, limits=limits, trail=trail, database=database, clock=clock, max_age=settings.reauthentication_max_age)
    for entrance in (cookies, device_tokens, own_pages, door, guard):
        provide(app, entrance)
    return guard


def _fallback(settings: Present, database: Database, clock: Clock, trail: Trail, metrics: Metrics) -> Fallback:
    """What limits are without Redis."""
    counters = DatabaseCounters(database=database, clock=clock)
    degradation = Degradation(database=database, trail=trail, metrics=metrics)
    return Fallback(settings, counters=counters, degradation=degradation, metrics=metrics)


def _budget_of_a_recipient(settings: Present) -> Bound:
    budget = settings.now.mail_recipient_budget
    return Bound(budget.requests, timedelta(seconds=budget.seconds))


def _is_going(clock: Clock, session: Session, caller: Identity) -> bool:
    if caller.key_id:
        return ApiKeyRepository(session).is_living(caller.key_id, now=clock.now())
    return SessionRepository(session).find_living(caller.session_id, now=clock.now()) is not None


def _record_of_mail(trail: Trail, connection: Connection, happened: str, user_id: str | None, details: dict[str, Any]) -> None:
    kind = events.MAIL_DEAD if happened == "dead" else events.MAIL_DROPPED
    trail.record(connection, kind, client=Client("", "outbox", new_id()), subject_id=user_id, **details)
