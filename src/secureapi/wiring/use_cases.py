"""The services that routes and commands ask for, one for each subject."""

from collections.abc import Iterator
from functools import partial

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
from secureapi.security.kept_answers import KeptAnswers
from secureapi.security.ownership import ObjectAccess
from secureapi.security.service import EventReader
from secureapi.users.repository import has_account
from secureapi.users.service import Authority, Directory, Explanations, Profiles, Registration, Roles
from secureapi.users.service.export_users import Exports
from secureapi.users.service.import_rows import RowImports
from secureapi.users.service.import_users import Imports
from secureapi.wiring.ground import Ground
from secureapi.wiring.messages import Messages
from secureapi.wiring.proofs import ProofsOfIdentity, is_going


def use_cases(on: Ground, mail: Messages, proof: ProofsOfIdentity) -> Iterator[object]:
    """Every one of them."""
    registration = Registration(
        settings=on.in_force,
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        secret_box=on.secret_box,
        hasher=proof.hasher,
        policy=proof.policy,
    )
    own_keys = ApiKeys(
        settings=on.in_force,
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        values=proof.key_values,
        is_going=partial(is_going, on.clock),
    )
    yield registration
    yield own_keys
    yield from _signing_in(on, proof, own_keys)
    yield from _by_messages(on, mail, proof, registration)
    yield from _administration(on, mail, proof)
    yield Profiles(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        links=mail.links,
        is_going=partial(is_going, on.clock),
    )
    yield ObjectAccess(database=on.database, clock=on.clock, trail=on.trail, has_account=partial(has_account, on.database))
    yield KeptAnswers(database=on.database, clock=on.clock, secret_box=on.secret_box)


def _signing_in(on: Ground, proof: ProofsOfIdentity, own_keys: ApiKeys) -> Iterator[object]:
    """Sessions, passwords, and what services ask about tokens."""
    yield SignIn(
        settings=on.in_force,
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        secret_box=on.secret_box,
        hasher=proof.hasher,
        guesses=proof.guesses,
        attempts=proof.attempts,
        lanes=proof.lanes,
        device_tokens=proof.device_tokens,
        refresh_tokens=proof.refresh_tokens,
        token_pairs=proof.token_pairs,
        callers=proof.callers,
    )
    yield Sessions(
        settings=on.settings,
        outbox=on.outbox,
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        refresh_tokens=proof.refresh_tokens,
        token_pairs=proof.token_pairs,
        callers=proof.callers,
    )
    yield Credentials(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        hasher=proof.hasher,
        proofs=proof.proofs,
        new_passwords=proof.new_passwords,
        attempts=proof.attempts,
        lanes=proof.lanes,
        device_tokens=proof.device_tokens,
        callers=proof.callers,
    )
    yield Reauthentication(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        proofs=proof.proofs,
        token_pairs=proof.token_pairs,
    )
    yield Clients(database=on.database, clock=on.clock, trail=on.trail)
    yield Introspection(
        settings=on.settings,
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        access_tokens=proof.access_tokens,
        refresh_tokens=proof.refresh_tokens,
        callers=proof.callers,
        api_keys=proof.api_keys,
        own_keys=own_keys,
    )
    yield SigningKeys(settings=on.settings, database=on.database, keys=proof.keys)


def _by_messages(on: Ground, mail: Messages, proof: ProofsOfIdentity, registration: Registration) -> Iterator[object]:
    """What begins with a link in a message."""
    followed = FollowedLinks(database=on.database, trail=on.trail, links=mail.links)
    yield Recovery(
        settings=on.settings,
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        secret_box=on.secret_box,
        links=mail.links,
        followed=followed,
        recipients=mail.recipients,
        requested_mail=mail.requested,
        hasher=proof.hasher,
        new_passwords=proof.new_passwords,
        attempts=proof.attempts,
        callers=proof.callers,
    )
    yield Disowning(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        links=mail.links,
        followed=followed,
        recipients=mail.recipients,
        requested_mail=mail.requested,
        notices=mail.notices,
        callers=proof.callers,
    )
    yield Addresses(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        secret_box=on.secret_box,
        links=mail.links,
        followed=followed,
        recipients=mail.recipients,
        requested_mail=mail.requested,
        notices=mail.notices,
        registration=registration,
    )


def _administration(on: Ground, mail: Messages, proof: ProofsOfIdentity) -> Iterator[object]:
    """What administrators do and see, over HTTP and at the command line."""
    authority = Authority(database=on.database, clock=on.clock, trail=on.trail, step_up=proof.step_up, is_going=partial(is_going, on.clock))
    imports = Imports(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        secret_box=on.secret_box,
        hasher=proof.hasher,
        policy=proof.policy,
    )
    yield imports
    yield RowImports(database=on.database, trail=on.trail, authority=authority, imports=imports)
    yield Exports(database=on.database, clock=on.clock, trail=on.trail)
    yield Directory(database=on.database, clock=on.clock, trail=on.trail)
    yield Roles(database=on.database, clock=on.clock, trail=on.trail, authority=authority)
    yield Explanations(database=on.database, clock=on.clock, trail=on.trail, authority=authority)
    yield LivingSessions(database=on.database, clock=on.clock, trail=on.trail, authority=authority, callers=proof.callers)
    yield NewAccounts(
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        hasher=proof.hasher,
        policy=proof.policy,
        authority=authority,
        invitations=mail.counts,
    )
    yield Administration(
        clock=on.clock,
        trail=on.trail,
        outbox=on.outbox,
        links=mail.links,
        notices=mail.notices,
        attempts=proof.attempts,
        authority=authority,
        callers=proof.callers,
    )
    yield Configuration(
        database=on.database,
        clock=on.clock,
        trail=on.trail,
        settings=on.in_force,
        watch=on.watch,
        authority=authority,
    )
    yield Statistics(database=on.database, clock=on.clock)
    yield EventReader(database=on.database, clock=on.clock, trail=on.trail)
