"""Mallory at the door: tokens that are nearly ours. Everything here happens in a Flask of its own with a ring of keys in memory."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, get_default_algorithms

from secureapi.auth.access_tokens import AccessTokens
from secureapi.auth.errors import TokenRefused
from secureapi.auth.keys import Key
from secureapi.core.identifiers import new_id

ISSUER = "https://auth.example.com"
AUDIENCE = "https://api.example.com"
MINUTES = 15
ALICE, MALLORY = str(uuid.uuid4()), str(uuid.uuid4())
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PRIVATE = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": rsa.generate_private_key(65537, 2048),
}
_SHARED = b"a shared secret of more than thirty-two bytes"


class Ring:
    """The keys, without a database: one of each algorithm, the first of them signing."""

    def __init__(self, algorithm="ES256"):
        self.algorithm = algorithm
        self.asked = []
        self.keys = {f"kid-{name}": Key(f"kid-{name}", name, key, key.public_key(), is_active=True) for name, key in _PRIVATE.items()}
        self.keys["kid-HS256"] = Key("kid-HS256", "HS256", _SHARED, _SHARED, is_active=True)

    def signing_key(self):
        return self.keys[f"kid-{self.algorithm}"]

    def find(self, kid):
        self.asked.append(kid)
        return self.keys.get(kid)


class Door:
    """A reader of tokens, and everything that Mallory needs to make one."""

    def __init__(self, make_settings, algorithm="ES256"):
        self.ring = Ring(algorithm)
        self.app = Flask("door")
        settings = make_settings(jwt_algorithm=algorithm, public_url=ISSUER, jwt_audience=AUDIENCE, access_token_expire_minutes=MINUTES)
        self.tokens = AccessTokens(self.app, settings, self.ring)

    def issue(self):
        with self.app.app_context():
            return self.tokens.issue(user_id=ALICE, session_id=new_id(), role="user", authenticated_at=datetime.now(UTC), methods="pwd otp")

    def read(self, token):
        with self.app.app_context():
            return self.tokens.read(token)

    def refuses(self, token):
        began = time.perf_counter()
        with pytest.raises(TokenRefused):
            self.read(token)
        assert time.perf_counter() - began < 2, "a refusal must be cheap"
        assert not self.tokens._remembered
        return True


@pytest.fixture
def door(make_settings):
    return Door(make_settings)


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def claims(**changed):
    """What a good token says, with some of it changed; a value of `...` leaves the claim out."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": ALICE,
        "sid": new_id(),
        "jti": new_id(),
        "type": "access",
        "role": "user",
        "amr": ["pwd"],
        "iat": now,
        "nbf": now,
        "exp": now + 60 * MINUTES,
        "auth_time": now,
    }
    return {name: value for name, value in (usual | changed).items() if value is not ...}


def header(**changed):
    usual = {"alg": "ES256", "typ": "at+jwt", "kid": "kid-ES256"}
    return {name: value for name, value in (usual | changed).items() if value is not ...}


def signed(head, payload, *, key=None, algorithm="ES256"):
    """A token with this header and payload, as objects or as text, signed as `algorithm` says, whatever the header says."""
    key = _PRIVATE[algorithm] if key is None else key
    parts = [b64(part if isinstance(part, str | bytes) else json.dumps(part)) for part in (head, payload)]
    signature = get_default_algorithms()[algorithm].sign(".".join(parts).encode(), key)
    return ".".join([*parts, b64(signature)])


class TestGoodTokens:
    @pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "HS256"])
    def test_what_was_issued_is_read(self, make_settings, algorithm):
        door = Door(make_settings, algorithm)
        token = door.issue()
        read = door.read(token)
        assert (read.user_id, read.role, read.methods) == (ALICE, "user", ("pwd", "otp"))
        assert 0 <= read.expires_at - time.time() <= 60 * MINUTES
        assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "at+jwt", "kid": f"kid-{algorithm}"}

    def test_the_forger_in_these_tests_can_make_a_good_one(self, door):
        """Otherwise every refusal below would prove nothing."""
        assert door.read(signed(header(), claims())).user_id == ALICE

    def test_no_two_tokens_are_the_same(self, door):
        assert len({door.issue() for _ in range(20)}) == 20

    def test_a_token_of_another_key_of_ours_is_good_while_that_key_is(self, door):
        """After a change of algorithm the tokens of before live on until they expire."""
        assert door.read(signed(header(alg="EdDSA", kid="kid-EdDSA"), claims(), algorithm="EdDSA")).user_id == ALICE

    def test_a_token_that_was_read_once_is_not_verified_again(self, door, monkeypatch):
        token = door.issue()
        first = door.read(token)
        monkeypatch.setattr("secureapi.auth.access_tokens.decode_token", None)
        assert door.read(token) is first

    def test_a_remembered_token_expires(self, door, monkeypatch):
        token = door.issue()
        door.read(token)
        moment = time.time() + 60 * MINUTES
        monkeypatch.setattr("secureapi.auth.access_tokens.time.time", lambda: moment + 9)
        door.read(token)
        monkeypatch.setattr("secureapi.auth.access_tokens.time.time", lambda: moment + 10)
        assert door.refuses(token)

    def test_a_remembered_token_ends_with_its_key(self, door):
        """A key is taken away because somebody may have it: whatever it has signed is worth nothing from then on."""
        token = door.issue()
        door.read(token)
        del door.ring.keys["kid-ES256"]
        with pytest.raises(TokenRefused):
            door.read(token)

    def test_memory_is_bounded(self, door, monkeypatch):
        monkeypatch.setattr("secureapi.auth.access_tokens._REMEMBERED", 8)
        tokens = [door.issue() for _ in range(30)]
        for token in tokens:
            door.read(token)
            assert len(door.tokens._remembered) <= 8
        assert door.read(tokens[0]).user_id == door.read(tokens[-1]).user_id == ALICE

    def test_two_threads_that_forget_the_same_token_do_not_stumble(self, door, monkeypatch):
        """One makes room while another drops what has expired."""

        class Raced(dict):
            def __iter__(self):
                found = list(super().__iter__())
                self.pop(found[0], None)
                return iter(found)

        monkeypatch.setattr("secureapi.auth.access_tokens._REMEMBERED", 4)
        door.tokens._remembered = Raced()
        for _ in range(6):
            assert door.read(door.issue()).user_id == ALICE


class TestAlgorithms:
    @pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", "", "null"])
    @pytest.mark.parametrize("signature", ["", "AA", "x" * 86])
    def test_an_unsigned_token_is_refused(self, door, name, signature):
        assert door.refuses(f"{b64(json.dumps(header(alg=name)))}.{b64(json.dumps(claims(sub=MALLORY)))}.{signature}")

    @pytest.mark.parametrize("kid", ["kid-ES256", "kid-RS256", "kid-EdDSA", "kid-HS256", ...])
    @pytest.mark.parametrize("spelling", ["pem", "pem without its last line break", "der", "point", "jwk", "jwk sorted", "ssh", "x"])
    def test_the_public_key_is_no_shared_secret(self, door, kid, spelling):
        """The oldest trick: HS256 with what everybody knows."""
        for name in ("ES256", "RS256", "EdDSA"):
            public = _PRIVATE[name].public_key()
            secret = _as_secret(public, spelling)
            head, payload = b64(json.dumps(header(alg="HS256", kid=kid))), b64(json.dumps(claims(sub=MALLORY)))
            signature = hmac.digest(secret, f"{head}.{payload}".encode(), hashlib.sha256)
            assert door.refuses(f"{head}.{payload}.{b64(signature)}")

    @pytest.mark.parametrize("named", ["ES256", "RS256", "EdDSA", "HS256"])
    @pytest.mark.parametrize("kid", ["kid-ES256", "kid-RS256", "kid-EdDSA", "kid-HS256"])
    @pytest.mark.parametrize("really", ["ES256", "RS256", "EdDSA"])
    def test_a_key_works_with_its_own_algorithm_only(self, door, named, kid, really):
        token = signed(header(alg=named, kid=kid), claims(), algorithm=really)
        if named == really and kid == f"kid-{really}":
            assert door.read(token)
        else:
            assert door.refuses(token)

    @pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
    def test_a_sister_of_the_algorithm_is_not_the_algorithm(self, door, algorithm):
        assert door.refuses(signed(header(alg=algorithm, kid="kid-RS256"), claims(), key=_PRIVATE["RS256"], algorithm=algorithm))

    @pytest.mark.parametrize(
        "algorithm", [["ES256"], {"ES256": 1}, 1, True, None, ..., "es256", "ES256 ", "ES384", "HS512", "RSA-OAEP", "dir"]
    )
    def test_an_algorithm_that_is_none_of_ours_is_refused(self, door, algorithm):
        assert door.refuses(signed(header(alg=algorithm), claims()))

    def test_mallorys_own_key_opens_nothing(self, door):
        mallory = ec.generate_private_key(ec.SECP256R1())
        jwk = json.loads(ECAlgorithm.to_jwk(mallory.public_key()))
        for extra in ({}, {"jwk": jwk}, {"jku": "http://127.0.0.1:9/jwks"}, {"x5u": "http://127.0.0.1:9/x"}, {"x5c": ["AAAA"]}):
            assert door.refuses(signed(header(**extra), claims(sub=MALLORY), key=mallory))

    @pytest.mark.parametrize("signature", [b"", b"\x00", bytes(64), b"\xff" * 64, bytes(63), bytes(65), b"0" * 1000])
    def test_a_signature_that_is_none_is_refused(self, door, signature):
        """All zeros was once good for every message (CVE-2022-21449)."""
        assert door.refuses(signed(header(), claims()).rpartition(".")[0] + "." + b64(signature))

    def test_a_signature_in_der_is_refused(self, door):
        from cryptography.hazmat.primitives import hashes

        head = f"{b64(json.dumps(header()))}.{b64(json.dumps(claims()))}"
        assert door.refuses(f"{head}.{b64(_PRIVATE['ES256'].sign(head.encode(), ec.ECDSA(hashes.SHA256())))}")

    def test_the_signature_of_another_token_is_refused(self, door):
        one, other = door.issue(), door.issue()
        assert door.refuses(f"{one.rpartition('.')[0]}.{other.rpartition('.')[2]}")


def _as_secret(public, spelling):
    """A public key as bytes, in one of the spellings in which it is published."""
    encoding, formats = serialization.Encoding, serialization.PublicFormat
    name = "RS256" if isinstance(public, rsa.RSAPublicKey) else "ES256" if isinstance(public, ec.EllipticCurvePublicKey) else "EdDSA"
    pem = public.public_bytes(encoding.PEM, formats.SubjectPublicKeyInfo)
    jwk = get_default_algorithms()[name].to_jwk(public, as_dict=True)
    coordinate = jwk.get("x", jwk.get("n")).encode()
    return {
        "pem": pem,
        "pem without its last line break": pem.strip(),
        "der": public.public_bytes(encoding.DER, formats.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(encoding.OpenSSH, formats.OpenSSH),
        "jwk": json.dumps(jwk).encode(),
        "jwk sorted": json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode(),
        "point": public.public_bytes(encoding.X962, formats.UncompressedPoint) if name == "ES256" else coordinate,
        "x": coordinate,
    }[spelling]


class TestHeaders:
    @pytest.mark.parametrize(
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

    @pytest.mark.parametrize(
        "kind", [..., None, "", "JWT", "jwt", "AT+JWT", "at+jwt ", "application/at+jwt", "id+jwt", ["at+jwt"], 1, "refresh", "dpop+jwt"]
    )
    def test_a_token_of_another_kind_is_no_access_token(self, door, kind):
        assert door.refuses(signed(header(typ=kind), claims()))

    @pytest.mark.parametrize(
        "extra",
        [
            {"crit": ["exp"]},
            {"crit": ["b64"], "b64": False},
            {"crit": []},
            {"crit": "exp"},
            {"b64": False},
            {"crit": ["http://example.com/x"], "http://example.com/x": 1},
        ],
    )
    def test_a_header_that_must_be_understood_and_is_not_is_refused(self, door, extra):
        """RFC 7515 section 4.1.11, RFC 7797."""
        assert door.refuses(signed(header(**extra), claims()))

    @pytest.mark.parametrize("head", ["", "{", "[]", '"ES256"', "null", "1", "{}", "\xff", '{"alg":"ES256"', "[" * 1500, '{"a":' * 400])
    def test_a_header_that_is_no_object_is_refused(self, door, head):
        assert door.refuses(signed(head.encode("latin-1"), claims()))

    def test_a_header_that_says_two_things_is_refused_whichever_comes_first(self, door):
        for first, second in (("none", "ES256"), ("HS256", "ES256"), ("ES256", "none")):
            head = f'{{"alg":"{first}","typ":"at+jwt","kid":"kid-ES256","alg":"{second}"}}'
            assert door.refuses(signed(head, claims()))


class TestClaims:
    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "jti", "type", "role", "amr", "iat", "nbf", "exp", "auth_time"])
    @pytest.mark.parametrize("value", [..., None, [], {}, True, 1.5, ["x"], {"a": 1}])
    def test_a_claim_that_is_missing_or_of_another_type_is_refused(self, door, name, value):
        if name == "amr" and isinstance(value, list):
            assert door.read(signed(header(), claims(amr=value)))
            return
        assert door.refuses(signed(header(), claims(**{name: value})))

    @pytest.mark.parametrize("name", ["sub", "sid", "jti", "role", "type", "iss", "aud"])
    @pytest.mark.parametrize("value", [0, 1, -1, 10**20])
    def test_a_number_is_no_text(self, door, name, value):
        assert door.refuses(signed(header(), claims(**{name: value})))

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
    @pytest.mark.parametrize("value", ["", "soon", "9999999999", "1e10", "4102444800", "NaN"])
    def test_text_is_no_moment(self, door, name, value):
        assert door.refuses(signed(header(), claims(**{name: value})))

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
    @pytest.mark.parametrize(
        "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e10", "9999999999.5", "9" * 400, "-" + "9" * 400]
    )
    def test_a_number_that_json_or_time_does_not_know_is_no_moment(self, door, name, number):
        text = json.dumps(claims(**{name: "@"})).replace('"@"', number)
        assert door.refuses(signed(header(), text))

    @pytest.mark.parametrize(
        "changed",
        [
            {"exp": -1},
            {"exp": 0},
            {"exp": int(time.time()) - 11},
            {"exp": int(time.time()) - 86400},
            {"nbf": int(time.time()) + 3600},
            {"iat": int(time.time()) + 3600},
            {"nbf": int(time.time()) + 120, "iat": int(time.time()) + 120, "exp": int(time.time()) + 900},
        ],
    )
    def test_a_token_of_yesterday_or_tomorrow_is_refused(self, door, changed):
        assert door.refuses(signed(header(), claims(**changed)))

    def test_clocks_may_differ_by_some_seconds(self, door):
        now = int(time.time())
        assert door.read(signed(header(), claims(exp=now - 3)))
        assert door.read(signed(header(), claims(iat=now + 5, nbf=now + 5)))

    @pytest.mark.parametrize("lifetime", [timedelta(hours=1), timedelta(days=3650)])
    def test_a_token_that_lives_longer_than_any_that_we_issue_is_not_ours(self, door, lifetime):
        """Whoever got hold of a key for a moment must not make a token for ten years of it."""
        assert door.refuses(signed(header(), claims(exp=int(time.time() + lifetime.total_seconds()))))

    @pytest.mark.parametrize("audience", ["https://other.example.com", "", AUDIENCE + "/", AUDIENCE.upper(), f"{AUDIENCE} ", "*"])
    def test_a_token_for_somebody_else_is_refused(self, door, audience):
        assert door.refuses(signed(header(), claims(aud=audience)))

    @pytest.mark.parametrize(
        "audience",
        [["https://other.example.com", AUDIENCE], [AUDIENCE, "https://other.example.com"], ["https://other.example.com"], [], [[AUDIENCE]]],
    )
    def test_a_token_for_several_is_not_one_for_us(self, door, audience):
        """Ours have one audience. Another service that is named too could pass the token on."""
        assert door.refuses(signed(header(), claims(aud=audience)))

    @pytest.mark.parametrize(
        "issuer", ["https://evil.example.com", "", ISSUER + "/", ISSUER.upper(), f"{ISSUER}.evil.example", "http://auth.example.com"]
    )
    def test_a_token_of_somebody_else_is_refused(self, door, issuer):
        assert door.refuses(signed(header(), claims(iss=issuer)))

    @pytest.mark.parametrize("kind", ["refresh", "Access", "access ", "mfa", ""])
    def test_a_token_for_another_purpose_is_refused(self, door, kind):
        assert door.refuses(signed(header(), claims(type=kind)))

    @pytest.mark.parametrize("name", ["sub", "sid"])
    @pytest.mark.parametrize(
        "spelling",
        [str.upper, lambda i: f"{{{i}}}", lambda i: f"urn:uuid:{i}", lambda i: i.replace("-", ""), lambda i: f"{i} ", lambda i: "admin"],
    )
    def test_an_identifier_has_one_spelling(self, door, name, spelling):
        assert door.refuses(signed(header(), claims(**{name: spelling("0190a0b1-c2d3-7e4f-8a5b-abcdefabcdef")})))

    @pytest.mark.parametrize("name", ["sub", "role", "exp", "sid"])
    def test_a_claim_that_is_there_twice_is_refused(self, door, name):
        """A proxy in front may read the first where we read the last."""
        usual = claims()
        text = json.dumps(usual)
        assert door.refuses(signed(header(), "{" + json.dumps({name: usual[name]})[1:-1] + "," + text[1:]))

    @pytest.mark.parametrize(
        "payload",
        ["", "{", "[]", '"text"', "null", "1", "[{}]", "{}", b"\xff\xfe", b'{"sub":"\xff"}', "[" * 2000, '{"a":' * 300 + "1" + "}" * 300],
    )
    def test_a_payload_that_is_no_set_of_claims_is_refused(self, door, payload):
        assert door.refuses(signed(header(), payload))

    def test_nul_and_lone_surrogates_get_nowhere(self, door):
        for value in ("\x00", f"{ALICE}\x00", "\ud800"):
            assert door.refuses(signed(header(), claims(sub=value)))


class TestSpelling:
    def test_padding_is_refused(self, door):
        head, payload, signature = door.issue().split(".")
        for token in (
            f"{head}=.{payload}.{signature}",
            f"{head}.{payload}==.{signature}",
            f"{head}.{payload}.{signature}==",
            f"{head}.{payload}.{signature}=",
        ):
            assert door.refuses(token)

    def test_spare_bits_at_the_end_give_no_second_spelling(self, door):
        """RFC 4648 section 3.5: the last character of a part may say what the decoder throws away."""
        head, payload, signature = signed(header(), claims(note="x")).split(".")
        for part in range(3):
            pieces = [head, payload, signature]
            if len(pieces[part]) % 4 == 0:
                continue
            at = _ALPHABET.index(pieces[part][-1].encode())
            pieces[part] = pieces[part][:-1] + chr(_ALPHABET[at ^ 1])
            assert door.refuses(".".join(pieces))

    @pytest.mark.parametrize("sign", ["+", "/", " ", "\n", "\r\n", "\t", "\x00", "%41", "\u0410", "\ud800", "=", ",", ";", '"', "\u200b"])
    def test_a_sign_of_another_alphabet_is_refused_wherever_it_stands(self, door, sign):
        token = door.issue()
        for place in (0, 5, token.index("."), token.rindex("."), len(token) - 3, len(token)):
            assert door.refuses(token[:place] + sign + token[place:])

    @given(st.data())
    def test_no_other_text_than_the_one_that_was_issued_is_good(self, make_settings, data):
        door = Door(make_settings)
        token = door.issue()
        place = data.draw(st.integers(0, len(token) - 1))
        changed = data.draw(st.sampled_from(_ALPHABET.decode() + ".").filter(lambda sign: sign != token[place]))
        assert door.refuses(token[:place] + changed + token[place + 1 :])

    @given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{0,20}){1,5}", fullmatch=True))
    def test_a_fuzzer_is_refused(self, make_settings, text):
        assert Door(make_settings).refuses(text)

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            "." * 10_000,
            "a" * 1_000_000,
            "a." * 500_000,
            f"{'A' * 1_000_000}.{'A' * 1_000_000}.A",
            '{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}',
            "sar_" + "A" * 64,
        ],
        ids=lambda token: token[:12],
    )
    def test_a_text_that_is_no_token_is_refused_at_once(self, door, token):
        assert door.refuses(token)
        assert door.ring.asked == []

    @pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
    def test_parts_are_three(self, door, count):
        """Five would be encryption (JWE), which we do not do."""
        parts = signed(header(), claims()).split(".")
        assert door.refuses(".".join((parts * 2)[:count]))

    def test_an_encrypted_token_is_refused(self, door):
        head = b64(json.dumps({"alg": "dir", "enc": "A256GCM", "typ": "at+jwt", "kid": "kid-HS256"}))
        assert door.refuses(f"{head}..{b64(bytes(12))}.{b64(bytes(40))}.{b64(bytes(16))}")
        assert door.refuses(f"{head}.AA.{b64(bytes(12))}.{b64(bytes(40))}.{b64(bytes(16))}")

    def test_a_good_token_that_is_too_long_is_refused(self, door):
        assert door.refuses(signed(header(), claims(note="x" * 4096)))
