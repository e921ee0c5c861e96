"""What the verifiers share: issuers, one for each algorithm, and the programs in Node.js."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secureapi.core.clock import FrozenClock
from support.node import NodeMissing, Programs
from verifiers.issuer import issuing
from verifiers.libraries import LIBRARIES


@pytest.fixture(scope="session")
def programs(site):
    """The programs of this folder, with their packages from npm."""
    try:
        installed = Programs(Path(site.addresses.folder))
    except NodeMissing as missing:
        pytest.skip(str(missing))
    yield installed
    installed.close()


@pytest.fixture(scope="session")
def issuers(site):
    """`issuers(algorithm)`: secureapi, signing with it; made when first asked for, and shared by the tests of a worker."""
    made = {}
    with ExitStack() as closing:

        def get(algorithm):
            if algorithm not in made:
                made[algorithm] = closing.enter_context(issuing(site, FrozenClock(datetime.now(UTC)), jwt_algorithm=algorithm))
            return made[algorithm]

        yield get


@pytest.fixture
def issuer(request, issuers):
    """secureapi, signing with the algorithm that the test says."""
    return issuers(request.param)


@pytest.fixture
def library(request):
    """The name of a library; tests say which."""
    return request.param


@pytest.fixture
def make_verifier(request, issuer, library):
    """`make_verifier()`: a verifier of this library that knows nothing yet."""
    programs = request.getfixturevalue("programs") if library.startswith("npm") else None
    return lambda: LIBRARIES[library](issuer, programs)
