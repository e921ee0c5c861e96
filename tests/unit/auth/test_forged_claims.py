"""Tokens with the right signature and the wrong content, or in another spelling: what a key in the wrong hands must not be able to say."""

import json
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.each import each
from support.forger import ALICE, ALPHABET, AUDIENCE, ISSUER, Door, b64, claims, header, signed


@pytest.fixture
def door(make_settings):
    return Door(make_settings)


class TestClaims:
    @each("name", ["iss", "aud", "sub", "sid", "jti", "type", "role", "amr", "iat", "nbf", "exp", "auth_time"])
    @each("value", [..., None, [], {}, True, 1.5, ["x"], {"a": 1}])
    def test_a_claim_that_is_missing_or_of_another_type_is_refused(self, door, name, value):
        if name == "amr" and value in ([], ["x"]):
            assert door.read(signed(header(), claims(amr=value)))
            door.tokens._remembered.clear()
            return
        assert door.refuses(signed(header(), claims(**{name: value})))

    @each("name", ["sub", "sid", "jti", "role", "type", "iss", "aud"])
    @each("value", [0, 1, -1, 10**20])
    def test_a_number_is_no_text(self, door, name, value):
        assert door.refuses(signed(header(), claims(**{name: value})))

    @each("methods", [[1], ["pwd", None], [["pwd"]], [{}], "pwd", {"pwd": 1}])
    def test_methods_are_words(self, door, methods):
        assert door.refuses(signed(header(), claims(amr=methods)))

    @each("name", ["exp", "iat", "nbf", "auth_time"])
    @each("value", ["", "soon", "9999999999", "1e10", "4102444800", "NaN"])
    def test_text_is_no_moment(self, door, name, value):
        assert door.refuses(signed(header(), claims(**{name: value})))

    @each("name", ["exp", "iat", "nbf", "auth_time"])
    @each("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e10", "9999999999.5", "9" * 400, "-" + "9" * 400])
    def test_a_number_that_json_or_time_does_not_know_is_no_moment(self, door, name, number):
        text = json.dumps(claims(**{name: "@"})).replace('"@"', number)
        assert door.refuses(signed(header(), text))

    @each(
        "seconds_from_now",
        [
            {"exp": -11},
            {"exp": -86_400},
            {"exp": -(10**10)},
            {"nbf": 3600},
            {"iat": 3600},
            {"nbf": 120, "iat": 120, "exp": 900},
        ],
    )
    def test_a_token_of_yesterday_or_tomorrow_is_refused(self, door, seconds_from_now):
        now = int(time.time())
        assert door.refuses(signed(header(), claims(**{name: now + seconds for name, seconds in seconds_from_now.items()})))

    @each("moment", [0, -1])
    def test_a_token_from_the_beginning_of_time_is_refused(self, door, moment):
        assert door.refuses(signed(header(), claims(exp=moment)))

    def test_clocks_may_differ_by_some_seconds(self, door):
        now = int(time.time())
        assert door.read(signed(header(), claims(exp=now - 3)))
        assert door.read(signed(header(), claims(iat=now + 5, nbf=now + 5)))

    @each("lifetime", [timedelta(hours=1), timedelta(days=3650)])
    def test_a_token_that_lives_longer_than_any_that_we_issue_is_not_ours(self, door, lifetime):
        """Whoever got hold of a key for a moment must not make a token for ten years of it."""
        assert door.refuses(signed(header(), claims(exp=int(time.time() + lifetime.total_seconds()))))

    @each("audience", ["https://other.example.com", "", AUDIENCE + "/", AUDIENCE.upper(), f"{AUDIENCE} ", "*"])
    def test_a_token_for_somebody_else_is_refused(self, door, audience):
        assert door.refuses(signed(header(), claims(aud=audience)))

    @each(
        "audience",
        [["https://other.example.com", AUDIENCE], [AUDIENCE, "https://other.example.com"], ["https://other.example.com"], [], [[AUDIENCE]]],
    )
    def test_a_token_for_several_is_not_one_for_us(self, door, audience):
        """Ours have one audience. Another service that is named too could pass the token on."""
        assert door.refuses(signed(header(), claims(aud=audience)))

    @each("issuer", ["https://evil.example.com", "", ISSUER + "/", ISSUER.upper(), f"{ISSUER}.evil.example", "http://auth.example.com"])
    def test_a_token_of_somebody_else_is_refused(self, door, issuer):
        assert door.refuses(signed(header(), claims(iss=issuer)))

    @each("kind", ["refresh", "Access", "access ", "mfa", ""])
    def test_a_token_for_another_purpose_is_refused(self, door, kind):
        assert door.refuses(signed(header(), claims(type=kind)))

    @each("name", ["sub", "sid"])
    @each(
        "spelling",
        [str.upper, lambda i: f"{{{i}}}", lambda i: f"urn:uuid:{i}", lambda i: i.replace("-", ""), lambda i: f"{i} ", lambda i: "admin"],
    )
    def test_an_identifier_has_one_spelling(self, door, name, spelling):
        assert door.refuses(signed(header(), claims(**{name: spelling("0190a0b1-c2d3-7e4f-8a5b-abcdefabcdef")})))

    @each("name", ["sub", "role", "exp", "sid"])
    def test_a_claim_that_is_there_twice_is_refused(self, door, name):
        """A proxy in front may read the first where we read the last."""
        usual = claims()
        text = json.dumps(usual)
        assert door.refuses(signed(header(), "{" + json.dumps({name: usual[name]})[1:-1] + "," + text[1:]))

    @each(
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
            at = ALPHABET.index(pieces[part][-1].encode())
            pieces[part] = pieces[part][:-1] + chr(ALPHABET[at ^ 1])
            assert door.refuses(".".join(pieces))

    @each("sign", ["+", "/", " ", "\n", "\r\n", "\t", "\x00", "%41", "\u0410", "\ud800", "=", ",", ";", '"', "\u200b"])
    def test_a_sign_of_another_alphabet_is_refused_wherever_it_stands(self, door, sign):
        token = door.issue()
        for place in (0, 5, token.index("."), token.rindex("."), len(token) - 3, len(token)):
            assert door.refuses(token[:place] + sign + token[place:])

    @given(st.data())
    def test_no_other_text_than_the_one_that_was_issued_is_good(self, door, data):
        token = door.issue()
        place = data.draw(st.integers(0, len(token) - 1))
        changed = data.draw(st.sampled_from(ALPHABET.decode() + ".").filter(lambda sign: sign != token[place]))
        assert door.refuses(token[:place] + changed + token[place + 1 :])

    @given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{0,20}){1,5}", fullmatch=True))
    def test_a_fuzzer_is_refused(self, door, text):
        assert door.refuses(text)

    @each(
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

    @each("count", [1, 2, 4, 5, 6])
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
