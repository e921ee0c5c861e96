"""API keys as people make them, and requests with them."""

from dataclasses import dataclass
from typing import Any

from support.house import House, Person

API = "/api/v1"
KEYS = f"{API}/auth/api-keys"


@dataclass(frozen=True, slots=True)
class Key:
    """A key, as the answer that made it told."""

    house: House
    told: dict[str, Any]

    @property
    def id(self) -> str:
        return self.told["id"]

    @property
    def value(self) -> str:
        return self.told["api_key"]

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.value}

    def get(self, path: str = "/users/me", **options: Any) -> Any:
        """A request with the key, from a client of its own."""
        return self.house.client().get(API + path, headers=self.headers, **options)


def ask_for_key(person: Person, *, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    """The answer to somebody who wants a key."""
    wanted = {"name": "Nightly report", "scopes": ["self:read"]} | fields
    return person.house.client().post(KEYS, headers=headers or person.headers, json=wanted)


def make_key(person: Person, **fields: Any) -> Key:
    """A key of somebody's own."""
    answer = ask_for_key(person, **fields)
    assert answer.status_code == 201, answer.text
    return Key(person.house, answer.json)


def rotate(person: Person, key: Key, *, headers: dict[str, str] | None = None, **fields: Any) -> Key:
    """The same key with another value."""
    answer = person.house.client().post(f"{KEYS}/{key.id}/rotate", headers=headers or person.headers, json=fields)
    assert answer.status_code == 200, answer.text
    return Key(person.house, answer.json)
