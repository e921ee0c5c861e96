"""Settings that change while the server runs, where somebody may less than he thinks, or the table is not as we left it."""

import json
import secrets

import pytest

from journeys.answers import assert_problem
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.core.settings_versions import SettingsWatch
from secureapi.users.service import Roles

CONFIG = "/api/v1/admin/config"
TERMINAL = Client.of_command_line()


def read(house):
    answer = house.client().get(CONFIG, headers=house.administrator().headers)
    assert answer.status_code == 200, answer.text
    values = {each["name"]: each["value"] for each in answer.json["settings"]}
    return answer.json["version"], values["MAX_LOGIN_ATTEMPTS"], [each["name"] for each in answer.json["unusable"]]


def change(house, version, **changes):
    body = {"version": version, "changes": changes}
    return house.client().post(CONFIG, headers=house.administrator().headers, json=body)


def write_version(house, overrides):
    house.execute(
        "INSERT INTO settings_versions (number, made_at, changes, comment, overrides) VALUES (1, '2026-01-01 00:00:00', '[]', '', :kept)",
        kept=json.dumps(overrides),
    )


@pytest.mark.parametrize("rank", [1, 99])
def test_somebody_below_administrators_changes_nothing_that_is_in_force_for_them(house, rank):
    person, role = house.register(), f"clerk-{secrets.token_hex(4)}"
    wanted = ["admin:read", "admin:write"]
    house.service(Roles).define(name=role, description="", permissions=wanted, rank=rank, caller=None, client=TERMINAL)
    house.service(Administration).change(user_id=person.id, changes={"role": role}, caller=None, client=TERMINAL)
    version = house.client().get(CONFIG, headers=person.headers).json["version"]

    wanted = {"version": version, "changes": {"LOGIN_RATE_LIMIT": "1/31 days"}, "dry_run": True}
    answer = house.client().post(CONFIG, headers=person.headers, json=wanted)

    assert_problem(answer, 403, "settings_for_administrators")
    assert house.client().get(CONFIG, headers=person.headers).json["version"] == version
    assert house.events("users.administration.refused")[-1].details["act"] == "settings.change"


@pytest.mark.parametrize(
    ("kept", "value", "unusable"),
    [
        ({"MAX_LOGIN_ATTEMPTS": 7, "REGISTRATION": None}, 7, ["REGISTRATION"]),
        ({"MAX_LOGIN_ATTEMPTS": [7]}, 5, ["MAX_LOGIN_ATTEMPTS"]),
        (["x"], 5, []),
        (None, 5, []),
    ],
)
def test_a_row_that_another_build_wrote_stops_nobody_and_there_is_a_way_back(make_house, engine, kept, value, unusable):
    house = make_house(engine)
    write_version(house, kept)

    assert read(house) == (1, value, unusable)
    assert change(house, 1, **dict.fromkeys([*unusable, "MAX_LOGIN_ATTEMPTS"], None)).status_code in {200, 422}
    answer = house.client().post(CONFIG, headers=house.administrator().headers, json={"version": read(house)[0], "restore": 0})
    assert answer.status_code == 200, answer.text
    assert read(house)[1:] == (5, [])


def test_a_server_follows_its_database_back_to_an_earlier_state(make_house):
    house = make_house()
    for version, number in enumerate((11, 12, 13)):
        assert change(house, version, MAX_LOGIN_ATTEMPTS=number).status_code == 200
    for name in house.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'settings_versions'"):
        house.execute(f"DROP TRIGGER {name.name}")

    house.execute("DELETE FROM settings_versions WHERE number > 1")

    assert read(house) == (1, 11, [])
    assert change(house, 1, MAX_LOGIN_ATTEMPTS=20).status_code == 200
    assert read(house) == (2, 20, [])
    house.execute("UPDATE settings_versions SET overrides = :kept WHERE number = 2", kept=json.dumps({"MAX_LOGIN_ATTEMPTS": "21"}))
    house.service(SettingsWatch).look()
    assert read(house) == (2, 21, [])
    house.execute("DELETE FROM settings_versions")
    assert read(house) == (0, 5, [])
