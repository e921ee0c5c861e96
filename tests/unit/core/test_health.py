import pytest

from secureapi.core.errors import Unavailable
from secureapi.core.health import Check, HealthChecks, NotWell
from secureapi.core.redis import RedisAway


def well():
    pass


def database_is_gone():
    raise Unavailable


def redis_is_gone():
    raise RedisAway


@pytest.mark.parametrize(
    ("database", "redis", "status"),
    [
        (well, well, "ok"),
        (well, redis_is_gone, "degraded"),
        (database_is_gone, well, "failing"),
        (database_is_gone, redis_is_gone, "failing"),
    ],
)
def test_only_what_is_vital_makes_it_fail(database, redis, status):
    health = HealthChecks((Check("database", database, is_vital=True), Check("redis", redis, is_vital=False))).examine()
    assert health.status == status
    assert [(finding.name, finding.status) for finding in health.checks] == [
        ("database", "ok" if database is well else "failing"),
        ("redis", "ok" if redis is well else "failing"),
    ]
    assert all(finding.milliseconds >= 0 for finding in health.checks)


def test_every_check_is_made_although_an_earlier_one_failed():
    looked = []
    HealthChecks((Check("a", database_is_gone, is_vital=True), Check("b", lambda: looked.append("b"), is_vital=False))).examine()
    assert looked == ["b"]


def test_nothing_to_look_at_is_well():
    assert HealthChecks(()).examine().status == "ok"


def test_a_defect_of_a_check_is_not_taken_for_an_illness_of_what_it_looks_at():
    def broken():
        raise AttributeError("a defect of ours")

    with pytest.raises(AttributeError):
        HealthChecks((Check("broken", broken, is_vital=False),)).examine()


def test_what_rests_on_something_that_fails_is_not_looked_at_and_is_not_well():
    looked = []
    checks = (
        Check("database", database_is_gone, is_vital=True),
        Check("outbox", lambda: looked.append("outbox"), is_vital=False, rests_on="database"),
    )
    health = HealthChecks(checks).examine()
    assert [(finding.name, finding.status) for finding in health.checks] == [("database", "failing"), ("outbox", "failing")]
    assert looked == []


def test_what_is_there_and_not_as_it_should_be_degrades():
    def overdue():
        raise NotWell

    checks = (Check("database", well, is_vital=True), Check("outbox", overdue, is_vital=False, rests_on="database"))
    assert HealthChecks(checks).examine().status == "degraded"
