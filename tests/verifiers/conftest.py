"""What the verifiers share: issuers, one for each algorithm, and the programs in Node.js."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from secureapi.core.clock import FrozenClock
from support.node import NodeMissing, Programs
from verifiers.issuer import issuing
from verifiers.libraries import ALGORITHMS, LIBRARIES


@pytest.fixture(scope="session")
def programs(site):
    """The programs of this folder, with their packages from npm."""
    try:
        return Programs(Path(site.addresses.folder))
    except NodeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", params=ALGORITHMS)
def issuer(request, site):
    """secureapi, signing with each algorithm in turn."""
    own = site.within()
    with issuing(own, FrozenClock(datetime.now(UTC)), jwt_algorithm=request.param) as issuer:
        yield issuer
    own.close()


@pytest.fixture(params=LIBRARIES)
def library(request):
    """The name of each library in turn."""
    return request.param


@pytest.fixture
def make_verifier(request, issuer, library):
    """`make_verifier()`: a verifier of this library that knows nothing yet."""
    made = []

    def make():
        is_node = library.startswith("npm")
        verifier = LIBRARIES[library](issuer, request.getfixturevalue("programs") if is_node else None)
        made.append(verifier)
        return verifier

    yield make
    for verifier in made:
        verifier.close()
