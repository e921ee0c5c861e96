"""Schemathesis against our own description, every check on and every phase, as a stranger and as an administrator.

Its engine is used as a library: the plugin for pytest does not know this pytest. What it tries is the same on every run.
"""

import tomllib

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import StopReason, events, from_schema

from support.live import ROOT

ENDS_A_SESSION = tuple(
    f"/api/v1{path}"
    for path in ("/auth/logout", "/auth/logout-all", "/auth/reauthenticate", "/auth/change-password", "/users/me/change-password")
)
"""The last three after a few wrong passwords."""


def configured():
    bounded = {"max-examples": 3, "deterministic": True, "database": "none"}
    own = tomllib.loads((ROOT / "schemathesis.toml").read_text())
    return SchemathesisConfig.from_dict(own | {"seed": 1, "generation": bounded, "cache": {"enabled": False}, "warnings": False})


def complaints(schema):
    """What it found wrong, and where it could not go on; and how many requests it made."""
    found, requests = [], 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            requests += len(event.recorder.interactions)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.append(repr(event))
        elif isinstance(event, events.EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED
            found += [f"{failure.operation}: {failure.title}: {failure.message}" for failure in event.failures]
    return found, requests


def test_a_stranger_finds_no_answer_that_is_not_described(make_house):
    """On SQLite. The administrator below tries the same inputs on PostgreSQL, and gets further with them."""
    house = make_house(log_level="ERROR")
    schema = schemathesis.openapi.from_wsgi("/openapi.json", house.app, config=configured())

    found, requests = complaints(schema)

    assert found == []
    assert requests > 500


def test_an_administrator_finds_no_answer_that_is_not_described(make_live):
    live = make_live("scaled", log_level="ERROR", web_concurrency=2)
    schema = schemathesis.openapi.from_url(f"{live.url}/openapi.json", config=configured())

    @schema.auth(refresh_interval=None)
    class Administrator:
        """Signed in, and somebody else once the last one may have been signed out."""

        present = None

        def get(self, case, context):
            if self.present is None or case.operation.path in ENDS_A_SESSION:
                Administrator.present = live.house.administrator()
            return self.present

        def set(self, case, person, context):
            case.headers["Authorization"] = person.headers["Authorization"]
            if case.operation.path in ENDS_A_SESSION:
                Administrator.present = None

    found, requests = complaints(schema)

    assert found == []
    assert requests > 500
    assert "crashed" not in live.log()
    reached = {event.type for event in live.house.events()}
    assert reached >= {
        "security.events.read",
        "users.record.read",
        "users.profile.changed",
        "auth.logout.succeeded",
        "auth.logout_all.succeeded",
    }
