"""What administrators do to accounts: it counts from the very next request on, leaves an event, and is not done to whom one may not."""

import secrets
import time

import pytest

from journeys.answers import assert_headers, assert_problem, faults
from journeys.recovering import fresh, log_in, reset, token_in
from secureapi.auth.service import Administration
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.security.permissions import Permission
from secureapi.users.errors import LastAdministrator
from secureapi.users.visibility import MASKED, VISIBLE, Viewer
from support.cases import Cases
from support.letters import Letters
from support.races import Crowd, together

API = "/api/v1"
USERS = f"{API}/users"
ME = f"{USERS}/me"
ACTS = ("lock", "unlock", "disable", "enable", "require-password-change")
EVENTS = {"lock": "users.locked", "disable": "users.disabled", "require-password-change": "users.password_change.required"}
TERMINAL = Client.of_command_line()


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def home(make_house, engine, letters):
    """A house of one's own on each engine in turn, whose messages are in `letters`."""
    return make_house(engine, **letters.settings)


def act(house, who, person, what, base=API):
    return house.client().post(f"{base}/users/{getattr(person, 'id', person)}/{what}", headers=who.headers)


def change(house, who, person, **changes):
    return house.client().patch(f"{USERS}/{person.id}", headers=who.headers, json=changes)


def delete(house, who, person):
    return house.client().delete(f"{USERS}/{getattr(person, 'id', person)}", headers=who.headers)


def status(house, tokens):
    return house.client().get(ME, headers=tokens.headers).status_code


def somebody_new(**fields):
    word = secrets.token_hex(6)
    return {"username": f"new-{word}", "email": f"new-{word}@example.com"} | fields


def refusals(house, person, reason):
    return [event for event in house.events("users.administration.refused", subject=person) if event.details["reason"] == reason]


# Creating and inviting


def test_an_administrator_opens_an_account_with_a_password(house, base):
    admin, wanted = house.administrator(), somebody_new(password="Tall-Oak-77777!", role="moderator", full_name="Somebody New")

    answer = house.client().post(f"{base}/users", headers=admin.headers, json=wanted)

    assert answer.status_code == 201, answer.text
    assert_headers(answer)
    assert (answer.json["role"], answer.json["is_email_verified"], answer.json["must_change_password"]) == ("moderator", True, False)
    assert "password" not in answer.json
    assert house.client().post(f"{API}/auth/login", json={"username": wanted["username"], "password": "Tall-Oak-77777!"}).status_code == 200
    (event,) = house.events("users.created", subject=answer.json["id"])
    assert (event.actor_id, event.details) == (admin.id, {"role": "moderator", "is_invited": False})


def test_who_is_invited_cannot_sign_in_before_he_has_followed_the_link(home, letters):
    house = home
    admin, wanted = house.administrator(), somebody_new(invite="mail")

    answer = house.client().post(USERS, headers=admin.headers, json=wanted)

    assert answer.status_code == 201, answer.text
    assert answer.json["must_change_password"] is True
    assert "token" not in answer.text
    (message,) = letters.deliver(house)
    assert message.to == wanted["email"]
    password = fresh()
    taken = {"token": token_in(message, "invitation"), "new_password": password}
    assert house.client().post(f"{API}/auth/invitation/accept", json=taken).status_code == 200
    assert house.client().post(f"{API}/auth/login", json={"username": wanted["username"], "password": password}).status_code == 200
    (event,) = house.events("users.created", subject=answer.json["id"])
    assert event.details == {"role": "user", "is_invited": True}


def test_a_mass_assigner_gets_no_field_in_that_is_not_asked_for(house):
    admin = house.administrator()

    with Cases() as case:
        for fields, pointer in (
            ({}, "/password"),
            ({"password": "Tall-Oak-77777!", "invite": "mail"}, "/password"),
            ({"invite": "sms"}, "/invite"),
            ({"invite": "mail", "role": "emperor"}, "/role"),
            ({"invite": "mail", "role": ["admin"]}, "/role"),
            ({"invite": "mail", "id": new_id()}, "/id"),
            ({"invite": "mail", "status": "active"}, "/status"),
            ({"invite": "mail", "password_hash": "x"}, "/password_hash"),
            ({"invite": "mail", "is_email_verified": True}, "/is_email_verified"),
            ({"invite": "mail", "user": {"role": "admin"}}, "/user"),
            ({"invite": "mail", "full_name": {"role": "admin"}}, "/full_name"),
        ):
            with case(fields, pointer):
                answer = house.client().post(USERS, headers=admin.headers, json=somebody_new(**fields))

                assert_problem(answer, 422, "invalid_input")
                assert list(faults(answer)) == [pointer]


def test_an_administrator_is_held_to_the_password_policy_and_to_names_that_are_free(house):
    admin, taken = house.administrator(), house.register()

    weak = house.client().post(USERS, headers=admin.headers, json=somebody_new(password="password"))
    assert_problem(weak, 400, "weak_password")
    twice = house.client().post(USERS, headers=admin.headers, json=somebody_new(invite="mail", email=taken.email.upper()))
    assert_problem(twice, 400, "registration_refused")


# Changing


def test_an_administrator_changes_an_account_and_its_address_counts_as_verified(house):
    admin, person = house.administrator(), house.register()
    address = f"other-{secrets.token_hex(4)}@example.com"

    answer = change(house, admin, person, full_name="New Name", email=address, role="viewer")

    assert answer.status_code == 200, answer.text
    assert (answer.json["email"], answer.json["is_email_verified"], answer.json["role"]) == (address, True, "viewer")
    (event,) = house.events("users.changed", subject=person)
    assert (event.actor_id, event.details) == (admin.id, {"fields": ["email", "full_name", "role"]})
    (role,) = house.events("users.role.changed", subject=person)
    assert role.details == {"before": "user", "after": "viewer"}
    assert address not in str(house.events(subject=person))


def test_an_address_that_an_administrator_gave_cannot_be_taken_back_with_old_links(home, letters):
    house = home
    admin, person = house.administrator(), house.register()
    letters.deliver(house)
    house.client().post(f"{API}/auth/password/forgot", json={"email": person.email})
    (message,) = letters.deliver(house)

    assert change(house, admin, person, email="elsewhere@example.com").status_code == 200

    assert_problem(reset(house, token_in(message, "reset-password")), 400)


def test_a_moderator_changes_the_profile_of_a_user_and_nothing_else(house):
    moderator, person = house.person(role="moderator"), house.register()

    assert change(house, moderator, person, full_name="Fair Name", bio="b").json["full_name"] == "Fair Name"
    beyond = {"role": "viewer"}, {"role": "admin"}, {"status": "disabled"}, {"email": "mine@example.com"}, {"bio": "x", "role": "user"}
    for field in beyond:
        assert_problem(change(house, moderator, person, **field), 403, "administrators_only")

    assert len(refusals(house, person, "administrators_only")) == 5
    shown = house.client().get(f"{USERS}/{person.id}", headers=house.administrator().headers).json
    assert (shown["role"], shown["status"], shown["email"], shown["full_name"]) == ("user", "active", person.email, "Fair Name")


def test_a_moderator_who_goes_for_an_administrator_is_refused_and_remembered(house):
    with Cases() as case:
        for field in ({"full_name": "x"}, {"role": "user"}, {"email": "mine@example.com"}, {"status": "disabled"}):
            with case(field):
                moderator, admin = house.person(role="moderator"), house.administrator()

                assert_problem(change(house, moderator, admin, **field), 403, "higher_rank")

                (event,) = refusals(house, admin, "higher_rank")
                assert (event.actor_id, event.details["act"], event.outcome) == (moderator.id, "change", "denied")
                assert status(house, admin.tokens) == 200


def test_nobody_changes_his_own_role_status_or_address_this_way(house):
    with Cases() as case:
        for role in ("admin", "moderator"):
            for field in ({"role": "user"}, {"status": "disabled"}, {"email": "other@example.com"}):
                with case(role, field):
                    person = house.person(role=role)

                    assert_problem(change(house, person, person, **field), 403, "own_account")
                    assert len(refusals(house, person, "own_account")) == 1


def test_a_mass_assigner_changes_no_field_that_is_not_asked_for(house):
    admin, person = house.administrator(), house.register()

    with Cases() as case:
        for field in ("id", "password", "password_hash", "is_active", "is_email_verified", "email_verified_at", "permissions", "locked_at"):
            with case(field):
                answer = change(house, admin, person, **{field: "x"})

                assert_problem(answer, 422)
                assert list(faults(answer)) == [f"/{field}"]


def test_a_taken_name_is_refused(house):
    admin, person, other = house.administrator(), house.register(), house.register()

    assert_problem(change(house, admin, person, username=other.username), 400, "profile_refused")
    assert_problem(change(house, admin, person, email=other.email), 400, "profile_refused")


def test_a_demoted_administrator_is_refused_with_every_old_token_at_once(house):
    admin, demoted = house.administrator(), house.administrator()
    with Crowd(lambda: house.client().get(f"{API}/admin/stats", headers=demoted.headers).status_code, threads=4) as crowd:
        crowd.meet(times=20)
        assert change(house, admin, demoted, role="user").status_code == 200
        moment = time.monotonic()
        crowd.go_on_after(moment)
    assert crowd.statuses(after=moment) == {401}
    newer = house.sign_in(demoted)
    assert_problem(house.client().get(f"{API}/admin/stats", headers=newer.headers), 403, "insufficient_permission")


# Locking, disabling, deleting


def test_it_counts_from_the_very_next_request_on(house, base):
    with Cases() as case:
        for what, told in EVENTS.items():
            with case(what):
                admin, person = house.administrator(), house.register()
                assert status(house, person.tokens) == 200

                answer = act(house, admin, person, what, base)

                assert answer.status_code == 200, answer.text
                assert_headers(answer)
                assert status(house, person.tokens) == 401
                assert house.client().post(f"{API}/auth/refresh", json={"refresh_token": person.tokens.refresh}).status_code == 401
                assert_problem(log_in(house, person), 401, "invalid_credentials")
                (event,) = house.events(told, subject=person)
                assert event.actor_id == admin.id


def test_a_lock_and_being_disabled_are_lifted_each_by_its_own_word(house):
    with Cases() as case:
        for steps, state in (
            (("lock",), "locked"),
            (("lock", "enable"), "locked"),
            (("lock", "unlock"), "active"),
            (("lock", "disable"), "disabled"),
            (("lock", "disable", "unlock"), "disabled"),
            (("disable", "lock"), "disabled"),
            (("disable", "unlock"), "disabled"),
            (("disable", "enable"), "active"),
            (("lock", "lock", "unlock", "unlock"), "active"),
        ):
            with case(steps, state):
                admin, person = house.administrator(), house.register()

                for step in steps:
                    answer = act(house, admin, person, step)
                    assert answer.status_code == 200

                assert (answer.json["status"], answer.json["is_active"]) == (state, state == "active")
                assert log_in(house, person).status_code == (200 if state == "active" else 401)
                found = house.client().get(USERS, headers=admin.headers, query_string={"q": person.username, "status": state}).json
                assert [user["id"] for user in found["users"]] == [person.id]


def test_unlocking_forgets_the_wrong_passwords_too(house, from_elsewhere):
    admin, person = house.administrator(), house.register()
    for password in ("wrong",) * 5 + (person.password,):
        assert log_in(house, person, password, from_elsewhere()).status_code == 401

    assert act(house, admin, person, "unlock").status_code == 200

    assert log_in(house, person).status_code == 200


def test_who_has_to_choose_another_password_gets_a_link_and_comes_back_with_it(home, letters):
    house = home
    admin, person = house.administrator(), house.register()
    letters.deliver(house)
    house.client().post(f"{API}/auth/password/forgot", json={"email": person.email})
    (old,) = letters.deliver(house)

    assert act(house, admin, person, "require-password-change").json["must_change_password"] is True

    (message,) = letters.deliver(house)
    password = fresh()
    assert_problem(reset(house, token_in(old, "reset-password")), 400)
    assert reset(house, token_in(message, "reset-password"), password).status_code == 200
    assert log_in(house, person, password).status_code == 200
    shown = house.client().get(f"{USERS}/{person.id}", headers=admin.headers).json
    assert shown["must_change_password"] is False


def test_a_deleted_account_is_nobody_and_its_successor_is_somebody_else(home, letters):
    house = home
    admin, person = house.administrator(), house.register()
    letters.deliver(house)
    house.client().post(f"{API}/auth/password/forgot", json={"email": person.email})
    (message,) = letters.deliver(house)
    assert status(house, person.tokens) == 200

    answer = delete(house, admin, person)

    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert_problem(house.client().get(f"{USERS}/{person.id}", headers=admin.headers), 404, "user_not_found")
    successor = house.register(username=person.username, email=person.email, password=person.password)
    assert successor.id != person.id
    assert status(house, person.tokens) == 401
    assert house.client().post(f"{API}/auth/refresh", json={"refresh_token": person.tokens.refresh}).status_code == 401
    assert_problem(reset(house, token_in(message, "reset-password")), 400)
    (event,) = house.events("users.deleted", subject=person)
    assert event.actor_id == admin.id
    assert house.execute("SELECT count(*) FROM sessions WHERE user_id NOT IN (SELECT id FROM users)")[0][0] == 0


SPELLINGS = {
    "canonical": (lambda i: i, 400),
    "upper": (str.upper, 404),
    "braces": (lambda i: f"{{{i}}}", 404),
    "urn": (lambda i: f"urn:uuid:{i}", 404),
    "no dashes": (lambda i: i.replace("-", ""), 404),
    "space": (lambda i: f"{i}%20", 404),
}


def test_nobody_deletes_himself_in_whatever_spelling(house):
    with Cases() as case:
        for name, (spelling, expected) in SPELLINGS.items():
            with case(name):
                admin = house.administrator()

                assert delete(house, admin, spelling(admin.id)).status_code == expected
                for what in ACTS:
                    assert act(house, admin, spelling(admin.id), what).status_code == (403 if expected == 400 else 404)
                assert status(house, admin.tokens) == 200


def test_whoever_is_no_administrator_does_none_of_it(house):
    with Cases() as case:
        for role in ("moderator", "user", "viewer"):
            with case(role):
                curious, person = house.person(role=role), house.register()

                for target in (person, house.administrator(), curious, new_id()):
                    for what in ACTS:
                        assert_problem(act(house, curious, target, what), 403, "insufficient_permission")
                    assert_problem(delete(house, curious, target), 403, "insufficient_permission")
                assert_problem(
                    house.client().post(USERS, headers=curious.headers, json=somebody_new(invite="mail")), 403, "insufficient_permission"
                )
                assert status(house, person.tokens) == 200


def test_nobody_is_there_to_be_changed(house):
    admin = house.administrator()

    for what in ACTS:
        assert_problem(act(house, admin, new_id(), what), 404, "user_not_found")
    assert_problem(delete(house, admin, new_id()), 404, "user_not_found")
    assert_problem(house.client().patch(f"{USERS}/{new_id()}", headers=admin.headers, json={"bio": "x"}), 404, "user_not_found")


# The last administrator


LAST = {
    "delete": delete,
    "demote": lambda house, who, target: change(house, who, target, role="user"),
    "switch off": lambda house, who, target: change(house, who, target, status="disabled"),
    "disable": lambda house, who, target: act(house, who, target, "disable"),
    "lock": lambda house, who, target: act(house, who, target, "lock"),
}


@pytest.mark.parametrize("first", LAST)
@pytest.mark.parametrize("second", ["delete", "demote", "lock"])
def test_two_administrators_who_remove_one_another_at_once_leave_one(make_house, engine, first, second):
    house = make_house(engine)
    one, other = house.administrator(), house.administrator()

    answers = together([lambda: LAST[first](house, one, other), lambda: LAST[second](house, other, one)])

    assert sorted(answer.status_code < 300 for answer in answers) == [False, True]
    assert {answer.status_code for answer in answers if answer.status_code >= 300} <= {401, 409}
    assert house.execute("SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'")[0][0] == 1


def test_four_administrators_who_all_remove_the_next_leave_at_least_one(make_house, engine):
    house = make_house(engine)
    people = [house.administrator() for _ in range(4)]
    words = list(LAST.values())

    together([lambda n=n: words[n](house, people[n], people[(n + 1) % 4]) for n in range(4)])

    assert house.execute("SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'")[0][0] >= 1


@pytest.mark.parametrize("what", ["delete", "disable", "lock"])
def test_at_the_command_line_too_the_last_administrator_stays(make_house, engine, what):
    house = make_house(engine)
    admin = house.administrator()

    with pytest.raises(LastAdministrator):
        getattr(house.service(Administration), what)(user_id=admin.id, caller=None, client=TERMINAL)

    assert status(house, admin.tokens) == 200
    assert len(refusals(house, admin, "last_administrator")) == 1


# Programs


@pytest.fixture
def key_of(house):
    """`key_of(admin, *scopes)`: the header that presents an API key of his."""

    def make(person, *scopes):
        wanted = {"name": "robot", "scopes": [str(one) for one in scopes]}
        return {"X-API-Key": house.client().post(f"{API}/auth/api-keys", headers=person.headers, json=wanted).json["api_key"]}

    return make


def test_a_key_gets_nobodys_password_by_way_of_his_address(house, key_of):
    admin, person = house.administrator(), house.register()
    key = key_of(admin, *Permission)

    answer = house.client().patch(f"{USERS}/{person.id}", headers=key, json={"email": "robot@example.com"})

    assert_problem(answer, 403, "key_not_allowed")
    assert_problem(house.client().post(f"{USERS}/{person.id}/require-password-change", headers=key), 403, "key_not_allowed")
    assert house.client().patch(f"{USERS}/{person.id}", headers=key, json={"bio": "x"}).status_code == 200


def test_a_key_acts_within_its_scopes_however_much_its_owner_may(house, key_of):
    admin, moderator = house.administrator(), house.person(role="moderator")
    key = key_of(admin, Permission.USERS_READ, Permission.USERS_WRITE)

    assert_problem(house.client().patch(f"{USERS}/{moderator.id}", headers=key, json={"bio": "x"}), 403, "higher_rank")


# What is seen


def test_everybody_sees_of_an_account_what_the_table_says(house):
    person = house.register()
    lookers = {Viewer.ITSELF: person, Viewer.READER: house.person(role="moderator"), Viewer.ADMINISTRATOR: house.administrator()}

    for by, looker in lookers.items():
        seen = house.client().get(f"{USERS}/{person.id}", headers=looker.headers).json
        assert seen.keys() == {field for field, viewers in VISIBLE.items() if by in viewers}, by
        assert (seen["email"] == person.email) == (by not in MASKED["email"])
    listed = house.client().get(USERS, headers=lookers[Viewer.READER].headers, query_string={"q": person.username}).json["users"]
    assert listed == [house.client().get(f"{USERS}/{person.id}", headers=lookers[Viewer.READER].headers).json]
