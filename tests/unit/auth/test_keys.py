import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import jwt
import pytest
from sqlalchemy import delete, select, update

from secureapi.auth import keys as module
from secureapi.auth.keys import KeyRing, thumbprint
from secureapi.auth.models import SigningKey
from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.core.errors import Unavailable
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.models import AuditEvent
from secureapi.security.trail import Trail

CLIENT = Client(address="192.0.2.1", user_agent="tests", request_id="request-0001")
CLOCK = FrozenClock(datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
SECRET = "the secret of this installation, long enough"
SHARED = "a shared secret of HS256, longer than thirty-two"


@pytest.fixture
def ring_with(database, make_settings):
    """`ring_with(**settings)`: what one worker knows of the keys; call it twice for two workers."""

    def make(*, secret=SECRET, **overrides):
        settings = make_settings(**{"jwt_secret_key": "", **overrides})
        return KeyRing(settings=settings, database=database, secret_box=SecretBox(secret), clock=CLOCK, trail=Trail(CLOCK))

    return make


@pytest.fixture
def later(monkeypatch):
    """`later(seconds)` moves the clock by which keys grow old."""
    moved = SimpleNamespace(by=0.0)
    real = module.time.monotonic
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: real() + moved.by))

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


def rows(database):
    with database.reading() as connection:
        return connection.execute(select(table_of(SigningKey))).all()


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_the_first_key_is_made_when_it_is_needed_and_works(ring_with, database, algorithm):
    key = ring_with(jwt_algorithm=algorithm).signing_key()
    token = jwt.encode({"x": 1}, key.signs_with, algorithm)
    assert jwt.decode(token, key.verifies_with, [algorithm]) == {"x": 1}
    (row,) = rows(database)
    assert (row.kid, row.algorithm, row.phase) == (key.kid, algorithm, "active")
    public = json.loads(row.public_jwk)
    assert (public["kid"], public["alg"], public["use"]) == (key.kid, algorithm, "sig")
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & public.keys()
    assert thumbprint(public) == key.kid
    assert jwt.decode(token, jwt.PyJWK(public).key, [algorithm]) == {"x": 1}


def test_the_private_half_is_not_in_the_table(ring_with, database):
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    key = ring_with().signing_key()
    (row,) = rows(database)
    numbers = key.signs_with.private_numbers()
    assert numbers.private_value.to_bytes(32, "big") not in row.private_key
    with pytest.raises(ValueError, match=r"(?i)could not deserialize|asn|parse"):
        load_der_private_key(row.private_key, None)


def test_making_a_key_leaves_one_event(ring_with, database):
    ring = ring_with()
    assert ring.ensure(CLIENT) is True
    assert ring.ensure(CLIENT) is False
    with database.reading() as connection:
        (event,) = connection.execute(select(table_of(AuditEvent)).where(table_of(AuditEvent).c.type == module.KEY_CREATED.name)).all()
    assert event.details == {"kid": ring.signing_key().kid, "algorithm": "ES256"}
    assert event.request_id == "request-0001"


def test_two_workers_agree_on_the_key(ring_with):
    one, other = ring_with(), ring_with()
    assert one.signing_key().kid == other.signing_key().kid


def test_workers_that_start_together_make_one_key(ring_with, database):
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
    assert len(rows(database)) == 1


def test_a_worker_finds_a_key_that_another_has_made(ring_with, later):
    other, mine = ring_with(jwt_algorithm="EdDSA"), ring_with()
    mine.signing_key()
    kid = other.signing_key().kid
    later(module._IMPATIENCE_SECONDS + 1)
    assert mine.find(kid).algorithm == "EdDSA"


def test_a_stranger_with_a_thousand_kids_sends_us_to_the_database_once(ring_with, loads):
    ring = ring_with()
    ring.signing_key()
    loads.clear()
    for n in range(1000):
        assert ring.find(f"made-up-{n}") is None
    assert len(loads) <= 1


def test_strangers_who_come_together_send_us_there_once(ring_with, loads):
    """They all see that the keys are old; whoever got the lock after another has looked need not look again."""
    ring = ring_with()
    ring.signing_key()
    ring._loaded_at = float("-inf")
    loads.clear()
    waiting, together = [], 8
    real_lock = ring._lock

    class Queue:
        """The lock, opened only when everybody stands before it."""

        def __enter__(self):
            waiting.append(1)
            if len(waiting) == together:
                everybody.set()
            everybody.wait(10)
            return real_lock.__enter__()

        def __exit__(self, *error):
            return real_lock.__exit__(*error)

    everybody = threading.Event()
    ring._lock = Queue()
    threads = [threading.Thread(target=ring.find, args=(f"made-up-{n}",)) for n in range(together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_keys_are_read_anew_every_minute(ring_with, loads, later):
    ring = ring_with()
    kid = ring.signing_key().kid
    loads.clear()
    for _ in range(50):
        ring.find(kid)
        ring.signing_key()
    assert loads == []
    later(61)
    ring.find(kid)
    ring.signing_key()
    assert len(loads) == 1


def test_a_key_that_was_retired_is_forgotten_within_a_minute(ring_with, database, later):
    ring = ring_with()
    kid = ring.signing_key().kid
    with database.writing() as connection:
        connection.execute(update(table_of(SigningKey)).values(phase="retired"))
    later(61)
    assert ring.find(kid) is None
    assert ring.signing_key().kid != kid


@pytest.mark.parametrize(
    ("phase", "is_found", "signs"), [("next", True, False), ("active", True, True), ("retiring", True, False), ("retired", False, False)]
)
def test_a_key_signs_while_it_is_active_and_verifies_until_it_is_retired(ring_with, database, phase, is_found, signs):
    kid = ring_with().signing_key().kid
    with database.writing() as connection:
        connection.execute(update(table_of(SigningKey)).values(phase=phase))
    ring = ring_with()
    assert (ring.find(kid) is not None) == is_found
    assert (ring.signing_key().kid == kid) == signs


def test_with_another_secret_the_old_keys_are_of_no_use_and_no_accident(ring_with, database):
    kid = ring_with().signing_key().kid
    moved = ring_with(secret="another secret of this installation, also long")
    assert moved.find(kid) is None
    made = moved.signing_key()
    assert made.kid != kid
    assert made.signs_with


def test_a_key_that_cannot_be_read_does_not_stand_in_the_way_of_a_new_one(ring_with, database):
    """After a change of SECRET_KEY there is an active key, and still none to sign with."""
    ring_with().signing_key()
    moved = ring_with(secret="another secret of this installation, also long")
    assert moved.ensure(CLIENT) is True
    assert moved.ensure(CLIENT) is False


@pytest.mark.parametrize("damaged", [b"", b"x", b"x" * 11, b"x" * 27, b"x" * 200])
def test_a_row_that_was_damaged_spoils_no_other(ring_with, database, damaged):
    ring = ring_with()
    kid = ring.signing_key().kid
    other = ring_with(jwt_algorithm="EdDSA").signing_key().kid
    with database.writing() as connection:
        connection.execute(update(table_of(SigningKey)).where(table_of(SigningKey).c.kid == kid).values(private_key=damaged))
    fresh = ring_with(jwt_algorithm="EdDSA")
    assert fresh.find(kid) is None
    assert fresh.signing_key().kid == other


def test_a_vandal_who_moves_a_private_key_to_another_row_is_noticed(ring_with, database):
    """The key is sealed to its id and its algorithm."""
    ring_with().signing_key()
    (row,) = rows(database)
    with database.writing() as connection:
        connection.execute(delete(table_of(SigningKey)))
        connection.execute(table_of(SigningKey).insert().values(dict(row._mapping) | {"kid": "mallorys-id"}))
    assert ring_with().find("mallorys-id") is None


class TestSharedSecret:
    def test_it_signs_and_verifies_and_makes_no_row(self, ring_with, database):
        ring = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED)
        key = ring.signing_key()
        assert (key.algorithm, ring.find(key.kid)) == ("HS256", key)
        assert rows(database) == []

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


def test_a_key_that_is_known_is_good_while_the_database_is_away(ring_with, monkeypatch):
    """A token that was good a minute ago must not be refused as wrong because somebody pulled a cable."""
    ring = ring_with()
    kid = ring.signing_key().kid
    ring._loaded_at = float("-inf")

    def away(_repository):
        raise Unavailable

    monkeypatch.setattr(module.KeyRepository, "list_usable", away)
    assert ring.find(kid).kid == kid
    with pytest.raises(Unavailable):
        ring.find("a-key-nobody-knows")
