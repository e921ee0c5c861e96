"""Settings that change while the server runs: by whom, what cannot be, that all workers have them, and the way back."""

import contextlib
import json
import time
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from journeys.answers import assert_problem
from journeys.with_keys import ask_for_key, make_key
from secureapi.auth.service import configuration
from secureapi.auth.service.mail_budget import MailBudget
from secureapi.core.settings_versions import EFFECTIVE_WITHIN_SECONDS, SettingsWatch
from secureapi.security.attempts import Attempt, Attempts
from secureapi.security.delays import Delays
from secureapi.security.limits import Limits
from secureapi.settings.in_force import SettingsInForce
from secureapi.settings.overrides import changeable
from secureapi.settings.values import Rate
from support.house import House
from support.races import together

CONFIG = "/api/v1/admin/config"
WEAK = {"username": "nobody-at-all", "email": "nobody-at-all@example.com", "password": "password"}
"""A registration that makes no account: with an open door it is refused for its password."""


class Row(NamedTuple):
    """What a look at the newest version finds."""

    number: int
    overrides: dict[str, Any]


class Desk:
    """An administrator, and what he does with settings."""

    def __init__(self, house):
        self.house = house
        self.person = house.administrator()

    def read(self, **headers):
        answer = self.house.client().get(CONFIG, headers=self.person.headers | headers)
        assert answer.status_code in {200, 304}, answer.text
        return answer

    @property
    def version(self):
        return self.read().json["version"]

    def one(self, name):
        (found,) = [each for each in self.read().json["settings"] if each["name"] == name]
        return found

    def post(self, headers=None, **body):
        body.setdefault("version", self.version)
        return self.house.client().post(CONFIG, headers=headers or self.person.headers, json=body)

    def change(self, **changes):
        answer = self.post(changes=changes)
        assert answer.status_code == 200, answer.text
        return answer.json

    def versions(self, **query):
        answer = self.house.client().get(f"{CONFIG}/versions", headers=self.person.headers, query_string=query)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture(scope="module")
def desks(site):
    """A desk for each engine, in a house of its own: what is changed there is nobody else's."""
    own, made = site.within(), {}

    def get(engine):
        if engine not in made:
            made[engine] = Desk(own.house(engine))
        return made[engine]

    yield get
    own.close()


@pytest.fixture
def desk(desks, engine):
    """The desk on each engine, with everything as it was started."""
    found = desks(engine)
    assert found.post(restore=0).status_code == 200
    return found


@pytest.fixture
def embedded_desk(desks):
    found = desks("embedded")
    assert found.post(restore=0).status_code == 200
    return found


def test_what_may_be_changed_is_shown_with_value_default_bounds_and_where_it_is_from(embedded_desk):
    shown = embedded_desk.read().json

    assert [each["name"] for each in shown["settings"]] == list(changeable())
    login, cap = embedded_desk.one("LOGIN_RATE_LIMIT"), embedded_desk.one("MAX_SESSIONS_PER_USER")
    assert login == {
        "name": "LOGIN_RATE_LIMIT",
        "group": "Limits",
        "description": "Logins for each address.",
        "type": "rate",
        "value": "100000/minute",
        "default": "100000/minute",
        "source": "environment",
        "least": 1,
        "most": 1_000_000,
        "choices": [],
    }
    assert (cap["type"], cap["value"], cap["source"], cap["most"]) == ("integer", 50, "default", 10_000)
    assert embedded_desk.one("REGISTRATION")["choices"] == ["open", "closed"]
    assert shown["unusable"] == []
    tag = embedded_desk.read().headers["ETag"]
    assert embedded_desk.read(**{"If-None-Match": tag}).status_code == 304
    embedded_desk.change(MAX_SESSIONS_PER_USER=7)
    assert embedded_desk.read(**{"If-None-Match": tag}).status_code == 200
    assert embedded_desk.one("MAX_SESSIONS_PER_USER") == cap | {"value": 7, "source": "changed"}


def test_a_change_is_kept_told_and_taken_back(desk):
    before = desk.version

    made = desk.post(changes={"REGISTRATION": "CLOSED", "LOGIN_RATE_LIMIT": "120 per 2 minutes"}, comment="The fair is over.")

    told = [
        {"name": "LOGIN_RATE_LIMIT", "before": None, "after": "120/2 minutes"},
        {"name": "REGISTRATION", "before": None, "after": "closed"},
    ]
    assert made.json == {
        "version": before + 1, "is_dry_run": False, "effective_within_seconds": EFFECTIVE_WITHIN_SECONDS, "changes": told
    }  # fmt: skip
    assert_problem(desk.house.client().post("/api/v1/auth/register", json=WEAK), 403, "registration_closed")
    desk.change(REGISTRATION=None, MAX_SESSIONS_PER_USER="9")
    assert_problem(desk.house.client().post("/api/v1/auth/register", json=WEAK), 400, "weak_password")

    newest, first = desk.versions(per_page=2).json["versions"]
    me = {"id": desk.person.id, "username": desk.person.username}
    assert first == {
        "version": before + 1, "made_at": first["made_at"], "made_by": me, "comment": "The fair is over.", "restored": None, "changes": told
    }  # fmt: skip
    assert newest["changes"] == [
        {"name": "MAX_SESSIONS_PER_USER", "before": None, "after": "9"},
        {"name": "REGISTRATION", "before": "closed", "after": None},
    ]
    *_, event, _ = [row for row in desk.house.events("settings.changed") if row.actor_id == desk.person.id]
    assert event.details == {"version": before + 1, "changes": told, "restored": None}
    page = desk.versions(per_page=1, page=2)
    assert [each["version"] for each in page.json["versions"]] == [before + 1]
    assert (page.json["total"], page.json["pages"]) == (before + 2, before + 2)


def test_an_older_version_comes_back_as_a_new_one(embedded_desk):
    desk = embedded_desk
    wanted = desk.change(REGISTRATION="closed", MAX_SESSIONS_PER_USER=3)["version"]
    desk.change(REGISTRATION=None, MAX_LOGIN_ATTEMPTS=9)

    back = desk.post(restore=wanted)

    assert [(each["name"], each["after"]) for each in back.json["changes"]] == [("MAX_LOGIN_ATTEMPTS", None), ("REGISTRATION", "closed")]
    assert [desk.one(name)["value"] for name in ("REGISTRATION", "MAX_SESSIONS_PER_USER", "MAX_LOGIN_ATTEMPTS")] == ["closed", 3, 5]
    assert desk.versions().json["versions"][0]["restored"] == wanted
    assert_problem(desk.post(restore=99_999), 422, "invalid_input")


def test_a_dry_run_and_a_change_of_nothing_leave_everything_as_it_is(embedded_desk):
    desk = embedded_desk
    version, events = desk.change(MAX_LOGIN_ATTEMPTS=7)["version"], len(desk.house.events("settings.changed"))

    dry = desk.post(changes={"MAX_LOGIN_ATTEMPTS": 8}, dry_run=True).json
    same = desk.change(MAX_LOGIN_ATTEMPTS="7", REGISTRATION=None)

    assert (dry["version"], dry["is_dry_run"]) == (version, True)
    assert dry["changes"] == [{"name": "MAX_LOGIN_ATTEMPTS", "before": "7", "after": "8"}]
    assert (same["version"], same["changes"]) == (version, [])
    assert (desk.version, len(desk.house.events("settings.changed"))) == (version, events)


def test_every_setting_that_cannot_be_so_is_named_and_no_other_is_changed(embedded_desk):
    desk, version = embedded_desk, embedded_desk.version
    wanted = {
        "REGISTRATION": "ajar",
        "MAX_LOGIN_ATTEMPTS": 0,
        "LOGIN_DELAY_SECONDS": "soon",
        "LOGIN_RATE_LIMIT": "5/fortnight",
        "PROFILE_RATE_LIMIT": "",
        "MAX_SESSIONS_PER_USER": True,
        "SECRET_KEY": "ajar-ajar-ajar-ajar-ajar-ajar-ajar-ajar",
        "DATABASE_URL": None,
        "login_rate_limit": "5/minute",
        "<ajar>": "ajar",
        "REFRESH_RATE_LIMIT": "5/minute",
    }

    answer = desk.post(changes=wanted)

    assert_problem(answer, 422, "invalid_input")
    assert {fault["pointer"]: fault["code"] for fault in answer.json["errors"]} == {
        "/changes/REGISTRATION": "invalid_value",
        "/changes/MAX_LOGIN_ATTEMPTS": "invalid_value",
        "/changes/LOGIN_DELAY_SECONDS": "invalid_value",
        "/changes/LOGIN_RATE_LIMIT": "invalid_value",
        "/changes/PROFILE_RATE_LIMIT": "invalid_value",
        "/changes/MAX_SESSIONS_PER_USER": "invalid_value",
        "/changes/SECRET_KEY": "not_changeable",
        "/changes/DATABASE_URL": "not_changeable",
        "/changes/login_rate_limit": "unknown_setting",
        "/changes/?": "unknown_setting",
    }
    assert "ajar" not in answer.text
    assert "fortnight" not in answer.text
    assert (desk.version, desk.one("REFRESH_RATE_LIMIT")["source"]) == (version, "environment")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/changes"),
        ({"changes": {"REGISTRATION": "open"}, "restore": 0}, "/changes"),
        ({"changes": {}}, "/changes"),
        ({"changes": ["REGISTRATION"]}, "/changes"),
        ({"changes": {"REGISTRATION": ["open"]}}, "/changes/REGISTRATION"),
        ({"changes": {"REGISTRATION": "o" * 201}}, "/changes/REGISTRATION"),
        ({"changes": {"REGISTRATION": "open"}, "comment": "two\nlines"}, "/comment"),
        ({"changes": {"REGISTRATION": "open"}, "version": None}, "/version"),
        ({"restore": -1}, "/restore"),
    ],
)
def test_a_request_of_another_shape_is_refused(embedded_desk, body, pointer):
    answer = embedded_desk.post(**body)

    assert_problem(answer, 422, "invalid_input")
    assert pointer in [fault["pointer"] for fault in answer.json["errors"]]


def test_of_four_administrators_at_once_exactly_one_is_in_time_and_the_others_are_told(desk):
    """Four, and not one four times: each holds a lock of his own."""
    version, others = desk.version, [desk, *(Desk(desk.house) for _ in range(3))]
    refused = len(desk.house.events("users.administration.refused"))

    answers = together(
        [lambda n=n, one=one: one.post(changes={"MAX_SESSIONS_PER_USER": n}, version=version) for n, one in enumerate(others, start=11)]
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"settings_changed_meanwhile"}
    (right,) = [answer.json for answer in answers if answer.status_code == 200]
    assert right["version"] == desk.version == version + 1
    assert str(desk.one("MAX_SESSIONS_PER_USER")["value"]) == right["changes"][0]["after"]
    events = desk.house.events("users.administration.refused")[refused:]
    assert [(event.details["act"], event.details["reason"]) for event in events] == [("settings.change", "settings_changed_meanwhile")] * 3


def test_whoever_has_seen_the_same_newest_version_as_another_is_refused_by_the_table(desk, monkeypatch):
    """The moment between the look and the insert, held still."""
    desk.change(MAX_SESSIONS_PER_USER=9)
    version = desk.change(MAX_SESSIONS_PER_USER=10)["version"]
    before = Row(version - 1, {"MAX_SESSIONS_PER_USER": "9"})
    monkeypatch.setattr(configuration, "newest", lambda _connection: before)

    answer = desk.post(changes={"MAX_SESSIONS_PER_USER": 11}, version=version - 1)

    assert_problem(answer, 409, "settings_changed_meanwhile")
    assert desk.house.events("users.administration.refused")[-1].details["act"] == "settings.change"
    assert (desk.version, desk.one("MAX_SESSIONS_PER_USER")["value"]) == (version, 10)


def test_a_thief_with_an_old_token_a_key_or_a_lesser_role_changes_nothing(make_house, clock):
    house = make_house(clock=clock)
    desk = Desk(house)
    version = desk.version
    key = make_key(desk.person, scopes=["admin:read", "admin:write"])

    assert key.get("/admin/config").status_code == 200
    assert_problem(desk.post(headers=key.headers, changes={"REGISTRATION": "closed"}), 403, "key_not_allowed")
    assert_problem(desk.post(headers=house.person().headers, changes={"REGISTRATION": "closed"}), 403, "insufficient_permission")
    clock.advance(timedelta(minutes=11))
    assert_problem(desk.post(changes={"REGISTRATION": "closed"}), 401, "insufficient_user_authentication")
    assert desk.version == version


def test_the_past_cannot_be_rewritten_behind_our_back(desk):
    desk.change(MAX_LOGIN_ATTEMPTS=7)

    for statement in ("UPDATE settings_versions SET comment = 'x'", "DELETE FROM settings_versions"):
        with pytest.raises(Exception, match="append-only"):
            desk.house.execute(statement)


def of_limit(name):
    return lambda house: house.service(Limits).rate(name)


def told_budget(house):
    answer = house.client().get("/api/v1/users/me", headers=house.person().headers)
    return answer.headers["RateLimit-Policy"]


def register(house):
    return house.client().post("/api/v1/auth/register", json=WEAK).json["code"]


def still_signed_in(house):
    person = house.person()
    first = person.headers
    house.sign_in(person)
    return house.client().get("/api/v1/users/me", headers=first).status_code


def let_in_after_one_wrong_password(house):
    person = house.person()
    login = {"username": person.username, "password": "wrong"}
    house.client().post("/api/v1/auth/login", json=login)
    return house.client().post("/api/v1/auth/login", json=login | {"password": person.password}).status_code


def key_with(**wanted):
    return lambda house: ask_for_key(house.person(), **wanted).status_code


PROBES = {
    "REGISTRATION": ("closed", register, "registration_closed"),
    "MAX_SESSIONS_PER_USER": ("1", still_signed_in, 401),
    "MAX_LOGIN_ATTEMPTS": ("1", let_in_after_one_wrong_password, 401),
    "ACCOUNT_LOCKOUT_MINUTES": ("7", lambda house: house.service(Attempts)._bound().window, timedelta(minutes=7)),
    "LOGIN_DELAY_SECONDS": ("0.25", lambda house: house.service(Delays).seconds_before(Attempt(3, 5)), 0.25),
    "MAIL_RECIPIENT_BUDGET": ("2/day", lambda house: house.service(MailBudget)._few._bound().most, 2),
    "RATE_LIMIT_PER_MINUTE": ("777", told_budget, '"api";q=777;w=60'),
    "RATE_LIMIT_MAX_REQUESTS": ("778", told_budget, '"api";q=778;w=77'),
    "RATE_LIMIT_WINDOW_SECONDS": ("77", told_budget, '"api";q=778;w=77'),
    "MAX_API_KEYS_PER_USER": ("0", key_with(), 409),
    "API_KEY_MAX_DAYS": ("1", key_with(expires_in_days=2), 400),
    "API_KEY_MAX_REQUESTS_PER_MINUTE": ("5", key_with(requests_per_minute=6), 400),
    "LIMITS_FALLBACK_SHARE": ("0.1", lambda house: house.service(Limits)._fallback.rate_in_process(Rate(100, 60)), Rate(10, 60)),
    "LOGIN_RATE_LIMIT": ("771/hour", of_limit("login"), Rate(771, 3600)),
    "REGISTER_RATE_LIMIT": ("772/hour", of_limit("register"), Rate(772, 3600)),
    "REGISTER_GLOBAL_RATE_LIMIT": ("773/hour", of_limit("register_all"), Rate(773, 3600)),
    "RECOVERY_RATE_LIMIT": ("774/hour", of_limit("recovery"), Rate(774, 3600)),
    "REFRESH_RATE_LIMIT": ("775/hour", of_limit("refresh"), Rate(775, 3600)),
    "CLIENT_RATE_LIMIT": ("776/hour", of_limit("client"), Rate(776, 3600)),
    "PASSWORD_CHECK_RATE_LIMIT": ("777/hour", of_limit("password_check"), Rate(777, 3600)),
    "PROFILE_RATE_LIMIT": ("778/hour", of_limit("profile"), Rate(778, 3600)),
    "USER_IMPORT_RATE_LIMIT": ("779/hour", of_limit("user_import"), Rate(779, 3600)),
}
"""For each setting a value, how another worker is asked for what follows from it, and what that must be. A setting without a row fails."""
OVERRULING = {"RATE_LIMIT_MAX_REQUESTS", "RATE_LIMIT_WINDOW_SECONDS"}
"""With these RATE_LIMIT_PER_MINUTE means nothing any more: they have their turn by themselves."""


def test_each_of_them_takes_effect_on_another_worker_without_a_restart(desks):
    assert PROBES.keys() == changeable().keys()
    desk, wrong = desks("scaled"), {}
    with contextlib.closing(House(desk.house.settings)) as other:
        watch = other.service(SettingsWatch)
        for names in (PROBES.keys() - OVERRULING, OVERRULING):
            watch.look()
            assert [name for name in names if PROBES[name][1](other) == PROBES[name][2]] == []
            desk.change(**{name: PROBES[name][0] for name in names})
            watch.look()
            found = {name: PROBES[name][1](other) for name in names}
            assert desk.post(restore=0).status_code == 200
            wrong |= {name: value for name, value in found.items() if value != PROBES[name][2]}
        watch.look()
        assert other.service(SettingsInForce).now == other.settings
    assert wrong == {}


def test_a_request_looks_by_itself_when_it_is_time_and_no_sooner(desks, monkeypatch):
    desk = desks("embedded")
    with contextlib.closing(House(desk.house.settings)) as other:
        watch = other.service(SettingsWatch)
        assert register(other) == "weak_password"
        desk.change(REGISTRATION="closed")
        assert not watch.is_due
        watch._look_again_at = float("inf")
        assert register(other) == "weak_password"
        watch._look_again_at = time.monotonic()
        other.client().get("/livez")
        assert other.service(SettingsInForce).now.registration == "open", "a probe must not wait for the database"
        assert register(other) == "registration_closed"
    desk.post(restore=0)


def test_without_database_or_table_what_is_known_stays_in_force(make_house, engine):
    house = make_house(engine)
    desk = Desk(house)
    desk.change(REGISTRATION="closed")
    house.execute("ALTER TABLE settings_versions RENAME TO hidden")
    watch = house.service(SettingsWatch)
    watch._look_again_at = 0

    assert register(house) == "registration_closed"
    assert not watch.is_due
    with contextlib.closing(House(house.settings)) as newcomer:
        assert register(newcomer) == "weak_password"


def test_what_a_downgrade_leaves_behind_is_shown_and_can_be_taken_back(make_house):
    house = make_house()
    desk = Desk(house)
    kept = {"NEXT_YEARS_LIMIT": "5/minute", "MAX_LOGIN_ATTEMPTS": "1000", "REGISTRATION": "closed"}
    house.execute(
        "INSERT INTO settings_versions (number, made_at, changes, comment, overrides) VALUES (1, '2026-01-01 00:00:00', '[]', '', :kept)",
        kept=json.dumps(kept),
    )

    shown = desk.read().json

    assert (shown["version"], shown["made_by"], desk.one("REGISTRATION")["value"]) == (1, None, "closed")
    assert (desk.one("MAX_LOGIN_ATTEMPTS")["value"], desk.one("MAX_LOGIN_ATTEMPTS")["source"]) == (5, "default")
    assert [each["name"] for each in shown["unusable"]] == ["NEXT_YEARS_LIMIT", "MAX_LOGIN_ATTEMPTS"]
    assert desk.change(REGISTRATION=None)["version"] == 2
    desk.change(NEXT_YEARS_LIMIT=None, MAX_LOGIN_ATTEMPTS=None)
    assert desk.read().json["unusable"] == []
    assert_problem(desk.post(restore=1), 422, "invalid_input")


def test_four_workers_of_gunicorn_close_the_door_within_seconds(live):
    """Each connection may reach another of them: forty answers in a row leave none out."""
    administrator = live.house.administrator()

    def put(value):
        version = live.get(CONFIG, person=administrator).json["version"]
        answer = live.post(CONFIG, person=administrator, json={"changes": {"REGISTRATION": value}, "version": version})
        assert answer.status == 200, answer.text
        return time.monotonic()

    def seconds_until(code, since):
        """When the last answer came that was another one."""
        last, in_a_row = since, 0
        while in_a_row < 40:
            assert time.monotonic() - since < 60
            began = time.monotonic()
            if live.post("/api/v1/auth/register", json=WEAK).json["code"] == code:
                in_a_row += 1
            else:
                last, in_a_row = began, 0
        return last - since

    try:
        assert seconds_until("registration_closed", put("closed")) < EFFECTIVE_WITHIN_SECONDS
    finally:
        assert seconds_until("weak_password", put(None)) < EFFECTIVE_WITHIN_SECONDS
