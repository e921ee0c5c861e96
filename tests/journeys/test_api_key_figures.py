"""What the figures say of API keys: refusals by their own limit and by their quota, each under its name, and those of sessions too."""

import secrets

from journeys.with_keys import make_key

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
