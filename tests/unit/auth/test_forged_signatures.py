"""Mallory at the door with the wrong key, the wrong algorithm, or a header that should lead us astray."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from secureapi.auth.keys import Key
from support.each import each
from support.forger import ISSUER, MALLORY, ORDER, PRIVATE, Door, as_secret, b64, claims, header, signed, unb64


@pytest.fixture
def door(make_settings):
    return Door(make_settings)


class TestAlgorithms:
    @each("name", ["none", "None", "NONE", "nOnE", "none ", "", "null"])
    @each("signature", ["", "AA", "x" * 86])
    def test_an_unsigned_token_is_refused(self, door, name, signature):
        assert door.refuses(f"{b64(json.dumps(header(alg=name)))}.{b64(json.dumps(claims(sub=MALLORY)))}.{signature}")

    @each("kid", ["kid-ES256", "kid-RS256", "kid-EdDSA", "kid-HS256", ...])
    @each("spelling", ["pem", "pem without its last line break", "der", "point", "jwk", "jwk sorted", "ssh", "x"])
    def test_the_public_key_is_no_shared_secret(self, door, kid, spelling):
        """The oldest trick: HS256 with what everybody knows."""
        for name in ("ES256", "RS256", "EdDSA"):
            public = PRIVATE[name].public_key()
            secret = as_secret(public, spelling)
            head, payload = b64(json.dumps(header(alg="HS256", kid=kid))), b64(json.dumps(claims(sub=MALLORY)))
            signature = hmac.digest(secret, f"{head}.{payload}".encode(), hashlib.sha256)
            assert door.refuses(f"{head}.{payload}.{b64(signature)}")

    @each("named", ["ES256", "RS256", "EdDSA", "HS256"])
    @each("kid", ["kid-ES256", "kid-RS256", "kid-EdDSA", "kid-HS256"])
    @each("really", ["ES256", "RS256", "EdDSA"])
    def test_a_key_works_with_its_own_algorithm_only(self, door, named, kid, really):
        token = signed(header(alg=named, kid=kid), claims(), algorithm=really)
        if named == really and kid == f"kid-{really}":
            assert door.read(token)
            door.tokens._remembered.clear()
        else:
            assert door.refuses(token)

    @each("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
    def test_a_sister_of_the_algorithm_is_not_the_algorithm(self, door, algorithm):
        assert door.refuses(signed(header(alg=algorithm, kid="kid-RS256"), claims(), key=PRIVATE["RS256"], algorithm=algorithm))

    @each("algorithm", [["ES256"], {"ES256": 1}, 1, True, None, ..., "es256", "ES256 ", "ES384", "HS512", "RSA-OAEP", "dir"])
    def test_an_algorithm_that_is_none_of_ours_is_refused(self, door, algorithm):
        assert door.refuses(signed(header(alg=algorithm), claims()))

    def test_mallorys_own_key_opens_nothing(self, door):
        mallory = ec.generate_private_key(ec.SECP256R1())
        jwk = json.loads(ECAlgorithm.to_jwk(mallory.public_key()))
        for extra in ({}, {"jwk": jwk}, {"jku": "http://127.0.0.1:9/jwks"}, {"x5u": "http://127.0.0.1:9/x"}, {"x5c": ["AAAA"]}):
            assert door.refuses(signed(header(**extra), claims(sub=MALLORY), key=mallory))

    @each("signature", [b"", b"\x00", bytes(64), b"\xff" * 64, bytes(63), bytes(65), b"0" * 1000])
    def test_a_signature_that_is_none_is_refused(self, door, signature):
        """All zeros was once good for every message (CVE-2022-21449)."""
        assert door.refuses(signed(header(), claims()).rpartition(".")[0] + "." + b64(signature))

    def test_a_signature_in_der_is_refused(self, door):
        from cryptography.hazmat.primitives import hashes

        head = f"{b64(json.dumps(header()))}.{b64(json.dumps(claims()))}"
        assert door.refuses(f"{head}.{b64(PRIVATE['ES256'].sign(head.encode(), ec.ECDSA(hashes.SHA256())))}")

    @each("algorithm", ["ES256", "RS256", "EdDSA", "HS256"])
    @each(
        "change",
        [
            lambda s: s[:-1],
            lambda s: s[1:],
            lambda s: s[: len(s) // 2],
            lambda s: s + b"\x00",
            lambda s: b"\x00" + s,
            lambda s: s * 2,
            lambda s: s[::-1],
            lambda s: bytes(len(s)),
            lambda s: bytes([s[0] ^ 0x80]) + s[1:],
            lambda s: s[:-1] + bytes([s[-1] ^ 1]),
        ],
        ids=["short", "late", "half", "long", "early", "twice", "backwards", "zeros", "first bit", "last bit"],
    )
    def test_a_good_signature_that_was_cut_stretched_or_turned_is_refused(self, make_settings, algorithm, change):
        door = Door(make_settings, algorithm)
        head, _, signature = door.issue().rpartition(".")
        assert door.refuses(f"{head}.{b64(change(unb64(signature)))}")

    def test_the_twin_of_a_signature_is_refused(self, door):
        """With (r, s) also (r, n - s) fits the message: anybody can make it, and would have a second spelling of a token."""
        for _ in range(8):
            token = door.issue()
            head, _, signature = token.rpartition(".")
            r, s = unb64(signature)[:32], int.from_bytes(unb64(signature)[32:], "big")
            assert door.read(token)
            door.tokens._remembered.clear()
            assert door.refuses(f"{head}.{b64(r + (ORDER - s).to_bytes(32, 'big'))}")

    def test_numbers_beyond_the_order_of_the_curve_are_refused(self, door):
        head, _, signature = door.issue().rpartition(".")
        r, s = (int.from_bytes(unb64(signature)[part], "big") for part in (slice(0, 32), slice(32, 64)))
        for wrong in ((0, s), (r, 0), (r, ORDER), (ORDER, s), ((r + ORDER) % 2**256, s), (r, (s + ORDER) % 2**256), (s, r), (1, 1)):
            assert door.refuses(f"{head}.{b64(b''.join(number.to_bytes(32, 'big') for number in wrong))}")

    def test_the_signature_of_another_token_is_refused(self, door):
        one, other = door.issue(), door.issue()
        assert door.refuses(f"{one.rpartition('.')[0]}.{other.rpartition('.')[2]}")


class TestHeaders:
    @each(
        "kid",
        [
            ...,
            None,
            "",
            1,
            True,
            ["kid-ES256"],
            {"kid-ES256": 1},
            "kid-es256",
            "kid-ES256 ",
            "kid-ES256\x00",
            "../../dev/null",
            "/dev/null",
            "' OR 1=1--",
            "|id",
            "$(id)",
            "http://127.0.0.1:9/key",
            "\ud800",
            "k" * 65,
            "k" * 2000,
        ],
    )
    def test_a_kid_that_names_no_key_of_ours_opens_nothing(self, door, kid):
        assert door.refuses(signed(header(kid=kid), claims()))
        assert all(isinstance(asked, str) and len(asked) <= 64 for asked in door.ring.asked)

    def test_the_kid_of_one_key_with_the_signature_of_another_is_refused(self, door):
        other = ec.generate_private_key(ec.SECP256R1())
        door.ring.keys["kid-new"] = Key("kid-new", "ES256", other, other.public_key(), is_active=True)
        assert door.refuses(signed(header(kid="kid-new"), claims()))

    @each("kind", [..., None, "", "JWT", "jwt", "AT+JWT", "at+jwt ", "application/at+jwt", "id+jwt", ["at+jwt"], 1, "refresh", "dpop+jwt"])
    def test_a_token_of_another_kind_is_no_access_token(self, door, kind):
        assert door.refuses(signed(header(typ=kind), claims()))

    @each(
        "extra",
        [
            {"crit": ["exp"]},
            {"crit": ["b64"], "b64": False},
            {"crit": []},
            {"crit": "exp"},
            {"b64": False},
            {"crit": ["http://example.com/x"], "http://example.com/x": 1},
            {"b64": True},
            {"zip": "DEF"},
            {"enc": "A256GCM"},
            {"cty": "JWT"},
            {"jku": "http://127.0.0.1:9/jwks"},
            {"jwk": {"kty": "EC"}},
            {"x5u": "http://127.0.0.1:9/x"},
            {"x5c": ["AAAA"]},
            {"x5t": "AAAA"},
            {"x5t#S256": "AAAA"},
            {"iss": ISSUER},
            {"note": "x"},
        ],
        ids=" ".join,
    )
    def test_a_header_that_says_what_ours_never_say_is_refused(self, door, extra):
        """RFC 7515 section 4.1.11, RFC 7797. Even with our signature: whoever has borrowed a key must not find out what else is read."""
        assert door.refuses(signed(header(**extra), claims()))

    @each("head", ["", "{", "[]", '"ES256"', "null", "1", "{}", "\xff", '{"alg":"ES256"', "[" * 1500, '{"a":' * 400])
    def test_a_header_that_is_no_object_is_refused(self, door, head):
        assert door.refuses(signed(head.encode("latin-1"), claims()))

    def test_a_header_that_says_two_things_is_refused_whichever_comes_first(self, door):
        for first, second in (("none", "ES256"), ("HS256", "ES256"), ("ES256", "none")):
            head = f'{{"alg":"{first}","typ":"at+jwt","kid":"kid-ES256","alg":"{second}"}}'
            assert door.refuses(signed(head, claims()))
