"""API keys with many at once: limits are exact, a rotation costs nobody a request, and a revocation is over when it is answered."""

import time
from collections import Counter

import pytest

from journeys.with_keys import API, KEYS, ask_for_key, make_key
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from support.races import Crowd, change_role, together

ME = f"{API}/users/me"


def test_of_any_number_at_once_exactly_as_many_keys_are_made_as_are_allowed(make_house, engine):
    house = make_house(engine, max_api_keys_per_user=5)
    person = house.person()

    answers = together([lambda: ask_for_key(person)] * 25)

    assert Counter(answer.status_code for answer in answers) == {201: 5, 409: 20}
    assert len(house.client().get(KEYS, headers=person.headers).json["api_keys"]) == 5
    assert house.execute("SELECT count(*) FROM api_keys")[0][0] == 5


def test_of_any_number_at_once_exactly_the_quota_is_served(make_house, engine):
    house = make_house(engine)
    key = make_key(house.person(), daily_quota=10)

    answers = together([key.get] * 30)

    assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 20}
    assert house.execute("SELECT requests FROM api_key_usage")[0][0] == 10


def test_the_quota_is_exact_over_several_workers_and_both_values(make_live):
    live = make_live()
    person = live.house.person()
    old = make_key(person, daily_quota=20)
    told = live.post(f"{KEYS}/{old.id}/rotate", person=person, json={}).json

    answers = together(
        [lambda value=value: live.get(ME, headers={"X-API-Key": value}).status for value in (old.value, told["api_key"]) * 30]
    )

    assert Counter(answers) == {200: 20, 429: 40}


def test_rotations_at_once_all_give_a_value_that_is_good(make_house, engine):
    house = make_house(engine)
    person = house.person()
    key = make_key(person)

    answers = together([lambda: house.client().post(f"{KEYS}/{key.id}/rotate", headers=person.headers, json={})] * 4)

    assert {answer.status_code for answer in answers} == {200}
    values = {answer.json["api_key"] for answer in answers} | {key.value}
    assert len(values) == 5
    assert {house.client().get(ME, headers={"X-API-Key": value}).status_code for value in values} == {200}
    assert house.execute("SELECT count(*) FROM api_key_values WHERE good_until IS NULL")[0][0] == 1


@pytest.mark.parametrize("kind", ["embedded", "scaled"])
def test_a_rotation_under_load_costs_nobody_a_request(make_live, kind):
    live = make_live(kind)
    person = live.house.person()
    key = make_key(person)
    values = [key.value]

    with Crowd(lambda: live.get(ME, headers={"X-API-Key": values[-1]}).status, threads=6) as crowd:
        crowd.meet(times=20)
        for _ in range(3):
            values.append(live.post(f"{KEYS}/{key.id}/rotate", person=person, json={"overlap_hours": 1}).json["api_key"])
            crowd.go_on_after(time.monotonic())

    assert crowd.statuses() == {200}
    assert live.get(ME, headers={"X-API-Key": values[0]}).status == 200


@pytest.mark.parametrize("kind", ["embedded", "scaled"])
def test_no_request_that_begins_after_the_answer_to_a_revocation_is_let_in(make_live, kind):
    live = make_live(kind)
    person = live.house.person()
    key = make_key(person)

    with Crowd(lambda: live.get(ME, headers=key.headers).status, threads=6) as crowd:
        crowd.meet(times=20)
        assert live.delete(f"{KEYS}/{key.id}", person=person).status == 204
        answered = time.monotonic()
        crowd.go_on_after(answered)

    assert crowd.statuses(after=answered) == {401}
    assert crowd.statuses(before=answered) <= {200, 401}


def test_no_request_that_begins_after_its_owner_was_demoted_or_disabled_is_let_in(make_live):
    live = make_live()
    administrator, _one_more = live.house.administrator(), live.house.administrator()
    key = make_key(administrator, scopes=["users:read"])

    with Crowd(lambda: live.get(f"{API}/users", headers=key.headers).status, threads=6) as crowd:
        crowd.meet(times=20)
        change_role(live.house, administrator, "user")
        demoted = time.monotonic()
        crowd.go_on_after(demoted)
        live.house.service(Administration).disable(user_id=administrator.id, caller=None, client=Client.of_command_line())
        disabled = time.monotonic()
        crowd.go_on_after(disabled)

    assert crowd.statuses(after=demoted, before=disabled) <= {403, 401}
    assert crowd.statuses(after=disabled) == {401}
