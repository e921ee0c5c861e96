"""A few people of another system, brought by an administrator with one request."""

import json
import secrets
from datetime import timedelta
from uuid import UUID

import bcrypt
import pytest

from journeys.answers import assert_problem
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.users.service import Roles
from secureapi.users.service.import_users import Imports
from support.races import together

PATH = "/api/v1/users/import"
PASSWORD = "Tall-Trees-42!"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
TERMINAL = Client.of_command_line()


@pytest.fixture
def admin(house):
    return house.administrator()


def somebody(**fields):
    word = secrets.token_hex(6)
    return {"email": f"new-{word}@example.com", "username": f"new-{word}", "password_hash": HASH} | fields


def bring(person, rows, *, headers=None, **options):
    return person.house.client().post(PATH, json={"rows": rows} | options, headers=person.headers | (headers or {}))


def brought(person, rows, **options):
    """What came of it, by row: the word, and codes of what was wrong by their places."""
    answer = bring(person, rows, **options)
    assert answer.status_code == 200, answer.text
    told = answer.json
    assert [row["row"] for row in told["rows"]] == list(range(1, len(rows) + 1))
    assert told["created"] + told["refused"] == len(rows)
    return told["rows"]


def faults_of(row):
    return [(fault["pointer"], fault["code"]) for fault in row["errors"]]


def account(house, email):
    found = house.execute("SELECT * FROM users WHERE email_canonical = :email", email=email.lower())
    return found[0] if found else None


def test_people_come_with_their_passwords_and_with_what_is_said_of_them(house, admin):
    ada = somebody(full_name="Ada L.", bio="Writes\nprograms.", website="https://ada.example.com", email_verified=True, id=17)
    bo = somebody(status="disabled")

    first, second = brought(admin, [ada, bo])

    stored = account(house, ada["email"])
    assert (first["outcome"], first["id"], first["errors"]) == ("created", str(UUID(str(stored.id))), [])
    assert (stored.full_name, stored.bio, stored.website) == ("Ada L.", "Writes\nprograms.", "https://ada.example.com")
    assert stored.email_verified_at is not None
    assert account(house, bo["email"]).status == "disabled"
    signed_in = house.client().post("/api/v1/auth/login", json={"email": ada["email"], "password": PASSWORD})
    assert signed_in.status_code == 200
    (made,) = house.events("users.created", subject=second["id"])
    assert (str(made.actor_id), made.session_id is not None, made.details["row"]) == (admin.id, True, 2)


def test_one_bad_row_never_stops_the_rest_and_nothing_of_it_is_repeated(house, admin):
    taken, secret = house.register(), "hunter2-hunter2"
    rows = [
        somebody(),
        None,
        [somebody()],
        somebody(email=taken.email),
        somebody(username=taken.username.upper()),
        somebody(password_hash=secret),
        somebody(email=secret, website=f"javascript:{secret}", bio=secret * 50, full_name=f"{secret}\n"),
        somebody(email={"$ne": secret}),
        somebody(**{secret: secret}),
        somebody(id="x" * 201),
        somebody(),
    ]

    answer = bring(admin, rows)

    assert [faults_of(row) for row in answer.json["rows"]] == [
        [],
        [("", "malformed_row")],
        [("", "malformed_row")],
        [("/email", "taken")],
        [("/username", "taken")],
        [("/password_hash", "unknown_hash")],
        [("/email", "email"), ("/full_name", "invalid"), ("/bio", "invalid"), ("/website", "invalid")],
        [("/email", "type")],
        [("/?", "unknown_field")],
        [("/id", "too_long")],
        [],
    ]
    assert secret not in answer.text
    assert HASH not in answer.text
    assert answer.json["created"] == 2


FORBIDDEN = {
    "id": "00000000-0000-0000-0000-000000000000",
    "email_canonical": "x@example.com",
    "username_canonical": "x",
    "password_changed_at": "2001-01-01T00:00:00Z",
    "password_refused_since": None,
    "pending_email": "x@example.com",
    "email_number": 7,
    "locked_at": "2001-01-01T00:00:00Z",
    "devices_since": None,
    "permissions": ["admin:write"],
    "is_superuser": True,
    "is_active": True,
    "password": "Tall-Trees-4242!",
    "created_at": "2001-01-01T00:00:00Z",
    "email_verified_at": "2001-01-01T00:00:00Z",
}


def test_a_row_sets_nothing_that_administrators_set_nowhere_else(house, admin):
    rows = [somebody(**{name: value}) for name, value in FORBIDDEN.items()]

    outcomes = dict(zip(FORBIDDEN, brought(admin, rows), strict=True))

    # What the source calls somebody is no id here, and is stored nowhere.
    assert outcomes.pop("id")["id"] != FORBIDDEN["id"]
    assert {code for row in outcomes.values() for _, code in faults_of(row)} == {"unknown_field", "not_settable"}
    assert all(row["outcome"] == "refused" for row in outcomes.values())


def test_cells_of_a_table_are_text_and_lose_the_apostrophe_of_an_export(house, admin):
    good, bad, strange = somebody(full_name="'=Ada", email_verified="true"), somebody(email_verified=True), somebody(whatever=1)

    first, second, third = brought(admin, [good, bad, strange], format="csv")

    assert account(house, good["email"]).full_name == "=Ada"
    assert (faults_of(second), faults_of(third)) == ([("/email_verified", "type")], [("/?", "type")])
    assert first["outcome"] == "created"


def test_a_dry_run_says_what_would_come_of_it_and_leaves_an_event_alone(house, admin):
    one = somebody()

    first, second = brought(admin, [one, somebody(email=one["email"].upper())], dry_run=True)

    assert (first["outcome"], "id" in first) == ("would_create", False)
    assert faults_of(second) == [("/email", "taken")]
    assert account(house, one["email"]) is None
    assert [event.details["created"] for event in house.events("users.import.tried") if str(event.actor_id) == admin.id] == [1]


def test_without_a_password_only_where_that_is_asked_for(house, admin):
    rows = [somebody(password_hash=None), somebody(password_hash="md5$x$y")]

    assert [faults_of(row)[0][1] for row in brought(admin, rows)] == ["no_password", "unknown_hash"]
    assert [row["outcome"] for row in brought(admin, rows, without_password=True)] == ["created", "created"]
    assert account(house, rows[1]["email"]).password_hash == "!"


def test_whoever_may_not_look_people_up_cannot_ask_for_them_row_by_row(house):
    name = f"blind-{secrets.token_hex(4)}"
    wanted = ["self:read", "users:write", "admin:write", "users:read"]
    house.service(Roles).define(name=name, description="", permissions=wanted, rank=60, caller=None, client=TERMINAL)
    blind = house.register()
    house.service(Administration).change(user_id=blind.id, changes={"role": name}, caller=None, client=TERMINAL)

    assert_problem(bring(blind, [somebody()], dry_run=True), 403, "insufficient_permission")


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_trail_says_of_whom_the_answer_told_that_he_is_here(house, admin, dry_run):
    one, two = house.register(), house.register()
    rows = [somebody(email=one.email), somebody(username=two.username), somebody(email=one.email.upper()), somebody(), {"email": "?"}]

    assert [row["outcome"] == "refused" for row in brought(admin, rows, dry_run=dry_run)] == [True, True, True, False, True]

    details = house.events("users.import.tried" if dry_run else "users.imported")[-1].details
    assert (details["taken"], details["taken_by"], details["refused"]) == (2, sorted([one.id, two.id]), 4)


class TestRoles:
    @pytest.fixture
    def lesser(self, house):
        """Somebody who may import, and may do less than an administrator."""
        name = f"registrar-{secrets.token_hex(4)}"
        wanted = ["self:read", "self:write", "content:read", "content:write", "users:read", "users:write", "admin:read", "admin:write"]
        house.service(Roles).define(name=name, description="", permissions=wanted, rank=60, caller=None, client=TERMINAL)
        person = house.person()
        house.service(Administration).change(user_id=person.id, changes={"role": name}, caller=None, client=TERMINAL)
        person._tokens = None
        return person

    def test_roles_of_rows_count_only_where_that_is_asked_for(self, house, admin):
        row = somebody(role="admin")

        brought(admin, [row])

        assert account(house, row["email"]).role == "user"

    def test_nobody_gives_a_role_that_may_do_more_than_he_may(self, house, lesser):
        mine = account(house, lesser.email).role
        rows = [somebody(role=role) for role in ("admin", "moderator", "nothing", mine, "viewer")] + [somebody()]

        outcomes = brought(lesser, rows, with_roles=True)

        assert [faults_of(row) for row in outcomes] == [
            [("/role", "grant_refused")],
            [("/role", "grant_refused")],
            [("/role", "unknown_role")],
            [],
            [],
            [],
        ]
        assert [account(house, row["email"]).role for row in rows[3:]] == [mine, "viewer", "user"]
        assert_problem(bring(lesser, [somebody()], role="admin"), 403, "grant_refused")
        assert_problem(bring(lesser, [somebody()], role="nothing"), 422, "invalid_input")
        refused = [e for e in house.events("users.administration.refused") if str(e.actor_id) == lesser.id]
        assert [(event.details["act"], event.details["reason"]) for event in refused] == [("import", "grant_refused")] * 2

    def test_whoever_is_demoted_while_his_request_is_under_way_brings_nobody(self, house, admin, monkeypatch):
        row, run = somebody(), Imports.run

        def demoting(*args, **kwargs):
            house.service(Administration).change(user_id=admin.id, changes={"role": "user"}, caller=None, client=TERMINAL)
            return run(*args, **kwargs)

        monkeypatch.setattr(Imports, "run", demoting)

        assert_problem(bring(admin, [row]), 401, "unauthenticated")
        assert account(house, row["email"]) is None


def test_the_same_import_twice_at_once_brings_each_once(house, admin):
    rows = [somebody() for _ in range(20)]

    answers = together([lambda: bring(admin, rows)] * 4)

    assert sum(answer.json["created"] for answer in answers) == 20
    assert sum(answer.json["refused"] for answer in answers) == 60


def test_with_an_idempotency_key_the_report_comes_once_more(house, admin):
    rows, key = [somebody(), somebody(email="none")], {"Idempotency-Key": secrets.token_hex(8)}

    first, second = bring(admin, rows, headers=key), bring(admin, rows, headers=key)

    assert (second.headers["Idempotency-Replayed"], second.data) == ("true", first.data)
    assert first.json["created"] == 1
    assert_problem(bring(admin, rows[:1], headers=key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"rows": []}, 422, "invalid_input"),
        ({"rows": [{}] * 101}, 422, "invalid_input"),
        ({"rows": {}}, 422, "invalid_input"),
        ({"rows": None}, 422, "invalid_input"),
        ({}, 422, "invalid_input"),
        ({"rows": [{}], "dry_run": "yes"}, 422, "invalid_input"),
        ({"rows": [{}], "format": "django"}, 422, "invalid_input"),
        ({"rows": [{}], "hash_plaintext": True}, 422, "invalid_input"),
        ({"rows": [json.loads("[" * 20 + "]" * 20)]}, 400, "malformed_body"),
        ({"rows": [{"bio": "x" * 1_100_000}]}, 413, "body_too_large"),
    ],
)
def test_what_is_no_import_is_refused_whole(shared_houses, body, status, code):
    house = shared_houses("embedded")
    admin = house.administrator()

    assert_problem(house.client().post(PATH, json=body, headers=admin.headers), status, code)


def test_an_import_asks_for_a_recent_sign_in_and_has_a_limit_of_its_own(make_house, clock):
    house = make_house("embedded", clock=clock, user_import_rate_limit="2/minute", reauthentication_max_age_minutes=5)
    admin = house.administrator()

    statuses = [bring(admin, [somebody()], dry_run=True).status_code for _ in range(3)]
    clock.advance(timedelta(minutes=6))

    assert statuses == [200, 200, 429]
    assert_problem(bring(admin, [somebody()]), 401, "insufficient_user_authentication")
