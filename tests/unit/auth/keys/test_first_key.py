"""The key that is made when nobody has made one."""

import json
import threading

import jwt
import pytest
from sqlalchemy import delete, select

from secureapi.auth import events
from secureapi.auth.keys import thumbprint
from secureapi.core.database import table_of
from secureapi.security.models import AuditEvent
from support.key_rows import BEGINNING, CLIENT, KEYS, rows


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
