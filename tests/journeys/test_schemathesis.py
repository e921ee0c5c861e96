"""Schemathesis against our own description, every check on: as a stranger and as an administrator, on one example after another."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from support.live import ROOT

bounded = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def described_house(make_house, engine):
    return make_house(engine, log_level="ERROR")


@pytest.fixture
def description(described_house):
    config = SchemathesisConfig.from_path(ROOT / "schemathesis.toml")
    return schemathesis.openapi.from_wsgi("/openapi.json", described_house.app, config=config)


schema = schemathesis.pytest.from_fixture("description")


@schema.parametrize()
@bounded
def test_a_stranger_finds_no_answer_that_is_not_described(case):
    case.call_and_validate()


@schema.parametrize()
@bounded
def test_an_administrator_finds_no_answer_that_is_not_described(case, described_house):
    # A new one each time: some of what is tried signs him out, or locks him out.
    case.call_and_validate(headers=described_house.administrator().headers)
