"""What one worker knows of the signing keys: the ring, and the bucket that strangers drink from."""

import json
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt
import pytest
from sqlalchemy import delete, select, update

from secureapi.auth import events
from secureapi.auth.keys import KeyRing, bucket, thumbprint, vault
from secureapi.auth.keys import ring as module
from secureapi.auth.keys.bucket import TokenBucket
from secureapi.auth.models import SigningKey
from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.core.errors import Unavailable
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.models import AuditEvent
from secureapi.security.trail import Trail

CLIENT = Client(address="192.0.2.1", user_agent="tests", request_id="request-0001")
BEGINNING = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECRET = "the secret of this installation, long enough"
SHARED = "a shared secret of HS256, longer than thirty-two"
KEYS = table_of(SigningKey)


@pytest.fixture
def clock():
    return FrozenClock(BEGINNING)


@pytest.fixture
def ring_with(database, make_settings, clock):
    """`ring_with(**settings)`: what one worker knows of the keys; call it twice for two workers."""

    def make(*, secret=SECRET, **overrides):
        settings = make_settings(**{"jwt_secret_key": "", **overrides})
        return KeyRing(settings=settings, database=database, secret_box=SecretBox(secret), clock=clock, trail=Trail(clock))

    return make


@pytest.fixture
def later(monkeypatch):
    """`later(seconds)` moves the clock by which what is known grows old."""
    moved = SimpleNamespace(by=0.0)
    real = module.time.monotonic
    stand_in = SimpleNamespace(monotonic=lambda: real() + moved.by)
    monkeypatch.setattr(module, "time", stand_in)
    monkeypatch.setattr(bucket, "time", stand_in)

    def move(seconds):
        moved.by += seconds

    return move


@pytest.fixture
def loads(monkeypatch):
    """One entry for each time that any ring has looked into the database."""
    counted = []
    real = module.KeyRepository.list_usable

    def look(repository):
        counted.append(repository)
        return real(repository)

    monkeypatch.setattr(module.KeyRepository, "list_usable", look)
    return counted


@pytest.fixture
def away(monkeypatch):
    """`away()`: from now on the database cannot be read."""

    def begin():
        def gone(_repository):
            raise Unavailable

        monkeypatch.setattr(module.KeyRepository, "list_usable", gone)

    return begin


def rows(database, phase=None):
    query = select(KEYS).order_by(KEYS.c.created_at, KEYS.c.kid)
    with database.reading() as connection:
        return connection.execute(query if phase is None else query.where(KEYS.c.phase == phase)).all()


def change(database, kid=None, **values):
    statement = update(KEYS).values(**values)
    with database.writing() as connection:
        connection.execute(statement if kid is None else statement.where(KEYS.c.kid == kid))


def made_up(number):
    """A well-formed id that no key has."""
    return f"{number:043d}"


class TestTheFirstKey:
    @pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
    def test_it_is_made_when_it_is_needed_and_works(self, ring_with, database, algorithm):
        key = ring_with(jwt_algorithm=algorithm).signing_key()
        token = jwt.encode({"x": 1}, key.signs_with, algorithm)
        assert jwt.decode(token, key.verifies_with, [algorithm]) == {"x": 1}
        (row,) = rows(database, "active")
        assert (row.kid, row.algorithm, row.activated_at) == (key.kid, algorithm, BEGINNING)
        public = json.loads(row.public_jwk)
        assert (public["kid"], public["alg"], public["use"]) == (key.kid, algorithm, "sig")
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & public.keys()
        assert thumbprint(public) == key.kid
        assert jwt.decode(token, jwt.PyJWK(public).key, [algorithm]) == {"x": 1}

    def test_the_one_that_will_follow_is_made_with_it(self, ring_with, database):
        ring = ring_with()
        active = ring.signing_key()
        (following,) = rows(database, "next")
        assert following.kid != active.kid
        assert following.activated_at is None
        assert ring.find(following.kid).is_active is False

    def test_the_private_half_is_not_in_the_table(self, ring_with, database):
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        key = ring_with().signing_key()
        (row,) = rows(database, "active")
        numbers = key.signs_with.private_numbers()
        assert numbers.private_value.to_bytes(32, "big") not in row.private_key
        with pytest.raises(ValueError, match=r"(?i)could not deserialize|asn|parse"):
            load_der_private_key(row.private_key, None)

    def test_it_leaves_its_events(self, ring_with, database):
        ring = ring_with()
        assert ring.ensure(CLIENT) is True
        assert ring.ensure(CLIENT) is False
        with database.reading() as connection:
            found = connection.execute(select(table_of(AuditEvent)).where(table_of(AuditEvent).c.type.like("auth.key.%"))).all()
        active, following = ring.signing_key().kid, rows(database, "next")[0].kid
        assert [(event.type, event.details) for event in found] == [
            (events.KEY_CREATED.name, {"kid": active, "algorithm": "ES256"}),
            (events.KEY_ACTIVATED.name, {"kid": active, "algorithm": "ES256", "reason": "first"}),
            (events.KEY_CREATED.name, {"kid": following, "algorithm": "ES256"}),
        ]
        assert {event.request_id for event in found} == {"request-0001"}

    def test_two_workers_agree_on_it(self, ring_with):
        one, other = ring_with(), ring_with()
        assert one.signing_key().kid == other.signing_key().kid

    def test_workers_that_start_together_make_one(self, ring_with, database):
        rings, barrier, kids = [ring_with() for _ in range(6)], threading.Barrier(6), []

        def start(ring):
            barrier.wait()
            kids.append(ring.signing_key().kid)

        threads = [threading.Thread(target=start, args=(ring,)) for ring in rings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(kids) == 6
        assert len(set(kids)) == 1
        assert sorted(row.phase for row in rows(database)) == ["active", "next"]

    def test_an_installation_of_before_gets_the_key_that_follows(self, ring_with, database):
        kid = ring_with().signing_key().kid
        with database.writing() as connection:
            connection.execute(delete(KEYS).where(KEYS.c.phase == "next"))
        ring = ring_with()
        assert ring.ensure(CLIENT) is False
        assert ring.signing_key().kid == kid
        assert len(rows(database, "next")) == 1


class TestLearning:
    def test_a_key_that_another_worker_has_just_made_is_found_at_once(self, ring_with):
        other, mine = ring_with(jwt_algorithm="EdDSA"), ring_with()
        mine.signing_key()
        assert mine.find(other.signing_key().kid).algorithm == "EdDSA"

    def test_a_key_that_is_known_costs_no_look_for_eight_seconds(self, ring_with, loads, later):
        ring = ring_with()
        kid = ring.signing_key().kid
        loads.clear()
        later(module._REFRESH_SECONDS - 1)
        for _ in range(50):
            ring.find(kid)
            ring.signing_key()
            ring.published()
        assert loads == []
        later(2)
        for _ in range(50):
            ring.find(kid)
            ring.signing_key()
            ring.published()
        assert len(loads) == 1

    def test_one_request_looks_and_the_others_do_not_wait_for_it(self, ring_with, loads, later):
        ring = ring_with()
        kid = ring.signing_key().kid
        loads.clear()
        later(module._REFRESH_SECONDS + 0.1)
        with ring._looking:  # somebody is looking at this moment, and takes long
            assert ring.find(kid).kid == kid
        assert loads == []

    def test_what_is_ten_seconds_old_is_not_believed_while_somebody_looks(self, ring_with, database, later, monkeypatch):
        """A worker that was idle for an hour: the second request must not be answered from before that hour."""
        ring = ring_with()
        kid = ring.signing_key().kid
        change(database, phase="retired")
        later(3600)
        monkeypatch.setattr(module, "_PATIENCE_SECONDS", 30)
        second, is_asking = [], threading.Event()

        def ask():
            is_asking.set()
            second.append(ring.find(kid))

        thread = threading.Thread(target=ask)
        with ring._looking:
            thread.start()
            is_asking.wait(10)
            ring._load()
        thread.join()
        assert second == [None]

    def test_nothing_is_decrypted_twice(self, ring_with, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        opened = []
        real = vault.load_der_private_key
        monkeypatch.setattr(vault, "load_der_private_key", lambda *a: opened.append(1) or real(*a))
        for _ in range(5):
            later(11)
            assert ring.find(kid)
        assert opened == []

    def test_a_key_that_was_retired_is_forgotten_within_ten_seconds(self, ring_with, database, later):
        ring = ring_with()
        kid = ring.signing_key().kid
        change(database, phase="retired")
        later(10)
        assert ring.find(kid) is None
        assert ring.signing_key().kid != kid
        assert kid not in ring._vault._opened, "its private half must not lie about"

    @pytest.mark.parametrize(
        ("phase", "is_found", "signs"),
        [("next", True, False), ("active", True, True), ("retiring", True, False), ("retired", False, False)],
    )
    def test_a_key_signs_while_it_is_active_and_verifies_until_it_is_retired(self, ring_with, database, phase, is_found, signs):
        kid = ring_with().signing_key().kid
        with database.writing() as connection:
            connection.execute(delete(KEYS).where(KEYS.c.phase == "next"))
        change(database, phase=phase)
        ring = ring_with()
        assert (ring.find(kid) is not None) == is_found
        ring._refresh()
        assert (ring._signing is not None) == signs

    def test_a_retiring_key_is_over_to_the_second_though_nobody_has_retired_it(self, ring_with, database, clock, loads):
        ring = ring_with()
        kid = ring.signing_key().kid
        change(database, kid, phase="retiring", verifies_until=BEGINNING + timedelta(hours=24))
        ring.reload()
        loads.clear()
        clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
        assert ring.find(kid).kid == kid
        clock.advance(timedelta(microseconds=1))
        assert ring.find(kid) is None
        assert loads == [], "from memory, at every look"
        assert rows(database, "retiring")

    def test_what_is_known_is_good_while_the_database_is_away(self, ring_with, away, later):
        """A token that was good a minute ago must not be refused as wrong because somebody pulled a cable."""
        ring = ring_with()
        kid = ring.signing_key().kid
        published = ring.published()
        away()
        for _ in range(5):
            later(60)
            assert ring.find(kid).kid == kid
            assert ring.signing_key().kid == kid
            assert ring.published() == published
        with pytest.raises(Unavailable):
            ring.find(made_up(1))

    def test_a_database_that_is_away_is_not_asked_by_every_request(self, ring_with, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        asked = []

        def gone(_repository):
            asked.append(1)
            raise Unavailable

        monkeypatch.setattr(module.KeyRepository, "list_usable", gone)
        later(60)
        for _ in range(100):
            ring.find(kid)
        assert len(asked) == 1

    def test_a_worker_that_has_seen_nothing_yet_says_so(self, ring_with, away):
        away()
        ring = ring_with()
        for question in (ring.signing_key, ring.published, lambda: ring.find(made_up(1))):
            with pytest.raises(Unavailable):
                question()


class TestStrangers:
    def test_a_thousand_words_that_are_no_ids_never_reach_the_database(self, ring_with, loads):
        ring = ring_with()
        ring.signing_key()
        loads.clear()
        for word in (
            "",
            "x",
            "x" * 42,
            "x" * 44,
            "../" * 14 + "x",
            "x" * 42 + "=",
            "hs256-zz",
            "hs256-" + "0" * 17,
            "é" * 43,
            "x" * 42 + "\n",
        ):
            for _ in range(100):
                assert ring.find(word) is None
        assert loads == []

    def test_a_thousand_well_formed_ids_send_us_there_twenty_times_and_ten_a_second(self, ring_with, loads, later):
        ring = ring_with()
        ring.signing_key()
        later(0)
        loads.clear()
        for n in range(1000):
            assert ring.find(made_up(n)) is None
        # A slow machine may need a second for a thousand.
        assert 20 <= len(loads) <= 40
        loads.clear()
        later(0.55)
        for n in range(10):
            ring.find(made_up(n))
        assert 5 <= len(loads) <= 10

    def test_with_an_empty_bucket_nothing_is_called_wrong_while_the_database_is_away(self, ring_with, away):
        ring = ring_with()
        ring.signing_key()
        ring._strangers = TokenBucket(capacity=0, per_second=0)
        assert ring.find(made_up(1)) is None
        away()
        with pytest.raises(Unavailable):
            ring.reload()
        with pytest.raises(Unavailable):
            ring.find(made_up(1))

    def test_those_who_come_together_are_looked_for_together(self, ring_with, loads, monkeypatch):
        """Whoever looked after we came has looked for us too."""
        ring = ring_with()
        ring.signing_key()
        loads.clear()
        together, waiting, everybody = 8, [], threading.Event()
        real = ring._looking

        class Queue:
            """The lock, opened only when everybody stands before it."""

            def acquire(self, timeout):
                waiting.append(1)
                if len(waiting) == together:
                    everybody.set()
                assert everybody.wait(30)
                return real.acquire(timeout=30)

            def release(self):
                real.release()

        ring._looking = Queue()
        threads = [threading.Thread(target=ring.find, args=(made_up(n),)) for n in range(together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(loads) == 1

    def test_nobody_waits_for_ever_behind_a_database_that_hangs(self, ring_with, monkeypatch):
        ring = ring_with()
        ring.signing_key()
        monkeypatch.setattr(module, "_STRANGERS_PATIENCE_SECONDS", 0.01)
        with ring._looking, pytest.raises(Unavailable):
            ring.find(made_up(1))

    def test_a_bucket_is_never_fuller_than_full(self, monkeypatch):
        now = SimpleNamespace(at=100.0)
        monkeypatch.setattr(bucket, "time", SimpleNamespace(monotonic=lambda: now.at))
        some = TokenBucket(capacity=3, per_second=2)
        assert [some.take() for _ in range(4)] == [True, True, True, False]
        now.at += 0.5
        assert [some.take(), some.take()] == [True, False]
        now.at += 3600
        assert [some.take() for _ in range(4)] == [True, True, True, False]


class TestKeysThatCannotBeRead:
    OTHER = "another secret of this installation, also long"

    def test_with_another_secret_the_old_keys_verify_nothing_and_new_ones_sign(self, ring_with):
        kid = ring_with().signing_key().kid
        moved = ring_with(secret=self.OTHER)
        assert moved.find(kid) is None
        made = moved.signing_key()
        assert made.kid != kid
        assert made.signs_with

    def test_a_worker_with_the_wrong_secret_ends_no_token_of_the_others(self, ring_with, database, clock, later):
        """It takes their place, since after a change of SECRET_KEY somebody must; but what they have signed is good for the overlap."""
        good = ring_with()
        kid = good.signing_key().kid
        assert ring_with(secret=self.OTHER).ensure(CLIENT) is True
        (row,) = [row for row in rows(database) if row.kid == kid]
        assert (row.phase, row.verifies_until) == ("retiring", BEGINNING + timedelta(hours=24))
        assert row.private_key, "whoever has the right key must still be able to read it"
        later(60)
        assert good.find(kid).kid == kid
        assert good.signing_key().kid != kid

    def test_two_groups_of_workers_do_not_take_the_place_from_one_another_all_day(self, ring_with, database, later):
        good, bad = ring_with(), ring_with(secret=self.OTHER)
        good.signing_key()
        refused = 0
        for _ in range(20):
            for ring in (bad, good):
                later(11)
                try:
                    ring.signing_key()
                except Unavailable:
                    refused += 1
        assert refused > 0
        # 440 seconds: each of the two may once in 300.
        assert len(rows(database, "active")) == 1
        assert len(rows(database, "retiring")) <= 4
        assert len(rows(database)) <= 10

    def test_whoever_lost_makes_no_key_at_every_sign_in(self, ring_with, database, later, monkeypatch):
        good, bad = ring_with(), ring_with(secret=self.OTHER)
        good.signing_key()
        bad.signing_key()
        later(11)
        good.signing_key()
        later(11)
        before = rows(database)
        monkeypatch.setattr(bad._vault, "make", None)
        for _ in range(3):
            with pytest.raises(Unavailable):
                bad.signing_key()
        assert rows(database) == before

    def test_a_key_of_its_own_lets_the_secret_change_without_losing_the_signing_keys(self, ring_with):
        own = "a key-encryption key of its own, long enough"
        kid = ring_with(key_encryption_key=own).signing_key().kid
        assert ring_with(secret=self.OTHER, key_encryption_key=own).signing_key().kid == kid
        assert ring_with(secret=SECRET).find(kid) is None

    @pytest.mark.parametrize("damaged", [b"", b"x", b"x" * 11, b"x" * 27, b"x" * 200])
    def test_a_row_that_was_damaged_spoils_no_other(self, ring_with, database, damaged):
        kid = ring_with().signing_key().kid
        other = ring_with(jwt_algorithm="EdDSA").signing_key().kid
        change(database, kid, private_key=damaged)
        fresh = ring_with(jwt_algorithm="EdDSA")
        assert fresh.find(kid) is None
        assert fresh.signing_key().kid == other

    def test_a_row_that_was_mended_is_read_again(self, ring_with, database, later):
        kid = ring_with().signing_key().kid
        (whole,) = rows(database, "active")
        change(database, kid, private_key=b"x" * 50)
        ring = ring_with(jwt_algorithm="EdDSA")
        assert ring.find(kid) is None
        change(database, kid, private_key=whole.private_key)
        later(11)
        assert ring.find(kid).kid == kid

    def test_it_is_said_once_and_not_every_ten_seconds(self, ring_with, database, later, monkeypatch):
        said = []
        ring_with().signing_key()
        monkeypatch.setattr(vault, "_log", SimpleNamespace(error=lambda event, **about: said.append((event, about["kid"]))))
        moved = ring_with(secret=self.OTHER)
        for _ in range(5):
            later(11)
            moved.reload()
        assert sorted(said) == sorted(("keys.unreadable", row.kid) for row in rows(database))

    def test_a_vandal_who_moves_a_private_key_to_another_row_is_noticed(self, ring_with, database):
        """The key is sealed to its id and its algorithm."""
        ring_with().signing_key()
        (row,) = rows(database, "active")
        with database.writing() as connection:
            connection.execute(delete(KEYS))
            connection.execute(KEYS.insert().values(dict(row._mapping) | {"kid": made_up(7)}))
            connection.execute(KEYS.insert().values(dict(row._mapping) | {"phase": "retiring", "algorithm": "RS256"}))
        ring = ring_with()
        assert ring.find(made_up(7)) is None
        assert ring.find(row.kid) is None

    def test_a_vandal_who_writes_his_own_public_key_into_a_row_is_not_published(self, ring_with, database):
        ring = ring_with()
        kid = ring.signing_key().kid
        mallorys = ring_with(jwt_algorithm="EdDSA").signing_key()
        change(database, kid, public_jwk=json.dumps(mallorys.jwk | {"kid": kid}))
        fresh = ring_with()
        published = {key["kid"]: key for key in json.loads(fresh.published().body)["keys"]}
        assert published[kid] == fresh.find(kid).jwk
        assert published[kid]["kty"] == "EC"


class TestPublication:
    @pytest.mark.parametrize(
        ("algorithm", "members"), [("ES256", {"crv", "x", "y"}), ("EdDSA", {"crv", "x"}), ("RS256", {"n", "e"})], ids=["ES", "Ed", "RS"]
    )
    def test_public_members_and_no_others(self, ring_with, algorithm, members):
        keys = json.loads(ring_with(jwt_algorithm=algorithm).published().body)["keys"]
        assert len(keys) == 2
        for key in keys:
            assert key.keys() == {"kty", "kid", "use", "alg"} | members
            assert (key["use"], key["alg"], key["kid"]) == ("sig", algorithm, thumbprint(key))

    def test_next_active_and_retiring_but_not_what_is_over(self, ring_with, database, clock):
        ring = ring_with()
        first = ring.signing_key().kid
        with ring.rotation.turn(CLIENT) as turn:
            turn.rotate(reason="command")
        ring.reload()

        def kids():
            return {key["kid"] for key in json.loads(ring.published().body)["keys"]}

        assert kids() == {row.kid for row in rows(database)}
        assert len(kids()) == 3
        before = ring.published().etag
        clock.advance(timedelta(hours=24))
        assert kids() == {row.kid for row in rows(database)} - {first}
        assert ring.published().etag != before

    def test_an_empty_set_is_never_handed_out_before_the_first_key(self, ring_with):
        """Verifiers would keep it for five minutes and refuse the first tokens."""
        ring = ring_with()
        keys = json.loads(ring.published().body)["keys"]
        assert ring.signing_key().kid in {key["kid"] for key in keys}


class TestCareInTheBackground:
    def test_what_is_due_is_done_in_one_thread_that_nobody_waits_for(self, ring_with, clock, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        began, may_end = threading.Event(), threading.Event()
        runs = []
        real = ring.maintain

        def slowly(client):
            runs.append(client.user_agent)
            began.set()
            assert may_end.wait(30)
            real(client)

        monkeypatch.setattr(ring, "maintain", slowly)
        clock.advance(timedelta(days=90))
        for _ in range(10):
            later(61)
            assert ring.find(kid).kid == kid, "while the thread is busy"
            assert began.wait(30)
        assert runs == ["signing keys"]
        may_end.set()
        with ring._caring:  # the thread lets go of it at its end
            pass
        assert ring.signing_key().kid != kid

    def test_nothing_is_started_where_nothing_is_due(self, ring_with, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        monkeypatch.setattr(module.threading, "Thread", None)
        for _ in range(3):
            later(61)
            assert ring.find(kid)

    def test_a_failure_is_logged_and_tried_again_after_a_minute(self, ring_with, clock, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        said, tries = [], []
        monkeypatch.setattr(module, "_log", SimpleNamespace(warning=lambda event, **about: said.append((event, about["reason"]))))

        def fail(client):
            tries.append(1)
            raise ValueError("no such thing")

        monkeypatch.setattr(ring, "maintain", fail)
        clock.advance(timedelta(days=90))

        def ask():
            assert ring.find(kid)
            with ring._caring:
                pass

        later(61)
        ask()
        later(20)
        ask()
        assert len(tries) == 1
        later(61)
        ask()
        assert len(tries) == 2
        assert said == [("keys.maintenance_failed", "ValueError")] * 2


class TestSharedSecret:
    def test_it_signs_and_verifies_and_makes_no_row(self, ring_with, database):
        ring = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED)
        key = ring.signing_key()
        assert (key.algorithm, ring.find(key.kid)) == ("HS256", key)
        assert ring.ensure(CLIENT) is False
        assert ring.maintain(CLIENT) is None
        assert rows(database) == []

    def test_it_is_never_published(self, ring_with):
        assert json.loads(ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).published().body) == {"keys": []}

    def test_it_is_not_in_what_a_key_says_of_itself(self, ring_with):
        assert SHARED not in repr(ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key())

    def test_its_id_says_nothing_about_it_and_is_the_same_everywhere(self, ring_with):
        import hashlib

        kid = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key().kid
        assert kid == ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key().kid
        assert kid.removeprefix("hs256-") not in hashlib.sha256(SHARED.encode()).hexdigest()
        assert kid != ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED, secret="x" * 40).signing_key().kid

    def test_it_opens_nothing_under_another_algorithm(self, ring_with):
        """`JWT_SECRET_KEY` says of itself that the other algorithms do not use it: who left it in .env must not have left a door open."""
        kid = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key().kid
        assert ring_with(jwt_algorithm="ES256", jwt_secret_key=SHARED).find(kid) is None

    def test_without_a_secret_there_is_no_key(self, ring_with):
        with pytest.raises(Unavailable):
            ring_with(jwt_algorithm="HS256").signing_key()


def test_a_thumbprint_is_that_of_rfc_7638():
    """The example of RFC 7638 section 3.1, whose other members must not matter."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5Js"
        "GY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
        "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_thumbprint_of_an_edwards_key_is_that_of_rfc_8037():
    """Appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
