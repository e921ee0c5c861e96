"""Cutting files into records: whatever stands in them, every good row is found, and nothing is held that need not be."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secureapi.core.errors import Malformed
from secureapi.users.importing import json_pieces, records
from secureapi.users.importing.records import MOST_RECORD_BYTES, read_csv, read_json_list, read_ndjson
from support.each import each


def csv_rows(data, required=("email",), known=None):
    wanted = {"required": frozenset(required), "known": frozenset(known) if known else None}
    return list(read_csv(io.BytesIO(data if isinstance(data, bytes) else data.encode()), **wanted))


def codes(found):
    return [record.faults[0].code if record.faults else "" for record in found]


class TestCsv:
    def test_rows_are_numbered_and_know_their_lines(self):
        found = csv_rows('email,name\n\na@b.c,"two\nlines"\r\nd@e.f,x')

        assert [(record.number, record.line, record.fields["name"]) for record in found] == [(1, 3, "two\nlines"), (2, 5, "x")]

    def test_a_byte_order_mark_is_no_part_of_the_heading(self):
        assert csv_rows(b"\xef\xbb\xbfemail\na@b.c\n")[0].fields == {"email": "a@b.c"}

    @each(
        "heading",
        [
            b"",
            b"\n",
            b"mail,name\n",
            b"email,email\n",
            b"email,\n",
            b"email,name\x00\n",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\xff",
            b"\xff\xfee\x00m\x00a\x00i\x00l\x00",
            b"email;name\n",
            b'"email\n',
            ("email," + ",".join(f"c{n}" for n in range(300))).encode(),
        ],
    )
    def test_a_file_with_another_heading_is_refused_as_a_whole(self, heading):
        with pytest.raises(Malformed):
            csv_rows(heading + b"\na@b.c\n", known=["email", "name"])

    def test_columns_that_are_not_known_are_refused_by_their_number_not_by_their_name(self):
        with pytest.raises(Malformed) as refused:
            csv_rows("email,hunter2\n", known=["email"])
        assert "number 2" in refused.value.sentence
        assert "hunter2" not in refused.value.sentence

    @each(
        ("row", "code"),
        [
            (b"a@b.c", "ragged_row"),
            (b"a@b.c,x,y", "ragged_row"),
            (b"a@b.c,\xff", "malformed_row"),
            (b"a@b.c,\xed\xa0\x80", "malformed_row"),
            (b"a@b.c,\x00", "unstorable_text"),
            (b'a@b.c,"x"y', "malformed_row"),
            (b'a@b.c,"x', "malformed_row"),
            (b"a@b.c,\rx", "malformed_row"),
            (b"a@b.c," + b"x" * (records.MOST_FIELD_CHARACTERS + 1), "too_long"),
            (b"a@b.c," + b"x" * (3 * MOST_RECORD_BYTES), "too_long"),
            (b'a@b.c,"' + b"x" * (10 * 1024 * 1024), "too_long"),
        ],
    )
    def test_a_bad_row_takes_nobody_with_it(self, row, code):
        found = csv_rows(b"email,name\nfirst@b.c,1\n" + row + b"\nlast@b.c,2\nvery.last@b.c,3\n")

        assert codes(found) == ["", code, "", ""]
        assert [record.fields.get("email") for record in found] == ["first@b.c", None if code else "", "last@b.c", "very.last@b.c"]
        assert [record.number for record in found] == [1, 2, 3, 4]

    def test_an_open_quotation_mark_takes_only_its_own_line(self):
        rows = b"".join(b"p%d@b.c,x\n" % number for number in range(1000))
        found = csv_rows(b'email,name\nbad@b.c,"open\n' + rows)

        assert codes(found) == ["malformed_row"] + [""] * 1000

    def test_a_text_of_many_lines_is_one_record_and_two_forgotten_marks_are_not(self):
        lines = b"x\r\n" * 400

        assert codes(csv_rows(b'email,name\na@b.c,"' + lines + b'"\nlast@b.c,1\n')) == ["", ""]
        between = b"p@b.c,x\n" * 100
        found = csv_rows(b'email,name\nbad@b.c,"open\n' + between + b'bad@b.c,"open\n' + between)
        assert codes(found) == ["malformed_row", *[""] * 100, "malformed_row", *[""] * 100]

    def test_ten_thousand_open_quotation_marks_are_read_in_bounded_time(self):
        line = b'a@b.c,"' + b"x" * 5000 + b"\n"
        # Each pair of lines is one field by the rules of CSV; what counts is that none is looked at more than so many times.
        reads = []

        class Counting(io.BytesIO):
            def readline(self, size=-1):
                reads.append(size)
                return super().readline(size)

        found = list(read_csv(Counting(b"email,name\n" + line * 2001), required=frozenset({"email"})))

        assert len(reads) < 2010
        assert all(record.faults for record in found)


class TestNdjson:
    def test_a_bad_line_takes_nobody_with_it(self):
        bad = [
            b"{",
            b"[]",
            b"null",
            b'{"a": 1, "a": 2}',
            b'{"a": NaN}',
            b'{"a": "\xff"}',
            b'{"a": "\\ud800"}',
            b'{"a": "\\u0000"}',
            b"[" * 100_000,
            b'{"a": "' + b"x" * (2 * MOST_RECORD_BYTES) + b'"}',
            b'{"a": 1e999}',
        ]
        good = b'{"email": "a@b.c"}'
        found = list(read_ndjson(io.BytesIO(b"".join(line + b"\n\n" + good + b"\r\n" for line in bad))))

        assert [bool(record.faults) for record in found] == [True, False] * len(bad)
        assert found[1].fields == {"email": "a@b.c"}

    def test_faults_speak_of_rows_and_repeat_nothing(self):
        (found,) = read_ndjson(io.BytesIO(b'{"hunter2": hunter2}'))

        assert found.faults[0].detail == "The row is not valid JSON."


class TestJsonList:
    @each("chunk", [1, 2, 3, 7, 64 * 1024])
    @each(
        "document",
        [
            '{"users":[{"n":1},{"n":2}]}',
            '[{"n":1},{"n":2}]',
            '\ufeff {"a":{"users":[{"no":1}]},"b":"\\"users\\":[{}]","c":["users",[{}]],"users" :\n[ {"n":1} , {"n":2} ], "d":[{}]}',
        ],
    )
    def test_the_objects_of_the_list_are_found_however_they_are_read(self, document, chunk, monkeypatch):
        monkeypatch.setattr(json_pieces, "_CHUNK", chunk)

        assert [record.fields for record in read_json_list(io.BytesIO(document.encode()))] == [{"n": 1}, {"n": 2}]

    @each("document", ["", "null", '{"users":{}}', '{"users":"[{}]"}', '{"a":{"users":[{}]}}', "email,name\n", '"'])
    def test_a_document_without_the_list_is_refused(self, document):
        with pytest.raises(Malformed):
            list(read_json_list(io.BytesIO(document.encode())))

    @each(
        "bad",
        [
            '{"n":1,}',
            '{"n":tru}',
            '{"n":1,"n":2}',
            '{"n":"' + "x" * (2 * MOST_RECORD_BYTES) + '"}',
            '{"n":' + "{" * 50 + "}" * 50 + "}",
            '"text"',
            '{"n":"\\u0000"}',
        ],
    )
    def test_a_bad_object_takes_nobody_with_it(self, bad):
        found = list(read_json_list(io.BytesIO(f'{{"users":[{{"n":1}},{bad},{{"n":2}}]}}'.encode())))

        assert [record.fields.get("n") for record in found] == [1, None, 2]
        assert [bool(record.faults) for record in found] == [False, True, False]

    def test_a_document_that_ends_in_the_middle_gives_what_was_whole(self):
        found = list(read_json_list(io.BytesIO(b'{"users":[{"n":1},{"n":2')))

        assert [record.fields.get("n") for record in found] == [1, None]
        assert found[1].faults

    @settings(max_examples=30)
    @given(
        st.lists(
            st.dictionaries(st.text(max_size=3), st.text(max_size=6) | st.lists(st.text(max_size=3), max_size=2), max_size=3), max_size=4
        )
    )
    def test_whatever_people_are_made_of_they_are_found_again(self, people):
        storable = [person for person in people if "\x00" not in repr(person) and "\\x00" not in repr(person)]
        document = json.dumps({"realm": "}{][", "users": storable}, indent=1, ensure_ascii=False)

        found = list(read_json_list(io.BytesIO(document.encode("utf-8", "replace"))))

        assert [record.fields for record in found if not record.faults] == [
            person for person, record in zip(storable, found, strict=True) if not record.faults
        ]
        assert len(found) == len(storable)


LONG = b"somebody " * 40


@each(
    ("read", "begin", "row", "end"),
    [
        (lambda file: read_csv(file, required=frozenset({"email"})), b"email,name\n", b"a@example.com,%s\n" % LONG, b""),
        (read_ndjson, b"", b'{"email": "a@example.com", "name": "%s"}\n' % LONG, b""),
        (read_json_list, b'{"users":[', b'{"email": "a@example.com", "name": "%s"},' % LONG, b"{}]}"),
    ],
)
def test_no_file_is_ever_held_as_a_whole(read, begin, row, end):
    file = io.BytesIO(begin + row * 2_500 + end)
    size = len(file.getvalue())
    tracemalloc.start()
    try:
        count = sum(1 for _ in read(file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count >= 2_500
    assert peak < size / 4
