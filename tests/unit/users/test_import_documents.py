"""Documents of other systems with everything that they keep of a person, and files that are no documents."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secureapi.core.errors import Malformed
from secureapi.users.importing.json_pieces import JsonPieces
from secureapi.users.importing.records import MOST_RECORD_BYTES, read_json_list
from support.each import each

PEOPLE = [{"n": number} for number in range(30)]


class InPieces(io.BytesIO):
    """A file that gives no more than so many bytes at a time."""

    def __init__(self, data, most):
        super().__init__(data)
        self.most = most

    def read(self, size=-1):
        return super().read(min(size, self.most))


def read(document):
    return list(read_json_list(io.BytesIO(document if isinstance(document, bytes) else document.encode())))


@each(("size", "chunk"), [(500, 777), (5_000, 777), (3 * MOST_RECORD_BYTES, 64 * 1024)])
@each("sign", ["A", '"', "}", "\\"])
def test_a_picture_of_somebody_makes_nobody_behind_him_disappear(sign, size, chunk):
    people = [*PEOPLE[:3], {"n": 3, "attributes": {"photo": [sign * size]}}, *PEOPLE[4:]]
    document = json.dumps({"x" * size: [sign * size], "users": people}).encode()

    found = list(read_json_list(InPieces(document, chunk)))

    is_long = size >= MOST_RECORD_BYTES
    assert [record.number for record in found if record.faults] == ([4] if is_long else [])
    assert [record.fields["n"] for record in found if not record.faults] == [n for n in range(30) if n != 3 or not is_long]


def test_a_text_of_nothing_but_escapes_is_read_once():
    """It took minutes, and each further megabyte more of them."""
    long, last = read('{"users":[{"a":"' + '\\"' * 1_000_000 + '"},{"n":1}]}')

    assert [fault.code for fault in long.faults] == ["too_long"]
    assert last.fields == {"n": 1}


@each("bracket", ["[", "{", '{"a":', '{"a":['])
def test_brackets_that_nobody_closes_are_read_once(bracket):
    (found,) = read('{"users":[' + bracket * 20_000)

    assert [fault.code for fault in found.faults] == ["cut_off"]
    assert len(found.content) <= MOST_RECORD_BYTES


@each(
    "document",
    [
        b"\x1f\x8b\x08[{}]",
        b"x" + json.dumps(PEOPLE).encode(),
        b'"users":[{}]',
        b'{"users":{"users":[{}]}}',
        b'{"users" [{}]}',
        b"   ",
        b'{"a":[1,2',
        b'{"a":"[{}]',
        json.dumps(PEOPLE).encode("utf-16"),
    ],
)
def test_what_begins_with_something_else_is_no_document(document):
    with pytest.raises(Malformed):
        read(document)


@each("end", ["", ",", " ", "\n,\n"])
def test_a_document_that_was_cut_off_between_two_people_says_so(end):
    found = read('{"users":[{"n":1},{"n":2}' + end)

    assert [record.fields.get("n") for record in found] == [1, 2, None]
    assert [fault.code for fault in found[2].faults] == ["cut_off"]


@each("end", ['{"n":3', '{"n":"3', '"n', '{"n":"\\', "{", "[", '{"n":{}'])
def test_one_that_was_cut_off_in_the_middle_of_somebody_says_so_too(end):
    found = read('{"users":[{"n":1},{"n":2},' + end)

    assert [record.fields.get("n") for record in found] == [1, 2, None]
    assert [fault.code for fault in found[2].faults] == ["cut_off"]


@each("stranger", ["[1]", '[{"n":7},["]"]]', "5", "null", '"x"', "}", ":"])
def test_what_is_nobody_is_a_refused_row_and_ends_nothing(stranger):
    found = read(f'{{"users":[{{"n":1}},{stranger},{{"n":2}}],"more":[{{"n":3}}]}}')

    assert [record.fields.get("n") for record in found] == [1, None, 2]
    assert found[1].faults


def test_white_space_of_any_length_may_stand_before_a_document():
    assert [record.fields for record in read(" \n" * 100_000 + '[{"n":1}]')] == [{"n": 1}]


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text('ab"\\{}[],: \n', max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\{u', max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANYTHING, max_size=4), ANYTHING, st.integers(1, 40), st.sampled_from([None, 1]))
def test_elements_are_what_the_decoder_finds_however_they_come(elements, before, most, indent):
    document = json.dumps({"before": before, "users": elements, "after": [before]}, indent=indent).encode()

    pieces = list(JsonPieces(InPieces(document, most), most_bytes=10_000).list_called("users"))

    assert [json.loads(piece.content) for piece in pieces] == elements
    assert not any(piece.is_cut_off or piece.is_too_long for piece in pieces)


def test_what_is_held_of_a_record_is_bounded():
    pieces = JsonPieces(InPieces(b'[{"a":"' + b"x" * 5_000 + b'"},7]', 100), most_bytes=1_000)
    long, last = pieces.list_called("users")

    assert (len(long.content), long.is_too_long, last.content) == (1_000, True, b"7")
