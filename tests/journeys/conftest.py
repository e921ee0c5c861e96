"""What several journeys share."""

import itertools

import pytest

pytest.register_assert_rewrite("journeys.answers")

API = "/api/v1"
_hosts = itertools.count(1)


@pytest.fixture(params=[API, ""], ids=["versioned", "unversioned"])
def base(request):
    """Both ways to address the public API."""
    return request.param


@pytest.fixture
def from_elsewhere():
    """`from_elsewhere()`: options for the test client that make the next request come from an address not seen before."""

    def options():
        number = next(_hosts)
        return {"environ_overrides": {"REMOTE_ADDR": f"198.51.{number // 250 % 250}.{number % 250 + 1}"}}

    return options
