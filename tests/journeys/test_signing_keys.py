"""Signing keys while people are signed in: what a rotation costs them (nothing), and what the end of a key does (at once)."""

import contextlib
import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import pytest

from journeys.answers import assert_problem
from secureapi.auth.keys import KeyRing
from secureapi.auth.service import SigningKeys
from secureapi.core.requests import Client
from support.house import House
from support.processes import until
from support.races import Crowd, together

LOGIN, REFRESH, ME, JWKS = "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/users/me", "/.well-known/jwks.json"
TERMINAL = Client(address="", user_agent="tests", request_id="request-0001")
BOUND_SECONDS = 10.0
"""docs/signing-keys.md promises it: so long at most a worker may go on with a key that was retired by hand."""


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def status_of(house, token):
    return house.client().get(ME, headers={"Authorization": f"Bearer {token}"}).status_code


def phases(house):
    found = {}
    for kid, phase in house.execute("SELECT kid, phase FROM signing_keys ORDER BY created_at, kid"):
        found.setdefault(phase, []).append(kid)
    return found


def rotate(house, **options):
    return house.service(SigningKeys).rotate(client=TERMINAL, **options)


def retire(house, kid):
    return house.service(SigningKeys).retire(kid=kid, client=TERMINAL)


@pytest.fixture
def worker():
    """`worker(house)`: one more process on the same database, as far as its memory goes."""
    with contextlib.ExitStack() as made:

        def start(house, **options):
            other = House(house.settings, **options)
            made.callback(other.close)
            return other

        yield start


class TestRotation:
    def test_a_token_outlives_the_key_that_signed_it_by_the_overlap_and_not_a_moment_more(self, make_house, engine, clock):
        house = make_house(engine, clock=clock)
        person = house.person()
        token = person.tokens.access
        assert kid_of(token) != rotate(house)
        assert status_of(house, token) == 200
        clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
        assert status_of(house, token) == 200
        clock.advance(timedelta(microseconds=1))
        assert phases(house)["retiring"] == [kid_of(token)], "nobody has retired it yet"
        assert_problem(house.client().get(ME, headers=person.headers), 401, "invalid_token")
        assert status_of(house, house.sign_in(person).access) == 200

    def test_new_tokens_are_signed_with_the_new_key_on_the_worker_that_rotated(self, house):
        person = house.person()
        before = kid_of(person.tokens.access)
        now = rotate(house)
        assert kid_of(house.sign_in(person).access) == now != before

    def test_a_worker_that_has_not_noticed_accepts_what_others_sign_even_after_two_rotations(self, make_house, worker, engine):
        house = make_house(engine)
        other = worker(house)
        person = house.person()
        assert status_of(other, person.tokens.access) == 200
        for _ in range(3):
            rotate(house)
            rotate(house)
            assert status_of(other, house.sign_in(person).access) == 200
            assert status_of(house, other.sign_in(person).access) == 200

    def test_a_worker_accepts_what_its_next_key_has_signed(self, make_house, worker):
        """Another worker has rotated already: the key is known, and the database need not be asked."""
        house = make_house()
        other = worker(house)
        person = house.person()
        assert status_of(other, person.tokens.access) == 200
        rotate(house)
        ring = other.service(KeyRing)
        looked_at = ring._looked_at
        assert status_of(other, house.sign_in(person).access) == 200
        assert ring._looked_at == looked_at

    def test_the_kid_of_the_new_key_over_a_signature_of_the_old_one_is_refused(self, make_house, engine):
        # EdDSA: of the two spellings of an ES256 signature only one is accepted, and PyJWT may write either.
        house = make_house(engine, jwt_algorithm="EdDSA")
        person = house.person()
        token = person.tokens.access
        old = house.service(KeyRing).find(kid_of(token))
        new = rotate(house)
        claims = jwt.decode(token, options={"verify_signature": False})

        def forged(key, kid):
            return jwt.encode(claims, key.signs_with, "EdDSA", headers={"typ": "at+jwt", "kid": kid})

        assert status_of(house, forged(old, old.kid)) == 200, "the means are right"
        assert status_of(house, forged(old, new)) == 401
        assert status_of(house, forged(house.service(KeyRing).find(new), old.kid)) == 401

    def test_twenty_administrators_at_once_rotate_once(self, make_house, engine):
        house = make_house(engine)
        assert house.person().headers
        before = phases(house)
        (seen,) = before["active"]
        answers = together([lambda: rotate(house, instead_of=seen)] * 20)
        assert sorted(kid for kid in answers if kid) == before["next"]
        after = phases(house)
        assert (after["active"], after["retiring"], len(after["next"])) == (before["next"], before["active"], 1)
        assert len(house.events("auth.key.activated")) == 2

    def test_however_many_rotate_one_key_signs_and_one_follows(self, make_house, engine):
        house = make_house(engine)
        assert house.person().headers
        rotations = [kid for kid in together([lambda: rotate(house)] * 20) if kid]
        after = phases(house)
        assert (len(after["active"]), len(after["next"])) == (1, 1)
        assert len(after["retiring"]) == len(rotations) == len(set(rotations))
        assert after["active"][0] in rotations

    def test_twenty_workers_who_find_a_key_too_old_rotate_once(self, make_house, worker, engine, clock):
        house = make_house(engine, clock=clock)
        assert house.person().headers
        others = [house, *(worker(house, clock=clock) for _ in range(4))]
        before = phases(house)
        clock.advance(timedelta(days=90))
        answers = together([lambda h=h: h.service(KeyRing).maintain(TERMINAL) for h in others * 4])
        assert [kid for kid in answers if kid] == before["next"]
        after = phases(house)
        assert (after["active"], after["retiring"], len(after["next"])) == (before["next"], before["active"], 1)
        activated = [event.details["reason"] for event in house.events("auth.key.activated")]
        assert activated == ["first", "age"]

    def test_twenty_workers_who_start_together_make_one_key(self, make_house, worker, engine):
        house = make_house(engine)
        houses = [house, *(worker(house) for _ in range(4))]
        kids = together([lambda h=h: h.service(KeyRing).signing_key().kid for h in houses * 4])
        assert len(set(kids)) == 1
        assert {phase: len(found) for phase, found in phases(house).items()} == {"active": 1, "next": 1}

    def test_age_is_noticed_by_a_request_that_does_not_wait_for_it(self, make_house, engine, clock):
        house = make_house(engine, clock=clock)
        person = house.person()
        (old,), (following,) = phases(house)["active"], phases(house)["next"]
        clock.advance(timedelta(days=90))
        ring = house.service(KeyRing)
        ring._look_again_at = float("-inf")  # as if eight seconds had gone by
        assert house.client().get(JWKS).status_code == 200
        with ring._caring:  # the thread lets go of it at its end
            pass
        assert phases(house)["active"] == [following]
        assert phases(house)["retiring"] == [old]
        assert kid_of(house.sign_in(person).access) == following


class TestTheEndOfAKey:
    def test_its_tokens_are_refused_by_the_very_next_request(self, make_house, engine):
        house = make_house(engine)
        person = house.person()
        token = person.tokens.access
        assert status_of(house, token) == 200
        successor = retire(house, kid_of(token)).replaced_by
        assert_problem(house.client().get(ME, headers=person.headers), 401, "invalid_token")
        renewed = house.client().post(REFRESH, json={"refresh_token": person.tokens.refresh})
        assert renewed.status_code == 200, "the session goes on: only what the key signed is over"
        assert kid_of(renewed.json["access_token"]) == successor
        assert status_of(house, renewed.json["access_token"]) == 200

    def test_a_thief_who_has_the_private_half_signs_nothing_that_is_good(self, make_house, engine):
        house = make_house(engine, jwt_algorithm="EdDSA")
        person = house.person()
        stolen = house.service(KeyRing).signing_key()
        claims = jwt.decode(person.tokens.access, options={"verify_signature": False})
        forged = jwt.encode(claims | {"jti": "mallory"}, stolen.signs_with, "EdDSA", headers={"typ": "at+jwt", "kid": stolen.kid})
        assert status_of(house, forged) == 200, "so much is a private key worth"
        retire(house, stolen.kid)
        assert status_of(house, forged) == 401
        assert stolen.kid not in {key["kid"] for key in house.client().get(JWKS).json["keys"]}
        ((kept, phase),) = house.execute("SELECT private_key, phase FROM signing_keys WHERE kid = :kid", kid=stolen.kid)
        assert (bytes(kept), phase) == (b"", "retired")

    def test_a_rotation_at_the_same_moment_does_not_bring_it_back(self, make_house, engine):
        house = make_house(engine)
        assert house.person().headers
        for _ in range(8):
            (active,) = phases(house)["active"]
            rotated, retirement = together([lambda: rotate(house), lambda kid=active: retire(house, kid)])
            after = phases(house)
            assert active in after["retired"]
            assert (len(after["active"]), len(after["next"])) == (1, 1)
            assert after["active"][0] in {rotated, retirement.replaced_by}

    def test_whoever_comes_in_the_middle_of_a_rotation_waits_and_then_sees_what_it_left(self, make_house):
        house = make_house("scaled")
        assert house.person().headers
        before = phases(house)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with ThreadPoolExecutor(1) as pool:
            with house.service(KeyRing).rotation.turn(TERMINAL) as turn:
                turn.rotate(reason="command")
                retirement = pool.submit(retire, house, before["active"][0])
                until(lambda: house.execute(waiting)[0][0] == 1)
            assert retirement.result(timeout=60).was == "retiring"
        after = phases(house)
        assert (after["retired"], after["active"], len(after["next"])) == (before["active"], before["next"], 1)

    def test_a_refreshing_crowd_loses_nothing_when_the_active_key_goes(self, make_house, engine):
        house = make_house(engine)
        people = [house.person() for _ in range(4)]
        (active,) = phases(house)["active"]
        retire(house, active)
        statuses = together(
            [lambda p=p: house.client().post(REFRESH, json={"refresh_token": p.tokens.refresh}).status_code for p in people]
        )
        assert set(statuses) == {200}


def test_the_claims_are_those_of_rfc_9068_and_ours(house):
    token = house.person().tokens.access
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": header["kid"]}
    assert {"iss", "aud", "sub", "client_id", "iat", "nbf", "exp", "jti", "sid", "auth_time", "amr", "role"} <= claims.keys()
    assert claims["iss"] == house.settings.public_url
    assert claims["aud"] == house.settings.token_audience


@pytest.fixture(scope="module")
def four(site):
    """Four workers, shared by the tests below: their keys turn, and nobody minds."""
    own = site.within()
    # Whoever signs in so often would otherwise end his own oldest session.
    yield own.live(max_sessions_per_user=10_000)
    own.close()


class TestFourWorkers:
    def test_three_rotations_in_a_row_cost_no_request(self, four):
        live, written = four, len(four.log())
        people = [live.house.register() for _ in range(6)]
        assert all(person.headers for person in people)
        chains = [person.tokens.refresh for person in people]
        kids, signed, turns, mine = set(), threading.Lock(), itertools.count(), threading.local()

        def seen(token):
            with signed:
                kids.add(kid_of(token))

        def anything():
            """One person each: signs in, refreshes or reads, in turn, each time with the newest of his tokens."""
            if not hasattr(mine, "number"):
                mine.number, mine.done = next(turns), 0
                mine.access = people[mine.number].tokens.access
            mine.done += 1
            if mine.done % 9 == 0:
                person = people[mine.number]
                answer = live.post(LOGIN, json={"username": person.username, "password": person.password})
                mine.access = answer.json["access_token"]
            elif mine.done % 3 == 0:
                answer = live.post(REFRESH, json={"refresh_token": chains[mine.number]})
                mine.access, chains[mine.number] = answer.json["access_token"], answer.json["refresh_token"]
            else:
                answer = live.get(ME, headers={"Authorization": f"Bearer {mine.access}"})
            seen(mine.access)
            return answer.status

        with Crowd(anything, threads=len(people)) as crowd:
            crowd.meet(times=60)
            for _ in range(3):
                assert rotate(live.house)
            rotated_at = time.monotonic()
            crowd.go_on_after(rotated_at, times=10)
            crowd.go_on_slowly_until(rotated_at + BOUND_SECONDS)
            # Every worker has learned the newest key by now, without a restart, and signs with it.
            crowd.go_on_after(rotated_at + BOUND_SECONDS, times=30)

        assert crowd.statuses() == {200}
        (newest,) = phases(live.house)["active"]
        fresh = [live.post(LOGIN, json={"username": p.username, "password": p.password}).json["access_token"] for p in people * 2]
        assert {kid_of(token) for token in fresh} == {newest}
        assert newest in kids
        assert "keys." not in live.log()[written:], "nothing about keys was worth a warning"

    def test_a_key_that_was_retired_by_hand_is_refused_by_every_worker_within_ten_seconds(self, four):
        live = four
        person, other = live.house.register(), live.house.register()
        stolen = person.tokens.access
        assert kid_of(stolen) == kid_of(other.tokens.access)

        with Crowd(lambda: live.get(ME, headers={"Authorization": f"Bearer {stolen}"}).status, threads=3) as crowd:
            crowd.meet(times=30)
            successor = retire(live.house, kid_of(stolen)).replaced_by
            retired_at = time.monotonic()
            crowd.go_on_slowly_until(retired_at + BOUND_SECONDS)
            crowd.go_on_after(retired_at + BOUND_SECONDS, times=20)

        assert crowd.statuses(before=retired_at - 1) <= {200}
        assert crowd.statuses() == {200, 401}
        assert crowd.statuses(after=retired_at + BOUND_SECONDS) == {401}
        published = {key["kid"] for key in json.loads(live.get(JWKS).body)["keys"]}
        assert successor in published
        assert kid_of(stolen) not in published
        again = live.post(REFRESH, json={"refresh_token": other.tokens.refresh})
        assert again.status == 200
        assert kid_of(again.json["access_token"]) == successor
        assert live.get(ME, headers={"Authorization": f"Bearer {again.json['access_token']}"}).status == 200
