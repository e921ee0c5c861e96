"""Servers that these tests shake, and that each of them leaves as they were."""

import pytest
from redis import Redis

from support.faults import FAULTS, is_well
from support.processes import until
from support.services import Services
from support.site import Site, prepare


@pytest.fixture(scope="session")
def shaken():
    """A pair of servers that only these tests shake, and gunicorn on them: each test leaves them as they were."""
    services = Services(from_outside=False)
    site = Site(prepare(services))
    yield services, site.live(database_timeout_seconds=2.0, redis_timeout_seconds=0.1)
    site.close()
    services.close()


@pytest.fixture
def store(shaken):
    """A connection of the operator's to Redis."""
    addresses = shaken[0].addresses
    with Redis.from_url(addresses.redis_url, ssl_ca_certs=addresses.redis_ca_file) as client:
        yield client


@pytest.fixture
def services(shaken, store):
    services, live = shaken
    yield services
    services.resume()
    for fault in FAULTS.values():
        fault.mend(services, store)
    until(lambda: is_well(live))


@pytest.fixture
def live(shaken, services):
    return shaken[1]
