"""The application factory: a table of contents, then the boot checks."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import iscoroutinefunction, unwrap
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask_cors import CORS
from flask_migrate import Migrate
from werkzeug.routing import BaseConverter, Rule, ValidationError

from secureapi.auth import routes as auth_routes
from secureapi.auth.routes.well_known import well_known_blueprint
from secureapi.cli import register_commands
from secureapi.core.api import Blueprint as DocumentedBlueprint
from secureapi.core.clock import Clock, SystemClock
from secureapi.core.database import Database, db, engine_options
from secureapi.core.errors import Malformed
from secureapi.core.extension_migrations import ExtensionMigrations
from secureapi.core.health import Check, HealthChecks
from secureapi.core.identifiers import is_id
from secureapi.core.logs import configure_logs, init_request_log
from secureapi.core.problems import init_problems
from secureapi.core.proxies import TrustedProxies
from secureapi.core.services import provide, service
from secureapi.core.settings_versions import SettingsWatch
from secureapi.core.versions import VERSIONS, ApiVersion, State, current, init_versions
from secureapi.plugins import Extension, extensions_of
from secureapi.security import probes
from secureapi.security import routes as security_routes
from secureapi.security.account_pages import account_pages_blueprint
from secureapi.security.guard import undeclared_endpoints
from secureapi.security.headers import init_headers
from secureapi.security.idempotency import REPLAYED, misplaced_endpoints
from secureapi.security.limits import UNLIMITED, add_limit_headers, limit_of
from secureapi.security.openapi import OpenApi, init_openapi
from secureapi.security.pages import pages_blueprint
from secureapi.settings import Settings, load_settings
from secureapi.settings.in_force import SettingsInForce
from secureapi.users import routes as user_routes
from secureapi.wiring import wire

_HERE = Path(__file__).resolve().parent
MIGRATIONS = next((p for p in (_HERE / "migrations", _HERE.parents[1] / "migrations") if p.is_dir()), _HERE / "migrations")
"""Inside the package where it was installed from a wheel, beside `src` in a checkout."""
_API_VERSION = "1.0.0"


def create_app(
    settings: Settings | None = None,
    *,
    blueprints: Iterable[Blueprint | Extension] = (),
    clock: Clock | None = None,
    versions: tuple[ApiVersion, ...] = VERSIONS,
) -> Flask:
    """Build the application. Without `settings` they are read from the environment.

    `blueprints` are yours: registered as they are, under the same guard, and after them those of the installed packages that `PLUGINS`
    names. `clock` stands in for the machine's, `versions` for the register of API versions. Raises `SettingsRefused` when the settings
    cannot be right, and `RuntimeError` when an endpoint does not declare who may enter.
    """
    in_force = SettingsInForce(settings or load_settings())
    settings = in_force.fixed
    configure_logs(settings)

    app = _Application("secureapi", static_folder=None)
    _configure(app, settings)
    db.init_app(app)
    Migrate(app, db, directory=str(MIGRATIONS), compare_type=True, render_as_batch=settings.is_embedded_database)

    init_problems(app)
    init_request_log(app, settings)
    guard = wire(app, in_force, clock or SystemClock())
    app.before_request(_refuse_fragment)
    app.before_request(partial(_keep_up, service(SettingsWatch, app)))
    app.before_request(guard.admit)
    app.after_request(add_limit_headers)
    talisman = init_headers(app)
    _allow_origins(app, settings)

    api = init_openapi(app, title=settings.app_name, version=_API_VERSION)
    _mount(app, api, settings, versions)
    app.register_blueprint(probes.blueprint)
    app.register_blueprint(pages_blueprint(settings, api, talisman))
    app.register_blueprint(account_pages_blueprint(settings, talisman, api=current(versions).path))
    app.register_blueprint(well_known_blueprint(settings, api=current(versions).path))
    _plug_in(app, api, extensions_of(blueprints, settings.plugins))

    register_commands(app)
    _refuse_undeclared(app)
    _refuse_misplaced(app)
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    in_force.built()
    return app


class _Application(Flask):
    """Flask without its support for async views: there are none, and asking each function on each request costs 30 microseconds."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


class IdConverter(BaseConverter):
    """`<id:name>` in a path: an identifier in its one canonical spelling; anything else is 404."""

    # As strict as what decides: a spelling that only `to_python` refuses would be told apart by its method (405 instead of 404).
    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    def to_python(self, value: str) -> str:
        if not is_id(value):
            raise ValidationError
        return value


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=None,  # Flask's own signed cookies are not used, so nothing may be signed with a key of ours
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
        TRUSTED_HOSTS=list(settings.allowed_hosts),
        MAX_BODY_BYTES=settings.max_body_bytes,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        MAX_FORM_MEMORY_SIZE=settings.max_body_bytes,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.converters["id"] = IdConverter
    # A redirect would carry the Host header that a stranger chose, and turn a POST into a GET.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False


def _refuse_fragment() -> None:
    """No request target has one (RFC 9112 section 3.2). What is cut off here was read by whoever decides in front of us by the address."""
    if "#" in request.environ.get("RAW_URI", ""):
        raise Malformed(detail="The address has a fragment.")


def _keep_up(watch: SettingsWatch) -> None:
    """Learn of changed settings before anybody asks for one. Probes ask for none, and must not wait for the database."""
    if watch.is_due and request.endpoint and limit_of(current_app.view_functions.get(request.endpoint)) != UNLIMITED:
        watch.keep_up()


def _mount(app: Flask, api: OpenApi, settings: Settings, versions: Sequence[ApiVersion]) -> None:
    """Every blueprint under the version in force, and once more without one for clients that follow the seed documents.

    Deprecated versions reach the same handlers. One of which a version has its own gets a table of its own here.
    """
    canonical = current(versions).path
    mounted = (
        (auth_routes.auth, "/auth"),
        (user_routes.registration_blueprint(settings), "/auth"),
        (user_routes.blueprint, "/users"),
        (auth_routes.my_credentials, "/users"),
        (auth_routes.people, "/users"),
        (security_routes.blueprint, "/security"),
        (auth_routes.administration, "/admin"),
    )
    deprecated = [version for version in versions if version.state is State.DEPRECATED]
    for blueprint, prefix in mounted:
        api.register_blueprint(blueprint, url_prefix=canonical + prefix)
        for version in deprecated:
            app.register_blueprint(blueprint, url_prefix=version.path + prefix, name=f"{version.name}-{blueprint.name}")
        if settings.unversioned_paths:
            app.register_blueprint(blueprint, url_prefix=prefix, name=f"unversioned-{blueprint.name}")
    init_versions(app, versions)

    @app.after_request
    def _name_the_canonical_path(response: Response) -> Response:
        if request.blueprint and request.blueprint.startswith("unversioned-"):
            response.headers.add("Link", f'<{canonical}{request.path}>; rel="canonical"')
        return response


def _plug_in(app: Flask, api: OpenApi, extensions: Sequence[Blueprint | Extension]) -> None:
    """What people who build on this bring: endpoints, in the API's description where they are documented, and migrations."""
    for each in extensions:
        blueprint = each.blueprint if isinstance(each, Extension) else each
        if blueprint.name in app.blueprints:
            raise RuntimeError(f"there is a blueprint called {blueprint.name} already; give that of the extension another name")
        before = {rule.endpoint for rule in app.url_map.iter_rules()}
        (api if isinstance(blueprint, DocumentedBlueprint) else app).register_blueprint(blueprint)
        _refuse_unreachable(app, before)
    folders = {each.name: each.migrations for each in extensions if isinstance(each, Extension) and each.migrations}
    migrations = ExtensionMigrations(folders)
    provide(app, migrations)
    if folders:
        look = partial(migrations.look, service(Database, app))
        service(HealthChecks, app).add(Check("extensions", look, is_vital=True, rests_on="database"))


def _refuse_unreachable(app: Flask, before: set[str]) -> None:
    """Refuse what an extension has brought and nobody could use: addresses that are taken, and views that have to be awaited."""
    taken = {asked for rule in app.url_map.iter_rules() if rule.endpoint in before for asked in _asked(rule)}
    for rule in app.url_map.iter_rules():
        if rule.endpoint in before:
            continue
        twice = sorted(method for method, path in _asked(rule) if (method, path) in taken)
        if twice:
            raise RuntimeError(f"{', '.join(twice)} {rule.rule} is taken; give {rule.endpoint} another address")
        if iscoroutinefunction(unwrap(app.view_functions[rule.endpoint])):
            raise RuntimeError(f"{rule.endpoint} is an async function, and nobody awaits it here")


def _asked(rule: Rule) -> Iterator[tuple[str, str]]:
    """Methods and addresses of a rule. Where something may stand is one place, whatever it is called and read by."""
    path = re.sub(r"<[^>]+>", "<>", rule.rule).rstrip("/")
    return ((method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"})


def _allow_origins(app: Flask, settings: Settings) -> None:
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            methods=list(settings.cors_allow_methods),
            allow_headers=list(settings.cors_allow_headers),
            expose_headers=["X-Request-ID", "RateLimit", "RateLimit-Policy", "Retry-After", "Link", REPLAYED],
            supports_credentials=settings.cors_allow_credentials,
            max_age=600,
            always_send=False,
        )

        @app.after_request
        def _tell_caches(response: Response) -> Response:
            # Whoever asks: the answer to one origin must not be kept for another.
            response.vary.add("Origin")
            return response


def _refuse_undeclared(app: Flask) -> None:
    missing = undeclared_endpoints(app)
    if missing:
        raise RuntimeError(f"these endpoints do not declare who may enter (@public, @signed_in or @requires): {', '.join(missing)}")


def _refuse_misplaced(app: Flask) -> None:
    misplaced = misplaced_endpoints(app)
    if misplaced:
        raise RuntimeError(f"@idempotent stands below @accepts, on endpoints for callers who are signed in: {', '.join(misplaced)}")
