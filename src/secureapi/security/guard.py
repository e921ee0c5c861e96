"""Default-deny: who may enter an endpoint is declared on it, and an endpoint that declares nothing lets nobody in.

Three depths: the guard refuses such an endpoint, `create_app()` refuses to start with one, and a test lists every route.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from flask import Flask, current_app, g, request

from secureapi.core.bodies import refuse_oversized
from secureapi.core.database import Database
from secureapi.core.declarations import View, declare, declared
from secureapi.core.errors import Denied, Fault, Invalid, Rejected, Unauthenticated
from secureapi.core.requests import current_client
from secureapi.core.strict_json import pointer_token
from secureapi.security.errors import InsufficientPermission, KeyNotAllowed, RateLimited, UndeclaredEndpoint
from secureapi.security.events import ACCESS_DENIED
from secureapi.security.identity import Identity
from secureapi.security.known_floods import KnownFloods
from secureapi.security.limits import GENERAL, UNLIMITED, Limits, Spent, limit_of
from secureapi.security.permissions import Permission
from secureapi.security.step_up import StepUp
from secureapi.security.trail import Trail

_log = structlog.get_logger(__name__)
Proved = TypeVar("Proved")
_PROOFS = "login"
"""The limit of whoever gives a password, at the sign-in and as a proof."""


class Door(Protocol):
    """Proves who stands before it. The room `auth` builds it."""

    def caller(self, *, or_by_refresh_cookie: bool = False) -> Identity:
        """Who is calling, with the request counted for him. Raises `Unauthenticated`, `Rejected` for credentials that contradict one
        another, and `Denied` for a request that somebody else's page has sent.
        """

    def client(self) -> str:
        """The id of the service that is calling. Raises `Unauthenticated`."""

    def stranger(self) -> str:
        """For whom the request of somebody who is not signed in is counted: his device where that is known, or his address."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may enter. A signed-in caller must hold every one of `permissions`, or of `alternatives` any; nothing means nobody."""

    is_public: bool = False
    is_any_caller: bool = False
    is_client: bool = False
    """Services with a name and a secret, not people."""
    permissions: frozenset[Permission] = frozenset()
    alternatives: frozenset[Permission] = frozenset()

    @property
    def is_measured(self) -> bool:
        """Whether permissions decide, by which the scopes of an API key can be measured."""
        return bool(self.permissions or self.alternatives)

    def is_held_by(self, held: frozenset[Permission]) -> bool:
        """Whether whoever holds these permissions may enter."""
        return self.is_measured and self.permissions <= held and (not self.alternatives or bool(self.alternatives & held))

    def __str__(self) -> str:
        if self.is_public:
            return "public"
        if self.is_client:
            return "client"
        needed = " or ".join(sorted(self.alternatives)) if self.alternatives else " and ".join(sorted(self.permissions))
        return "any caller" if self.is_any_caller else needed or "nobody"


def _admitting(view: View, access: Access) -> View:
    """Say who may enter, once: with two words for it the outer one would open what the inner one keeps shut."""
    if access_of(view) not in {None, access}:
        raise TypeError(f"{getattr(view, '__qualname__', view)} says already who may enter: {access_of(view)}")
    return declare(view, "access", access)


def public(view: View) -> View:
    """Strangers may enter."""
    return _admitting(view, Access(is_public=True))


def signed_in(view: View) -> View:
    """Whoever is signed in may enter."""
    return _admitting(view, Access(is_any_caller=True))


def requires(*permissions: Permission) -> Callable[[View], View]:
    """Whoever holds all of these permissions may enter; with none given, nobody."""
    return partial(_admitting, access=Access(permissions=frozenset(map(Permission, permissions))))


def requires_any(*permissions: Permission) -> Callable[[View], View]:
    """Whoever holds one of these permissions may enter; with none given, nobody. What he finds behind it is for the view to decide.

    For what somebody may do with what is his own, and others may do with everybody's.
    """
    return partial(_admitting, access=Access(alternatives=frozenset(map(Permission, permissions))))


def for_clients(view: View) -> View:
    """Services that have proved their name and secret may enter (`flask client add`)."""
    return _admitting(view, Access(is_client=True))


def or_by_refresh_cookie(view: View) -> View:
    """Let somebody in whose access token is over, if the cookie with the refresh token of a living session is there: to sign out."""
    return declare(view, "or_by_refresh_cookie", value=True)


def counted_by_device(view: View) -> View:
    """Count the limit of strangers for the device, where one that signed in before is there, and not for the address that it shares."""
    return declare(view, "counts_devices", value=True)


def recently_authenticated(view: View) -> View:
    """Ask for a recent proof of who is calling (RFC 9470): for what is dangerous. A token that was only refreshed is not recent."""
    return declare(view, "is_dangerous", value=True)


def people_only(view: View) -> View:
    """Refuse API keys, whatever their scopes: for what manages keys, passwords, sessions or factors of anybody, or who may enter."""
    return declare(view, "is_for_people", value=True)


def lets_keys_in(view: Callable[..., Any] | None) -> bool:
    """Whether a program with an API key may enter, if its scopes have what the endpoint asks for.

    Only where permissions are declared, by which a scope can be measured: what any signed-in caller may do is for people.
    """
    access = access_of(view)
    is_for_people = declared(view, "is_for_people") or declared(view, "is_dangerous")
    return access is not None and access.is_measured and not is_for_people


def admission_of(view: Callable[..., Any] | None) -> str:
    """Who may enter, in words, for tables."""
    access = access_of(view)
    if access is None:
        return "nobody"
    return f"{access} (no keys)" if access.is_measured and not lets_keys_in(view) else str(access)


def access_of(view: Callable[..., Any] | None) -> Access | None:
    """What an endpoint declares, or None."""
    access: Access | None = declared(view, "access")
    return access


def undeclared_endpoints(app: Flask) -> list[str]:
    """Endpoints that do not say who may enter."""
    return sorted({rule.endpoint for rule in app.url_map.iter_rules() if access_of(app.view_functions[rule.endpoint]) is None})


class Guard:
    """Stands before every endpoint of one application."""

    def __init__(self, *, door: Door, limits: Limits, trail: Trail, database: Database, step_up: StepUp) -> None:
        self._door = door
        self._step_up = step_up
        self._limits = limits
        self._floods = KnownFloods()
        self._trail = trail
        self._database = database

    def admit(self) -> None:
        """Let the request at hand in, or raise. Runs before every view; an address that does not exist is left to routing."""
        if request.url_rule is None or _is_preflight():
            return
        view = current_app.view_functions[request.url_rule.endpoint]
        access = access_of(view)
        if access is None:
            _log.error("guard.undeclared", endpoint=request.endpoint)
            raise UndeclaredEndpoint
        if access.is_public:
            limit = limit_of(view)
            if limit:
                self._limits.spend(limit, self._door.stranger() if declared(view, "counts_devices") else current_client().address)
        elif access.is_client:
            g.client_id = self._proved(self._door.client)
            self._limits.spend(limit_of(view), f"client:{g.client_id}")
        else:
            self._let_in(access, view)
            if limit_of(view) not in {GENERAL, UNLIMITED}:
                self._limits.spend(limit_of(view), _subject_of(limit_of(view), g.identity))
        refuse_oversized(request)
        if request.query_string and not declared(view, "takes_query"):
            raise Invalid(
                faults=[Fault(f"/{pointer_token(k)}", "unknown_parameter", "This parameter is not known here.") for k in request.args]
            )

    def _proved(self, prove: Callable[[], Proved]) -> Proved:
        left = self._floods.left()
        if left:
            self._limits.note(Spent(GENERAL, self._limits.rate(GENERAL), 0, left, is_exceeded=True))
        try:
            return prove()
        except (Unauthenticated, Denied, Rejected):
            # Guessing tokens, or sending two, costs the guesser his address's budget.
            try:
                self._limits.spend(GENERAL, current_client().address)
            except RateLimited as over:
                self._floods.remember(over.retry_after or 0)
                raise
            raise

    def require_recent(self, identity: Identity) -> None:
        """Raise `StepUpRequired` unless this caller proved who he is a short while ago. A program cannot: `KeyNotAllowed`."""
        self._step_up.require(identity)

    def _let_in(self, access: Access, view: Callable[..., Any]) -> None:
        identity = self._proved(partial(self._door.caller, or_by_refresh_cookie=declared(view, "or_by_refresh_cookie", default=False)))
        g.identity = identity
        if identity.key_id and not lets_keys_in(view):
            self._remember_denial(identity, reason=KeyNotAllowed.code)
            raise KeyNotAllowed
        if access.is_any_caller or access.is_held_by(identity.permissions):
            if declared(view, "is_dangerous"):
                self.require_recent(identity)
            return
        self._remember_denial(identity)
        raise InsufficientPermission

    def _remember_denial(self, identity: Identity, **details: str) -> None:
        client = current_client()
        with self._database.transaction(client) as session:
            self._trail.record(
                session,
                ACCESS_DENIED,
                client=client,
                actor=identity,
                subject_id=identity.user_id,
                endpoint=request.endpoint,
                method=request.method,
                **details,
            )


def _subject_of(limit: str, identity: Identity) -> str:
    """For whom a caller's request is counted: himself, but where a password is asked of him his session, and where a program asks for him
    all of his programs.

    A thief of a token could use up the owner's budget with rubbish; wrong passwords end the session they are tried in. A program that runs
    wild must not keep its owner from his own profile either; nor must each further key be a further budget.
    """
    if identity.key_id:
        return f"keys:{identity.user_id}"
    return f"session:{identity.session_id}" if limit == _PROOFS else f"user:{identity.user_id}"


def _is_preflight() -> bool:
    """A question for the methods of an address, which Flask answers by itself: a browser asks it without credentials."""
    return request.method == "OPTIONS" and bool(getattr(request.url_rule, "provide_automatic_options", False))
