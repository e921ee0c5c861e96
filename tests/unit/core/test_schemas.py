import copy
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, post_dump

from secureapi.core.problems import faults_of
from secureapi.core.schemas import LINE, Message, MomentField, OneOf, Password, StrictSchema, Text, Truth, WholeNumber
from support.each import each

CANARY = "canary-7f3a"


class Sample(StrictSchema):
    name = Text(least=3, most=10, pattern="[a-z]+", says="Lower-case letters, please.")
    note = Text(most=10, allow_none=True)
    line = Text(most=10, pattern=LINE)
    password = Password()
    role = OneOf(["user", "admin"])
    count = WholeNumber(least=1, most=100, is_asked=True)
    flag = Truth()
    made_at = MomentField(dump_only=True)


def refused(**given_values):
    """(pointer, code) of every fault of this input."""
    with pytest.raises(ValidationError) as error:
        Sample().load(given_values)
    return [(fault.pointer, fault.code) for fault in faults_of(error.value)]


@each("field", ["name", "note", "line", "password", "role"])
@each("value", [True, 1, 1.5, [], ["x"], {}, {"$ne": None}])
def test_an_injector_of_other_types_is_told_that_text_is_expected(field, value):
    assert refused(**{field: value}) == [(f"/{field}", "type")]


@each(
    "value",
    [True, False, 1.0, 1.5, [], {}, "", "1_0", " 7", "7 ", "+7", "\u0663", "\uff17", "1e2", "0x10", "7\n", "9" * 19, "seven", "--7"],
)
def test_what_int_would_take_and_nobody_else_is_no_whole_number(value):
    assert refused(count=value) == [("/count", "type")]


@each("value", [0, 101, -1, "0", "101", "-5", "9" * 18, 10**30])
def test_a_number_out_of_range_is_refused(value):
    assert refused(count=value) == [("/count", "range")]


@each(("value", "number"), [(1, 1), (100, 100), ("1", 1), ("007", 7)])
def test_a_whole_number_is_read_from_json_and_from_a_query(value, number):
    assert Sample().load({"count": value}) == {"count": number}


@each("value", ["true", "false", "1", 0, 1, "yes", [], {}, "False"])
def test_a_word_that_means_true_is_not_true(value):
    assert refused(flag=value) == [("/flag", "type")]


@each("value", [True, False])
def test_true_and_false_are(value):
    assert Sample().load({"flag": value}) == {"flag": value}


@each(
    ("text", "code"),
    [("ab", "too_short"), ("a" * 11, "too_long"), ("ABC", "pattern"), ("abc\n", "pattern"), ("abc\x00", "pattern"), ("", "too_short")],
)
def test_text_that_does_not_fit_says_why(text, code):
    assert refused(name=text) == [("/name", code)]


@each("text", ["a\x00b", "a\x1bb", "a\x7fb", "a\u202eb", "a\u2066b", "a\u2028b", "a\x85"])
def test_a_forger_with_control_characters_is_refused(text):
    assert refused(note=text) == [("/note", "pattern")]
    assert refused(line=text) == [("/line", "pattern")]


@each("text", ["a\nb", "a\tb", "a\r\nb"])
def test_line_breaks_pass_only_where_text_may_have_lines(text):
    assert Sample().load({"note": text}) == {"note": text}
    assert refused(line=text) == [("/line", "pattern")]


def test_length_is_counted_in_code_points():
    assert Sample().load({"note": "😀" * 10}) == {"note": "😀" * 10}
    assert refused(note="😀" * 11) == [("/note", "too_long")]


@given(st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=128))
def test_a_password_may_be_anything_and_is_not_touched(password):
    assert Sample().load({"password": password}) == {"password": password}


def test_a_password_of_a_megabyte_is_refused_by_its_shape():
    assert refused(password="x" * 1_000_000) == [("/password", "too_long")]
    assert refused(password="") == [("/password", "too_short")]
    assert refused(password=None) == [("/password", "null")]


def test_a_password_with_nul_is_refused():
    """Storable text only: two programs would not agree where it ends."""
    assert refused(password="abc\x00def") == [("/password", "pattern")]


def test_a_password_is_never_written():
    assert Sample().dump({"password": CANARY}) == {}


def test_null_is_refused_where_it_was_not_allowed():
    assert refused(name=None, role=None, count=None, flag=None, line=None) == [
        ("/name", "null"),
        ("/line", "null"),
        ("/role", "null"),
        ("/count", "null"),
        ("/flag", "null"),
    ]
    assert Sample().load({"note": None}) == {"note": None}


def test_an_unknown_field_is_refused_and_not_repeated_when_it_is_strange():
    assert refused(is_admin=True) == [("/is_admin", "unknown_field")]
    assert refused(**{"<script>": 1}) == [("/?", "unknown_field")]


@each("body", [[], [{}], "text", 1, None, True])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(ValidationError) as error:
        Sample().load(body)
    assert [(fault.pointer, fault.code) for fault in faults_of(error.value)] == [("", "type")]


@each("field", ["name", "note", "line", "role", "count", "flag", "unknown"])
@each("value", [CANARY * 20, f"{CANARY}\x00", {CANARY: CANARY}, [CANARY]])
def test_no_message_repeats_what_was_sent(field, value):
    with pytest.raises(ValidationError) as error:
        Sample().load({field: value})
    assert CANARY not in str([(f.pointer, f.code, f.detail) for f in faults_of(error.value)])


def test_a_message_of_a_library_stays_inside():
    """Messages without a code are not ours and may carry what was sent."""

    class Foreign(StrictSchema):
        address = fields.IP()
        inner = fields.List(fields.Integer(error_messages={"invalid": f"not {CANARY}"}))

    with pytest.raises(ValidationError) as error:
        Foreign().load({"address": CANARY, "inner": ["x", 1, "y"]})
    found = faults_of(error.value)
    assert [(f.pointer, f.code, f.detail) for f in found] == [
        (pointer, "invalid", "This value is not valid.") for pointer in ("/address", "/inner/0", "/inner/2")
    ]


def test_a_moment_is_written_in_utc_with_a_z():
    moment = datetime(2026, 11, 21, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    assert Sample().dump({"made_at": moment}) == {"made_at": "2026-11-21T07:30:00.000Z"}
    assert Sample().dump({"made_at": None}) == {"made_at": None}
    assert Sample().dump({"made_at": datetime(2026, 1, 1, tzinfo=UTC)})["made_at"].endswith("Z")


def test_a_message_keeps_its_code_through_everything_marshmallow_does_with_it():
    message = Message("code", "A {sentence}.")
    assert copy.deepcopy(message) is message
    assert message.format(sentence=CANARY) is message
    assert message.code == "code"


class TestWriting:
    """The short way of writing gives what marshmallow gives."""

    class Plain(StrictSchema):
        id = fields.String(required=True)
        count = fields.Integer(attribute="number")
        seen_at = MomentField(data_key="at")
        secret = Password()

    class Special(StrictSchema):
        deep = fields.String(attribute="inner.name")
        fixed = fields.Constant("x")
        usual = fields.String(dump_default="y")

    class Hooked(StrictSchema):
        id = fields.String()

        @post_dump
        def _wrap(self, data, **_kwargs):
            return {"wrapped": data}

    @each("schema", [Plain, Special, Hooked])
    @each("kind", [dict, lambda it: SimpleNamespace(**it)], ids=["mapping", "object"])
    @each(
        "written",
        [
            {"id": "a", "number": 3, "seen_at": datetime(2026, 1, 2, tzinfo=UTC), "secret": "never", "inner": {"name": "n"}},
            {"id": None, "number": None, "seen_at": None},
            {},
        ],
    )
    def test_it_is_what_marshmallow_writes(self, schema, kind, written):
        assert schema().dump(kind(written)) == Schema.dump(schema(), kind(written))

    def test_many_are_written_one_by_one(self):
        listed = [{"id": "a"}, {"id": "b", "number": 1}]
        assert self.Plain(many=True).dump(listed) == self.Plain().dump(listed, many=True) == [{"id": "a"}, {"id": "b", "count": 1}]
