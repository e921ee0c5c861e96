"""Short words for trying passwords: as a stranger, on a device that is known, from anywhere."""

import json
from typing import Any

from journeys.answers import assert_problem
from support.browser import API
from support.house import House, Person

LOGIN = f"{API}/auth/login"
MOST = 5
"""MAX_LOGIN_ATTEMPTS, unless a test says otherwise."""


def attempt(
    house: House, person: Person, password: str | None = None, *, device: str = "", elsewhere: Any = None, name: str = "", **headers: str
) -> Any:
    """Try to sign in; from 127.0.0.1 unless an address is given."""
    headers |= {"X-Device-Token": device} if device else {}
    body = {"username": name or person.username, "password": password or person.password}
    return house.client().post(LOGIN, json=body, headers=headers, **(elsewhere or {}))


def device_of(house: House, person: Person, **options: Any) -> str:
    """Sign in; the token by which that device is known from now on."""
    answer = attempt(house, person, **options)
    assert answer.status_code == 200, answer.text
    return str(answer.json["device_token"])


def lock(house: House, person: Person, from_elsewhere: Any) -> None:
    """Let strangers use up their lane."""
    for _ in range(MOST):
        assert attempt(house, person, "wrong", elsewhere=from_elsewhere()).status_code == 401
    assert_problem(attempt(house, person, elsewhere=from_elsewhere()), 401, "invalid_credentials")


def notes(house: House, topic: str = "") -> list[Any]:
    """Topics and details of the notices in the outbox, in order."""
    rows = house.execute("SELECT topic, details FROM outbox WHERE topic LIKE 'notice.%' ORDER BY id")
    found = [(row.topic, json.loads(row.details) if isinstance(row.details, str) else row.details) for row in rows]
    return [details for name, details in found if name == topic] if topic else [name for name, _ in found]


def forget_notes(house: House) -> None:
    """As if nothing had been noted so far."""
    house.execute("DELETE FROM outbox")
