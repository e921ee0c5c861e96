import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.core.errors import Invalid, Malformed, Refusal
from secureapi.core.strict_json import DEPTH, parse_json, pointer_token, storable
from support.each import each

CANARY = "canary-7f3a"
_storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _storable_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_storable_text, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_whatever_is_plain_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_a_fuzzer_gets_a_refusal_or_a_value_and_nothing_else(body):
    try:
        value = parse_json(body)
    except Refusal:
        return
    assert json.loads(body) == value


@given(st.text('[]{}":,0123456789-+.eEtrufalsn \\udD8', max_size=40))
def test_a_fuzzer_who_knows_the_grammar_gets_no_further(text):
    try:
        value = parse_json(text.encode())
    except Refusal:
        return
    assert json.loads(text) == value


@each(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1,}',
        b"[1,]",
        b"[1 2]",
        b"{'a':1}",
        b"{a:1}",
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b"[0x10]",
        b"[1_0]",
        b"// c\n{}",
        b"/* c */{}",
        b"{}{}",
        b"{} x",
        b'"\n"',
        b'"\t"',
        b'"\\x41"',
        b'"\\u00"',
        b"True",
        b"nul",
        "[٣]".encode(),
        "\u00a0{}".encode(),
        b"\x0c{}",
    ],
)
def test_what_is_no_json_is_malformed(body):
    with pytest.raises(Malformed):
        parse_json(body)


@each("word", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e99999", "0." + "1" * 100])
def test_a_smuggler_of_numbers_that_json_does_not_know_is_refused(word):
    with pytest.raises(Malformed):
        parse_json(f'{{"n":{word}}}'.encode())


@each("number", [2**53 - 1, -(2**53) + 1, 0, -0])
def test_the_largest_integer_every_program_can_read_is_read(number):
    assert parse_json(str(number).encode()) == number


@each("digits", [str(2**53), str(-(2**53)), "9" * 20, "9" * 21, "9" * 5000, "-" + "9" * 5000])
def test_an_attacker_with_five_thousand_digits_is_refused_before_they_are_computed(digits):
    with pytest.raises(Malformed):
        parse_json(digits.encode())


def test_a_number_too_small_to_matter_is_nought():
    assert parse_json(b"1e-400") == 0


def test_a_float_of_usual_length_stays_exact():
    assert parse_json(repr(math.pi).encode()) == math.pi


@each("body", [b'{"a":1,"a":2}', b'[{"x":{"a":1,"b":2,"a":1}}]', b'{"role":"user","r\\u006fle":"admin"}', b'{"":1,"":2}'])
def test_a_smuggler_of_two_values_under_one_name_is_refused_at_any_depth(body):
    with pytest.raises(Malformed, match="malformed_body") as refused:
        parse_json(body)
    assert "twice" in refused.value.sentence


@each("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig"])
def test_another_encoding_or_a_byte_order_mark_is_malformed(encoding):
    with pytest.raises(Malformed):
        parse_json('{"a": "é"}'.encode(encoding))


@each("body", [b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe9"'])
def test_bytes_that_are_no_utf8_are_malformed(body):
    with pytest.raises(Malformed):
        parse_json(body)


@each(
    ("body", "pointers"),
    [
        (b'"\\u0000"', [""]),
        (b'{"name":"a\\u0000b"}', ["/name"]),
        (b'{"name":"\\ud800"}', ["/name"]),
        (b'{"name":"\\udc00\\ud800"}', ["/name"]),
        (b'{"list":["ok","\\udfff"]}', ["/list/1"]),
        (b'{"k\\u0000":1}', ["/?"]),
        (b'{"a":{"\\ud800":"\\u0000"}}', ["/a/?", "/a/?"]),
    ],
)
def test_text_that_no_database_can_keep_is_invalid_where_it_stands(body, pointers):
    with pytest.raises(Invalid) as refused:
        parse_json(body)
    assert [fault.pointer for fault in refused.value.faults] == pointers
    assert {fault.code for fault in refused.value.faults} == {"unstorable_text"}


def test_a_pair_of_surrogates_is_one_character():
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_a_flood_of_unstorable_texts_is_answered_with_a_handful_of_faults():
    with pytest.raises(Invalid) as refused:
        parse_json(b"[" + b",".join([b'"\\u0000"'] * 10_000) + b"]")
    assert len(refused.value.faults) == 20


@each(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_value_may_nest_as_deep_as_the_limit(opening, closing):
    assert parse_json(opening * DEPTH + b"1" + closing * DEPTH)


@each("core", [b"1", b'"x"', b"[]", b"{}"])
def test_one_level_more_is_malformed_whatever_stands_inside(core):
    opened = DEPTH + (0 if core in {b"[]", b"{}"} else 1)
    with pytest.raises(Malformed):
        parse_json(b"[" * opened + core + b"]" * opened)


@each("body", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000])
def test_an_attacker_with_a_hundred_thousand_brackets_is_refused_and_not_an_accident(body):
    with pytest.raises(Malformed) as refused:
        parse_json(body)
    assert "16 levels" in refused.value.sentence


@each(
    "body",
    [
        f'{{"{CANARY}":1,"{CANARY}":2}}',
        f'"{CANARY}',
        f'{{"{CANARY}\\u0000":"{CANARY}\\u0000"}}',
        f'{{"a b {CANARY}": "\\ud800"}}',
        f"[{CANARY}]",
    ],
)
def test_no_refusal_says_what_was_sent(body):
    with pytest.raises(Refusal) as refused:
        parse_json(body.encode())
    said = refused.value.sentence + str(refused.value) + str(refused.value.faults)
    assert CANARY not in said
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(max_size=100))
def test_a_pointer_never_carries_a_strangers_text(key):
    token = pointer_token(key)
    assert token == "?" or (token == key and token.isascii() and len(token) <= 64 and not set(token) & set('/~"<> \n'))


def test_a_key_with_a_line_break_at_its_end_is_not_repeated():
    assert pointer_token("name\n") == "?"


@given(st.text())
def test_storable_text_survives_utf8_and_has_no_nul(text):
    assert storable(text) == ("\x00" not in text and not any(0xD800 <= ord(c) <= 0xDFFF for c in text))
