"""How requests with API keys are counted: in the figures, by their own limit and by their quota, and in the database."""

import secrets
from contextlib import closing
from datetime import UTC, datetime

import pytest

from journeys.with_keys import make_key
from secureapi.auth.repository import counting
from secureapi.core.database import Database

TOKEN = secrets.token_urlsafe(32)


def test_refusals_of_keys_and_sessions_are_counted_by_name(make_house, engine):
    house = make_house(engine, metrics_token=TOKEN, rate_limit_per_minute=12)
    person = house.person()
    hurried, frugal = make_key(person, requests_per_minute=2), make_key(person, daily_quota=1)

    got = [[key.get().status_code for _ in range(4)] for key in (hurried, frugal)]
    # Making two keys was counted too.
    own = [house.client().get("/api/v1/users/me", headers=person.headers).status_code for _ in range(11)]

    assert got == [[200, 200, 429, 429], [200, 429, 429, 429]]
    assert own == [200] * 10 + [429]
    figures = house.client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text.splitlines()
    refusals = {line for line in figures if line.startswith("secureapi_limit_refusals_total")}
    assert refusals == {
        'secureapi_limit_refusals_total{limit="api"} 1.0',
        'secureapi_limit_refusals_total{limit="api_key"} 2.0',
        'secureapi_limit_refusals_total{limit="daily_quota"} 3.0',
    }


@pytest.mark.parametrize(("is_exact", "within"), [(True, "on"), (False, "off")])
def test_only_what_must_be_exact_waits_for_the_disk_and_nobody_else_is_hurried(shared_houses, is_exact, within):
    house = shared_houses("scaled")
    key, engine, now = make_key(house.register()), house.service(Database).engine, datetime.now(UTC)
    prepared = counting(engine.dialect, is_exact=is_exact).on(engine.dialect)
    values = prepared.parameters({"key_id": key.id, "day": now.date(), "now": now, "address": "203.0.113.7", "most": 2})

    with engine.connect() as borrowed, closing(borrowed.connection.cursor()) as cursor:
        cursor.execute("SET synchronous_commit = on")
        borrowed.connection.commit()
        counted = []
        for _ in range(3):
            cursor.execute(prepared.sql, values)
            counted.append((cursor.fetchone() or (None,))[0])
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone()[0] == (within if counted[-1] else "on")
            borrowed.connection.commit()
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone()[0] == "on"
        borrowed.invalidate()

    assert counted == [1, 2, None]
