"""Programs that go on with a key that is over, and programs that run wild: what they cost, and whom."""

import pytest

from journeys.answers import assert_problem
from journeys.with_keys import API, KEYS, make_key
from secureapi.auth.repository import PRESENTED_KEY
from secureapi.core.database import Database


@pytest.fixture
def looks(monkeypatch):
    """The looks at keys in the database."""
    seen, run = [], Database.run

    def watched(self, statement, **values):
        if statement is PRESENTED_KEY:
            seen.append(values)
        return run(self, statement, **values)

    monkeypatch.setattr(Database, "run", watched)
    return seen


@pytest.fixture
def strict(make_house):
    return make_house("embedded", rate_limit_per_minute=5, profile_rate_limit="2/minute")


def test_a_refused_key_is_not_looked_up_any_more_when_its_address_is_over_its_limit(strict, looks):
    person = strict.register()
    key, other = make_key(person), make_key(person)
    assert strict.client().delete(f"{KEYS}/{key.id}", headers=person.headers).status_code == 204
    flood = [key.get() for _ in range(20)]

    assert [answer.status_code for answer in flood] == [401] * 5 + [429] * 15
    assert len(looks) == 6
    # True waiting times all along.
    assert all(0 < int(answer.headers["Retry-After"]) <= 60 for answer in flood[5:])
    assert "r=0" in flood[-1].headers["RateLimit"]
    # Behind the same address, and in the other header.
    assert other.get().status_code == 200
    assert strict.client().get(f"{API}/users/me", headers={"Authorization": f"Bearer {other.value}"}).status_code == 200


def test_what_is_not_over_its_limit_is_looked_at_each_time(strict, looks):
    person = strict.register()
    key = make_key(person)
    assert strict.client().delete(f"{KEYS}/{key.id}", headers=person.headers).status_code == 204

    assert [key.get().status_code for _ in range(3)] == [401] * 3
    assert len(looks) == 3


def test_a_program_that_runs_wild_leaves_its_owner_his_own_limit_and_no_key_has_another(strict):
    person = strict.register()
    first, second = (make_key(person, scopes=["self:write"]) for _ in range(2))

    def change(headers):
        return strict.client().patch(f"{API}/users/me", headers=headers, json={"bio": "Botanist"})

    assert [change(first.headers).status_code for _ in range(2)] == [200, 200]
    assert_problem(change(first.headers), 429, "rate_limited")
    assert_problem(change(second.headers), 429, "rate_limited")
    assert change(person.headers).status_code == 200
