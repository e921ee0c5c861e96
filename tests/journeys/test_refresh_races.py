"""Refresh tokens under many hands, on four workers: one family never forks, whoever comes at the same moment."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from secureapi.auth.models import UserSession
from secureapi.auth.refresh_tokens import RefreshTokens
from secureapi.auth.service import Administration
from secureapi.core.database import Database
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from support.processes import until
from support.races import together

AUTH, ME = "/api/v1/auth", "/api/v1/users/me"
REFRESH = f"{AUTH}/refresh"
TERMINAL = Client(address="", user_agent="race", request_id="race-of-the-tests")


@pytest.fixture(scope="module")
def lenient(site):
    """Four workers with a grace, the longest there is: a slow machine must not outlast it. test_refresh.py moves the clock instead."""
    own = site.within()
    yield own.live(refresh_reuse_grace_seconds=60)
    own.close()


def refresh(live, token):
    return live.post(REFRESH, json={"refresh_token": token})


def me(live, access):
    return live.get(ME, headers={"Authorization": f"Bearer {access}"}).status


def family_of(live, person):
    (row,) = live.house.execute("SELECT id, generation, ended_at, end_reason FROM sessions WHERE user_id = :id", id=person.id)
    return row


def notices_to(live, person):
    return live.house.execute("SELECT topic, details FROM outbox WHERE user_id = :id AND topic LIKE 'notice.%'", id=person.id)


@pytest.mark.parametrize("hands", [20, 200])
def test_all_who_come_inside_the_grace_get_the_very_same_successor(lenient, hands):
    """AC-01. The old token is worth nothing once the grace is over: then whoever brings it closes the family."""
    person = lenient.house.register()
    token = person.tokens.refresh

    answers = together([lambda: refresh(lenient, token)] * hands)

    assert Counter(answer.status for answer in answers) == {200: hands}
    (successor,) = {answer.json["refresh_token"] for answer in answers}
    assert len({answer.json["access_token"] for answer in answers}) == hands
    assert family_of(lenient, person).generation == 1
    assert len(lenient.house.events("auth.session.refreshed", subject=person)) == 1
    assert len(lenient.house.events("auth.session.refresh_repeated", subject=person)) == hands - 1
    assert me(lenient, answers[-1].json["access_token"]) == 200

    lenient.house.execute("UPDATE sessions SET rotated_at = rotated_at - interval '60 seconds' WHERE user_id = :id", id=person.id)
    assert refresh(lenient, token).json["code"] == "refresh_reused"
    assert refresh(lenient, successor).status == 401
    assert {me(lenient, answer.json["access_token"]) for answer in answers[:8]} == {401}
    assert len(lenient.house.events("auth.session.refresh_reused", subject=person)) == 1
    assert [notice.topic for notice in notices_to(lenient, person)] == ["notice.refresh_reused"]


@pytest.mark.parametrize("hands", [20, 200])
def test_without_a_grace_one_thief_among_many_gets_a_successor_that_is_dead_at_once(live, hands):
    """AC-01. Two who hold the same token cannot both be right, so nobody is."""
    person = live.house.register()
    token = person.tokens.refresh

    answers = together([lambda: refresh(live, token)] * hands)

    counted = Counter(answer.status for answer in answers)
    assert counted == {200: 1, 401: hands - 1}
    (winner,) = [answer.json for answer in answers if answer.status == 200]
    assert Counter(answer.json["code"] for answer in answers if answer.status == 401)["refresh_reused"] == 1
    for dead in (winner["refresh_token"], token):
        assert refresh(live, dead).status == 401
    for dead in (winner["access_token"], person.tokens.access):
        assert me(live, dead) == 401
    (event,) = live.house.events("auth.session.refresh_reused", subject=person)
    assert (event.severity, event.outcome) == ("CRITICAL", "denied")
    assert len(notices_to(live, person)) == 1


@pytest.mark.parametrize("grace", ["without a grace", "inside the grace"])
def test_a_thief_with_the_first_of_three_tokens_closes_the_family_and_no_other(live, lenient, grace):
    """AC-02. The grace is for the newest predecessor only: an older token is a thief's however quick he is."""
    server = live if grace == "without a grace" else lenient
    person = server.house.register()
    stolen = person.tokens.refresh
    phone = server.house.sign_in(person)
    second = refresh(server, stolen).json
    third = refresh(server, second["refresh_token"]).json

    caught = together([lambda: refresh(server, stolen)] * 8)

    assert Counter(answer.json["code"] for answer in caught) == {"refresh_reused": 1, "invalid_refresh_token": 7}
    for access in (person.tokens.access, second["access_token"], third["access_token"]):
        assert {me(server, access) for _ in range(6)} == {401}
    assert refresh(server, third["refresh_token"]).status == 401
    assert me(server, phone.access) == 200
    assert refresh(server, phone.refresh).status == 200
    assert len(server.house.events("auth.session.refresh_reused", subject=person)) == 1
    assert [notice.topic for notice in notices_to(server, person)] == ["notice.refresh_reused"]


def families(live, number):
    """As many sessions of several people, put into the database as a sign-in would: two hundred sign-ins are not the subject here."""
    tokens = RefreshTokens(SecretBox(live.settings.secret_key))
    made = [tokens.first(new_id()) for _ in range(number)]
    people = [live.house.register().id for _ in range(5)]
    now = datetime.now(UTC)
    with live.house.service(Database).transaction() as session:
        session.add_all(
            UserSession(
                id=token.session_id,
                user_id=people[n % len(people)],
                token_hash=token.hash,
                generation=0,
                created_at=now,
                last_used_at=now,
                idle_expires_at=now + timedelta(days=7),
                expires_at=now + timedelta(days=30),
                authenticated_at=now,
                methods="pwd",
                address="127.0.0.1",
                user_agent="crowd",
            )
            for n, token in enumerate(made)
        )
    return made


def test_two_hundred_families_that_refresh_at_once_do_not_stand_in_each_others_way(lenient):
    tokens = families(lenient, 200)

    answers = together([lambda token=token: refresh(lenient, str(token)) for token in tokens])

    assert Counter(answer.status for answer in answers) == {200: 200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 200
    ids = [token.session_id for token in tokens]
    rows = lenient.house.execute("SELECT generation, ended_at FROM sessions WHERE id = ANY(CAST(:ids AS uuid[]))", ids=ids)
    assert set(rows) == {(1, None)}


class Chain:
    """Somebody who refreshes again and again with what he got last, until he is refused; and what he holds in the end."""

    def __init__(self, live, tokens):
        self._live = live
        self.newest, self.accesses = tokens.refresh, [tokens.access]
        self.began = []
        """When each refresh began that succeeded."""

    def run(self, most=200):
        for _ in range(most):
            began = time.monotonic()
            answer = refresh(self._live, self.newest)
            if answer.status != 200:
                assert answer.status == 401, answer.text
                return
            self.began.append(began)
            self.newest = answer.json["refresh_token"]
            self.accesses.append(answer.json["access_token"])
        raise AssertionError("nobody ended this session")


def sign_out(live, person, _other):
    assert live.post(f"{AUTH}/logout", person=person).status == 200


def sign_out_everywhere(live, _person, other):
    assert live.post(f"{AUTH}/logout-all", headers=other.headers).status == 200


def disable(live, person, _other):
    live.house.service(Administration).disable(user_id=person.id, caller=None, client=TERMINAL)


def change_password(live, person, other):
    passwords = {"current_password": person.password, "new_password": "Quite-Other-Trees-7!"}
    assert live.post(f"{AUTH}/change-password", headers=other.headers, json=passwords).status == 200


@pytest.mark.parametrize(
    ("end", "rounds"),
    [(sign_out, 30), (sign_out_everywhere, 5), (disable, 5), (change_password, 5)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whoever_refreshes_while_the_session_ends_holds_nothing_that_is_good_afterwards(lenient, end, rounds):
    """Let go at one moment, and at others after one or two rotations, so that each step of the one meets each step of the other."""
    for number in range(rounds):
        person = lenient.house.register()
        chain = Chain(lenient, person.tokens)
        other = lenient.house.sign_in(person) if end is not sign_out else None

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chain.run)
            until(lambda wanted=number % 3, chain=chain, running=running: len(chain.began) >= wanted or running.done())
            end(lenient, person, other)
            answered = time.monotonic()
            running.result(timeout=30)

        assert [began for began in chain.began if began > answered] == []
        assert refresh(lenient, chain.newest).status == 401
        assert {me(lenient, access) for access in chain.accesses[-3:]} == {401}
        assert lenient.house.execute("SELECT count(*) FROM sessions WHERE user_id = :id AND ended_at IS NULL", id=person.id)[0][0] == (
            1 if end is change_password else 0
        )
