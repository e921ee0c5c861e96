"""Where shared objects are made and meet: the one place that knows which implementation stands behind what.

`ground` is what all stand on, `messages` and `proofs` are made on it, and `use_cases` of the three.
"""

from flask import Flask

from secureapi.auth.client_authentication import ClientAuthentication
from secureapi.auth.cookies import Cookies
from secureapi.auth.door import Door
from secureapi.auth.holders import Holders
from secureapi.auth.models import ApiClient, ApiKey, ApiKeyValue, SigningKey
from secureapi.auth.own_pages import OwnPages
from secureapi.core.clock import Clock
from secureapi.core.delivery_in_server import DeliveryInServer
from secureapi.core.services import provide
from secureapi.security.guard import Guard
from secureapi.security.trail import record_row_changes
from secureapi.settings.in_force import SettingsInForce
from secureapi.users.models import CustomRole, User
from secureapi.wiring.ground import Ground, health_checks, lay_ground
from secureapi.wiring.messages import messages_on
from secureapi.wiring.proofs import ProofsOfIdentity, proofs_on
from secureapi.wiring.use_cases import use_cases

AUDITED_MODELS = (User, CustomRole, SigningKey, ApiClient, ApiKey, ApiKeyValue)
"""Every change of a row of these is recorded. Sessions are not among them: each of their changes has an event of its own."""

record_row_changes(AUDITED_MODELS)


def wire(app: Flask, in_force: SettingsInForce, clock: Clock) -> Guard:
    """Make every service of one application, put it where routes and commands find it, and give the guard to `create_app`.

    Whoever needs a setting that may change while the server runs gets `in_force`, everybody else what is fixed.
    """
    ground = lay_ground(app, in_force, clock)
    messages = messages_on(ground)
    proofs = proofs_on(ground, app)
    if ground.settings.delivers_in_server:
        app.wsgi_app = DeliveryInServer(app.wsgi_app, messages.delivery)  # type: ignore[method-assign]
    for shared in (
        in_force,
        ground.watch,
        ground.database,
        ground.trail,
        ground.limits,
        ground.metrics,
        ground.backlogs,
        ground.outbox,
        health_checks(ground),
        messages.links,
        messages.recipients,
        messages.budget,
        messages.delivery,
        messages.undelivered,
        proofs.keys,
        proofs.callers,
        proofs.hasher,
        proofs.policy,
        proofs.new_passwords,
        proofs.attempts,
        proofs.delays,
        proofs.device_tokens,
        *use_cases(ground, messages, proofs),
    ):
        provide(app, shared)
    return _entrance(app, ground, proofs)


def _entrance(app: Flask, ground: Ground, proofs: ProofsOfIdentity) -> Guard:
    """Who stands where requests come in."""
    settings, database, trail, limits = ground.settings, ground.database, ground.trail, ground.limits
    cookies = Cookies(settings=settings)
    own_pages = OwnPages(settings=settings, secret_box=ground.secret_box)
    door = Door(
        callers=proofs.callers,
        api_keys=proofs.api_keys,
        clients=ClientAuthentication(database=database, trail=trail, secret_box=ground.secret_box, limits=limits),
        cookies=cookies,
        devices=proofs.device_tokens,
        own_pages=own_pages,
        holders=Holders(settings=settings, database=database, clock=ground.clock, refresh_tokens=proofs.refresh_tokens),
        limits=limits,
        database=database,
        trail=trail,
    )
    guard = Guard(door=door, limits=limits, trail=trail, database=database, step_up=proofs.step_up)
    for entrance in (cookies, own_pages, door, guard):
        provide(app, entrance)
    return guard
