import io

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from secureapi.core.bodies import FORM, JSON, has_no_body, read_body, read_structured, refuse_oversized
from secureapi.core.errors import Invalid, Malformed, Refusal, TooLarge, UnsupportedMedia
from support.each import each

LIMIT = 100


@pytest.fixture(autouse=True)
def _within_the_application(bare_app):
    with bare_app.app_context():
        yield


class Trickle(io.BytesIO):
    """A connection that gives at most seven bytes a read."""

    def read(self, size=-1):
        return super().read(min(size, 7) if size >= 0 else 7)


def sent(body=b"", *, length="true", content_type=JSON, stream=io.BytesIO, **headers):
    """A request with this body. `length` is what Content-Length says, None for a chunked one."""
    environ = EnvironBuilder("/", method="POST").get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"wsgi.input": stream(body), "CONTENT_TYPE": content_type} | headers
    if length is None:
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    else:
        environ["CONTENT_LENGTH"] = str(len(body)) if length == "true" else length
    return Request(environ)


@each("stream", [io.BytesIO, Trickle])
@each("length", ["true", None])
@each("size", [0, 1, LIMIT - 1, LIMIT])
def test_a_body_up_to_the_limit_is_read_whole(size, length, stream):
    assert read_body(sent(b"x" * size, length=length, stream=stream)) == b"x" * size


@each("stream", [io.BytesIO, Trickle])
@each("size", [LIMIT + 1, LIMIT * 10])
def test_a_chunked_body_past_the_limit_is_refused_and_never_cut_and_parsed(size, stream):
    valid = b'{"a":1}'.ljust(LIMIT)
    with pytest.raises(TooLarge):
        read_structured(sent(valid + b"!" * (size - LIMIT), length=None, stream=stream), (JSON,))


def test_an_endless_chunked_body_is_read_one_byte_past_the_limit_and_no_further():
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            assert size > 0
            self.given += size
            return b"x" * size

    request = sent(length=None)
    request.environ["wsgi.input"] = endless = Endless()
    with pytest.raises(TooLarge):
        read_body(request)
    assert endless.given == LIMIT + 1


def test_an_announced_length_past_the_limit_is_refused_before_a_byte_is_read():
    request = sent(b"{}", length=str(LIMIT + 1))
    with pytest.raises(TooLarge):
        refuse_oversized(request)
    with pytest.raises(TooLarge):
        read_body(request)
    assert request.environ["wsgi.input"].tell() == 0


def test_a_client_who_hangs_up_half_way_sent_a_malformed_body():
    with pytest.raises(Malformed):
        read_body(sent(b'{"a":1}', length="50"))


def test_bytes_after_the_announced_length_belong_to_somebody_else():
    assert read_body(sent(b"{}GET / HTTP/1.1", length="2")) == b"{}"


@each("length", ["", "-5", "abc", "1e3", "٣"])
def test_a_length_that_is_no_number_reads_nothing(length):
    assert read_body(sent(b"{}", length=length)) == b""


@each(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/evil+json",
        "application/problem+json",
        "application/jsonp",
        "application/xml",
        "multipart/form-data; boundary=x",
        FORM,
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json, application/json",
        "application/json;charset=utf-7",
    ],
)
def test_anything_but_json_is_another_media_type(content_type):
    with pytest.raises(UnsupportedMedia):
        read_structured(sent(b"{}", content_type=content_type), (JSON,))


@each("content_type", [JSON, "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf-8"'])
def test_json_is_json_in_every_spelling_of_its_type(content_type):
    assert read_structured(sent(b'{"a":1}', content_type=content_type), (JSON,)) == {"a": 1}


@each("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
def test_a_bomb_in_a_compressed_body_is_not_unpacked(encoding):
    with pytest.raises(UnsupportedMedia):
        read_structured(sent(b"{}", HTTP_CONTENT_ENCODING=encoding), (JSON,))


def form(text):
    return read_structured(sent(text if isinstance(text, bytes) else text.encode(), content_type=FORM), (JSON, FORM))


def test_a_form_is_read_where_a_form_is_accepted():
    assert form("username=alice&password=a%20b%2Bc+d%26&empty=") == {"username": "alice", "password": "a b+c d&", "empty": ""}


@each("text", ["a=1&a=2", "a=1&%61=2", "a&b=1", "&", "a=1&&b=2", "a=%ff", "a=%ed%a0%80", b"a=\xc3\xa9", "=&="])
def test_a_form_that_two_programs_could_read_differently_is_malformed(text):
    with pytest.raises(Malformed):
        form(text)


def test_a_form_with_a_thousand_fields_is_malformed(bare_app):
    bare_app.config["MAX_BODY_BYTES"] = 10_000
    assert len(form("&".join(f"f{n}=" for n in range(50)))) == 50
    for count in (51, 1000):
        with pytest.raises(Malformed):
            form("&".join(f"f{n}=" for n in range(count)))


def test_nul_in_a_form_is_invalid_where_it_stands():
    with pytest.raises(Invalid) as refused:
        form("password=a%00b&x%00=1&fine=1")
    assert [fault.pointer for fault in refused.value.faults] == ["/password", "/?"]


def test_an_empty_form_has_no_fields():
    assert form("") == {}


@given(st.binary(max_size=LIMIT))
def test_a_fuzzer_of_forms_gets_text_or_a_refusal(body):
    try:
        fields = form(body)
    except Refusal:
        return
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in fields.items())


@each(
    ("request_of", "expected"),
    [
        (lambda: sent(length="0"), True),
        (lambda: sent(b"{}"), False),
        (lambda: sent(b"{}", length=None), False),
        (lambda: sent(b"", length=None), False),
        (lambda: Request(EnvironBuilder("/", method="POST").get_environ() | {"wsgi.input_terminated": True}), True),
    ],
    ids=["length of none", "a body", "chunks", "no chunks", "nothing announced"],
)
def test_a_body_that_was_announced_is_there_even_if_it_is_empty(request_of, expected):
    assert has_no_body(request_of()) is expected
