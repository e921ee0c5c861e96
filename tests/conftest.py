"""Fixtures that every test may ask for.

`house` is an application shared by the tests of a worker, once on SQLite and once on PostgreSQL and Redis: make people with names
of their own in it. `make_house` makes one that belongs to the test. `live` is gunicorn with four workers.
"""

import gc
import os
import sys
from datetime import UTC, datetime

import pytest

from secureapi.core.clock import FrozenClock
from support.processes import ServiceMissing
from support.sample_settings import make_settings as _make_settings
from support.services import Addresses, Services
from support.site import Site, prepare

ENGINES = ("embedded", "scaled")
_services = pytest.StashKey[Services]()
_loaded_by_importing = frozenset(sys.modules)


def pytest_configure():
    # Nobody here trusts the authorities of this machine. redis-py reads all of them for each connection, in 20 ms.
    os.environ |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    # What is loaded with the tests stays to the end. To look through it again and again for garbage took a fifth of a run.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Every application that a test makes is some ten thousand objects, which are no garbage while it lasts.
        gc.set_threshold(50_000, 20, 50)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """In a parallel run the first process starts the services, once, and tells each worker where they are."""
    config = node.config
    if _services not in config.stash and not hasattr(config, "secureapi_prepared"):
        try:
            config.stash[_services] = Services()
            config.secureapi_prepared = prepare(config.stash[_services]).as_dict()
        except ServiceMissing as missing:
            config.secureapi_prepared = str(missing)
    node.workerinput["services"] = config.secureapi_prepared


def pytest_unconfigure(config):
    services = config.stash.get(_services, None)
    if services:
        services.close()


@pytest.fixture(scope="session")
def site(request):
    """Where this worker builds. Starts the services when nobody has yet."""
    told = getattr(request.config, "workerinput", {})
    if isinstance(told.get("services"), str):
        pytest.fail(told["services"], pytrace=False)
    services = None
    if "services" in told:
        addresses = Addresses(**told["services"])
    else:
        try:
            services = Services()
        except ServiceMissing as missing:
            pytest.fail(str(missing), pytrace=False)
        addresses = prepare(services)
    built = Site(addresses, int(told.get("workerid", "gw0").removeprefix("gw")), told.get("workercount", 1))
    yield built
    built.close()
    if services:
        services.close()


@pytest.fixture(scope="session")
def make_settings():
    """`make_settings(**overrides)`: valid settings for tests, on SQLite in memory."""
    return _make_settings


@pytest.fixture(scope="session")
def loaded_by_importing():
    """The modules that were there when the application had been imported and no test had done anything."""
    return _loaded_by_importing


@pytest.fixture
def clock():
    """A clock that stands at the present moment until the test moves it; pass it to `make_house(clock=clock)`."""
    return FrozenClock(datetime.now(UTC))


@pytest.fixture
def make_house(site):
    """`make_house(engine="embedded", clock=None, services=None, **overrides)`: an application of the test's own."""
    own = site.within()

    def make(engine="embedded", *, services=None, **options):
        return (services.site if services else own).house(engine, **options)

    yield make
    own.close()


@pytest.fixture(scope="session")
def shared_houses(site):
    """One house an engine, made when first asked for."""
    made = {}

    def get(engine):
        if engine not in made:
            made[engine] = site.house(engine)
        return made[engine]

    return get


@pytest.fixture(params=ENGINES)
def house(request, shared_houses):
    """The shared application, on one engine and then on the other."""
    return shared_houses(request.param)


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of each engine in turn, for `make_house(engine, ...)`."""
    return request.param


@pytest.fixture(scope="session")
def live(site):
    """gunicorn with four workers on PostgreSQL and Redis, shared by the tests of a worker."""
    return site.live()


@pytest.fixture
def make_live(site):
    """`make_live(engine="scaled", services=None, **settings_or_ENVIRONMENT)`: a server that the test may stop or kill."""
    own = site.within()

    def make(engine="scaled", *, services=None, **options):
        return (services.site if services else own).live(engine, **options)

    yield make
    own.close()


@pytest.fixture
def make_services():
    """`make_services()`: a pair of servers of the test's own; `.postgres` and `.redis` may be paused, stopped and started."""
    made = []

    def make():
        services = Services(from_outside=False)
        made.append(services)
        services.site = Site(prepare(services))
        return services

    yield make
    for services in made:
        services.resume()
        services.site.close()
        services.close()
