"""Where houses are built: hands out databases and logical Redis databases, and clears everything away."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask_migrate import upgrade

from secureapi import create_app
from secureapi.core.clock import Clock
from secureapi.core.database import db
from support.house import House
from support.live import Live
from support.processes import free_port
from support.sample_settings import make_settings
from support.services import Addresses, Services

_ENCRYPTED = ("sslmode=require", "sslmode=verify-ca", "sslmode=verify-full")
LIVE_WORKERS = 4


def prepare(services: Services) -> Addresses:
    """Migrate a template on both engines, to be copied for each house."""
    addresses = services.addresses
    _migrate(f"sqlite:///{sqlite_template(addresses)}")
    url = addresses.create_database()
    services.borrowed.append(url)
    _migrate(url, database_require_tls=_is_encrypted(url))
    return replace(addresses, template=urlsplit(url).path.lstrip("/"))


def sqlite_template(addresses: Addresses) -> Path:
    return Path(addresses.folder) / "template.db"


def _migrate(url: str, **overrides: Any) -> None:
    app = create_app(make_settings(database_url=url, **overrides))
    with app.app_context():
        upgrade()
        db.engine.dispose()


@dataclass
class Site:
    """Builds on one pair of servers. Several sites share a pair by taking every `count`-th logical database of Redis."""

    addresses: Addresses
    index: int = 0
    count: int = 1
    _undo: list[Callable[[], object]] = field(default_factory=list)
    _taken: set[int] = field(default_factory=set)

    def house(self, engine: str = "embedded", *, clock: Clock | None = None, blueprints: tuple[Any, ...] = (), **overrides: Any) -> House:
        """An application on a fresh copy of the template."""
        house = House(make_settings(**(self._stores(engine) | overrides)), clock=clock, blueprints=blueprints)
        self._undo.append(house.close)
        return house

    def live(self, engine: str = "scaled", **options: Any) -> Live:
        """gunicorn. Lower-case options are settings; upper-case ones are put into its environment as they are."""
        environment = {name: str(options.pop(name)) for name in list(options) if name.isupper()}
        port = free_port()
        usual = {"port": port, "public_url": f"http://127.0.0.1:{port}", "web_concurrency": LIVE_WORKERS if engine == "scaled" else 1}
        settings = make_settings(**(self._stores(engine) | usual | options))
        log = Path(self.addresses.folder) / f"gunicorn-{port}.log"
        live = Live(settings, house=House(settings), log=log, environment=environment)
        self._undo.append(live.close)
        return live.start()

    def close(self) -> None:
        """Undo everything, the last first."""
        while self._undo:
            self._undo.pop()()

    def within(self) -> "Site":
        """A site on the same servers that can be closed by itself and takes other logical databases."""
        inner = Site(self.addresses, self.index, self.count)
        inner._taken = self._taken
        return inner

    def _stores(self, engine: str) -> dict[str, Any]:
        if engine == "embedded":
            path = Path(self.addresses.folder) / f"house-{secrets.token_hex(8)}.db"
            shutil.copyfile(sqlite_template(self.addresses), path)
            self._undo.append(lambda: [left.unlink() for left in path.parent.glob(f"{path.name}*")])
            return {"database_url": f"sqlite:///{path}"}
        if engine != "scaled":
            raise ValueError("the engine is embedded or scaled")
        database_url = self.addresses.create_database()
        self._undo.append(lambda: self.addresses.drop_database(database_url))
        redis_url = self.addresses.redis_database(self._take())
        return {
            "database_url": database_url,
            "database_require_tls": _is_encrypted(database_url),
            "redis_url": redis_url,
            "redis_require_tls": redis_url.startswith("rediss:"),
            "redis_ca_file": self.addresses.redis_ca_file,
        }

    def _take(self) -> int:
        mine = range(self.index, self.addresses.redis_databases, self.count)
        number = next((number for number in mine if number not in self._taken), None)
        if number is None:
            raise RuntimeError("this Redis has no logical database left: run fewer workers (-n), or let the tests start their own")
        self._taken.add(number)
        self._undo.append(lambda: self._taken.discard(number))
        return number


def _is_encrypted(url: str) -> bool:
    return any(mode in url for mode in _ENCRYPTED)
