"""What this service itself creates, asked for twice: accounts, API keys and roles."""

import secrets

import pytest

from journeys.answers import assert_problem
from journeys.with_keys import make_key
from support.races import together

API = "/api/v1"


def word():
    return "new-" + secrets.token_hex(4)


def account(name, **more):
    return {"username": name, "email": f"{name}@example.com", "password": "Tall-Oak-42-Trees!", "role": "user"} | more


WANTED = {
    "/users": lambda: account(word()),
    "/auth/api-keys": lambda: {"name": word(), "scopes": ["content:read"]},
    "/admin/roles": lambda: {"name": word(), "description": "Reads.", "permissions": ["self:read", "content:read"]},
}


def create(person, path, wanted, key='"once"', headers=None):
    sent = (headers or person.headers) | {"Idempotency-Key": key}
    return person.house.client().post(path if path.startswith(API) else API + path, json=wanted, headers=sent)


def replayed(answer):
    return answer.headers.get("Idempotency-Replayed") == "true"


@pytest.mark.parametrize("path", WANTED)
def test_twenty_at_once_create_one(house, path):
    administrator, wanted = house.administrator(), WANTED[path]()

    answers = together([lambda: create(administrator, path, wanted)] * 20)
    again = create(administrator, path, wanted)

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(answer.status_code == 201 and not replayed(answer) for answer in answers) == 1
    assert replayed(again)
    assert again.status_code == 201
    for answer in answers:
        if answer.status_code == 409:
            assert_problem(answer, 409, "idempotency_in_progress")
        else:
            assert {name: value for name, value in answer.json.items() if name != "api_key"} == again.json
    assert_problem(create(administrator, path, WANTED[path]()), 422, "idempotency_key_reused")


def test_an_account_that_was_created_is_not_taken_by_its_own_retry(house):
    administrator, name = house.administrator(), word()

    first, second = (create(administrator, "/users", account(name)) for _ in range(2))
    without = house.client().post(f"{API}/users", json=account(name), headers=administrator.headers)

    assert (first.status_code, first.json) == (second.status_code, second.json)
    assert without.status_code == 400
    assert len(house.execute("SELECT id FROM users WHERE username = :name", name=name)) == 1


def test_the_value_of_a_key_is_never_told_a_second_time(house):
    person = house.person()
    wanted = {"name": "Report", "scopes": ["content:read"]}

    first, second = (create(person, "/auth/api-keys", wanted) for _ in range(2))

    value = first.json["api_key"]
    assert value.startswith("sa_live_")
    assert replayed(second)
    assert "api_key" not in second.json
    assert value[16:] not in second.text
    assert second.json == {name: told for name, told in first.json.items() if name != "api_key"}
    assert len(house.client().get(f"{API}/auth/api-keys", headers=person.headers).json["api_keys"]) == 1


def test_both_ways_to_an_endpoint_are_one(house):
    administrator, name = house.administrator(), word()

    first = create(administrator, "/users", account(name))
    second = house.client().post("/users", json=account(name), headers=administrator.headers | {"Idempotency-Key": '"once"'})

    assert replayed(second)
    assert second.json == first.json


def test_a_program_and_its_owner_do_not_share_keys(house):
    administrator = house.administrator()
    of_the_new_account = ["self:read", "self:write", "content:read", "content:write"]
    program = make_key(administrator, scopes=["users:read", "users:write", "admin:write", *of_the_new_account])
    ours, name = account(word()), word()
    theirs = {"username": name, "email": f"{name}@example.com", "invite": "mail"}

    answers = create(administrator, "/users", ours), create(administrator, "/users", theirs, headers=program.headers)

    assert [answer.status_code for answer in answers] == [201, 201]
    assert not any(map(replayed, answers))


def test_a_refused_creation_gives_the_key_back(house):
    administrator, taken = house.administrator(), house.register()

    refused = create(administrator, "/users", account(taken.username))
    allowed = create(administrator, "/users", account(word()))

    assert refused.status_code == 400
    assert allowed.status_code == 201
    assert not replayed(allowed)


def test_somebody_who_lost_the_permission_gets_no_replay(house):
    administrator, name = house.administrator(), word()
    house.administrator()
    create(administrator, "/users", account(name))

    house.execute("UPDATE users SET role = 'user' WHERE username = :name", name=administrator.username)
    administrator._tokens = None

    assert_problem(create(administrator, "/users", account(name)), 403, "insufficient_permission")


def test_registration_takes_no_key(house):
    """An address is shared by many, each of whom could ask for the answer to another's request."""
    headers = {"Idempotency-Key": "once"}

    answers = [house.client().post(f"{API}/auth/register", json=registration(), headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json["id"] != answers[1].json["id"]


def registration():
    return {name: value for name, value in account(word()).items() if name != "role"}
