"""What may be in a body: exactly one JSON text that every program reads alike, of the announced type, and not too long."""

import gzip
import io
import json

from journeys.answers import assert_problem, faults
from support.cases import Cases

LOGIN = "/api/v1/auth/login"
GOOD = b'{"username": "nobody-here", "password": "x"}'
JSON = "application/json"

MINEFIELD = {
    "nothing": b"",
    "blank": b"   ",
    "not a number": b'{"username": NaN, "password": "x"}',
    "infinity": b'{"username": "a", "password": Infinity}',
    "minus infinity": b"[-Infinity]",
    "beyond a double": b'{"username": 1e400, "password": "x"}',
    "beyond a double, negative": b'{"username": -1e400, "password": "x"}',
    "the same field twice": b'{"username": "a", "username": "b", "password": "x"}',
    "the same field twice, spelled otherwise": b'{"username": "a", "\\u0075sername": "b", "password": "x"}',
    "the same field twice, deep down": b'{"username": [{"x": [{"y": 1, "y": 2}]}], "password": "x"}',
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin-1": '{"username": "ü", "password": "x"}'.encode("latin-1"),
    "overlong UTF-8": b'{"username": "\xc0\xaf", "password": "x"}',
    "surrogates in UTF-8": b'{"username": "\xed\xa0\x80", "password": "x"}',
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand brackets, closed": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deeper than we read": b'{"username": ' + b"[" * 20 + b"]" * 20 + b', "password": "x"}',
    "five thousand digits": b'{"username": ' + b"9" * 5000 + b', "password": "x"}',
    "beyond 2^53": b'{"username": 9007199254740993, "password": "x"}',
    "a fraction of five thousand digits": b'{"username": 0.' + b"9" * 5000 + b', "password": "x"}',
    "trailing comma": b'{"username": "a", "password": "x",}',
    "comment": b'{"username": "a", /* b */ "password": "x"}',
    "comment at the end": GOOD + b" // x",
    "single quotes": b"{'username': 'a', 'password': 'x'}",
    "bare names": b'{username: "a", password: "x"}',
    "two texts": GOOD + GOOD,
    "rubbish behind": GOOD + b"x",
    "nul behind": GOOD + b"\x00",
    "unclosed": GOOD[:-1],
    "raw line break in text": b'{"username": "a\nb", "password": "x"}',
    "hexadecimal": b'{"username": 0x1F, "password": "x"}',
    "leading zero": b'{"username": 012, "password": "x"}',
    "True of Python": b'{"username": True, "password": "x"}',
    "half an escape": b'{"username": "\\u12", "password": "x"}',
    "vertical tab as space": b'{\x0b"username": "a", "password": "x"}',
    "no-break space as space": '{\u00a0"username": "a", "password": "x"}'.encode(),
}


def post(house, data, content_type=JSON, path=LOGIN, **options):
    return house.client().post(path, data=data, content_type=content_type, **options)


def test_a_text_that_two_programs_could_read_differently_is_400(house):
    with Cases() as case:
        for name, body in MINEFIELD.items():
            with case(name):
                assert_problem(post(house, body), 400, "malformed_body")


UNSTORABLE = {
    "nul": b'{"username": "a\\u0000b", "password": "x"}',
    "lone high surrogate": b'{"username": "\\ud800", "password": "x"}',
    "lone low surrogate": b'{"username": "\\udfff", "password": "x"}',
    "surrogates the wrong way round": b'{"username": "\\udc00\\ud800", "password": "x"}',
    "nul in a name": b'{"username": "a", "password": "x", "\\u0000": 1}',
    "surrogate in a name": b'{"username": "a", "password": "x", "\\ud800": 1}',
    "nul deep down": b'{"username": [{"a": "\\u0000"}], "password": "x"}',
}


def test_text_that_nobody_could_store_is_422_and_named(house):
    with Cases() as case:
        for name, body in UNSTORABLE.items():
            for path in (LOGIN, "/api/v1/auth/register", "/api/v1/auth/refresh"):
                with case(name, path):
                    answer = post(house, body, path=path)

                    assert_problem(answer, 422, "invalid_input")
                    assert "unstorable_text" in faults(answer).values()


def test_json_that_is_no_object_is_422(house):
    with Cases() as case:
        for text in (b"[]", b"null", b"1", b'"x"', b"true", b'[{"username": "a", "password": "x"}]'):
            with case(text):
                assert_problem(post(house, text), 422, "invalid_input")


def test_paired_surrogates_and_every_escape_are_plain_text(house):
    assert_problem(post(house, b'{"username": "\\ud83d\\ude00\\/\\t\\u00e9", "password": "x"}'), 401, "invalid_credentials")


TYPES = {
    "text": "text/plain",
    "nothing": None,
    "empty": "",
    "one that ends in json": "application/evil+json",
    "problem": "application/problem+json",
    "xml": "application/xml",
    "javascript": "text/javascript",
    "two": "application/json, text/plain",
    "almost": "application/jsonx",
    "UTF-16": "application/json; charset=utf-16",
    "Latin-1": "application/json; charset=latin-1",
    "UTF-7": 'application/json; charset="utf-7"',
    "multipart": "multipart/form-data; boundary=x",
    "rubbish": "\u00e9/\u00e9",
}


def test_another_content_type_is_415_whatever_the_body_looks_like(house):
    with Cases() as case:
        for name, content_type in TYPES.items():
            with case(name):
                assert_problem(post(house, GOOD, content_type), 415, "unsupported_media_type")


def test_json_by_its_right_names_is_read(house):
    with Cases() as case:
        for content_type in (JSON, "application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"', "application/json;x=y"):
            with case(content_type):
                assert_problem(post(house, GOOD, content_type), 401, "invalid_credentials")


def test_a_form_is_only_read_where_forms_are_meant(house):
    with Cases() as case:
        for path in ("/api/v1/auth/register", "/api/v1/auth/refresh"):
            with case(path):
                answer = post(house, "refresh_token=x", "application/x-www-form-urlencoded", path)

                assert_problem(answer, 415)


def test_a_compressed_body_is_not_unpacked(house):
    with Cases() as case:
        for encoding in ("gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip"):
            with case(encoding):
                assert_problem(post(house, gzip.compress(GOOD), headers={"Content-Encoding": encoding}), 415)


FORMS = {
    "the same field twice": "username=a&username=b&password=x",
    "no equals sign": "username",
    "sixty fields": "&".join(f"f{number}=x" for number in range(60)),
    "not ASCII": "username=ü&password=x".encode("latin-1"),
    "percent of something else": "username=%ff%fe&password=x",
}


def test_a_form_that_two_programs_could_read_differently_is_400(house):
    with Cases() as case:
        for name, form in FORMS.items():
            with case(name):
                assert_problem(post(house, form, "application/x-www-form-urlencoded"), 400, "malformed_body")


def test_a_form_is_as_strict_as_json(house):
    with Cases() as case:
        for form, pointer in (("username=a%00b&password=x", "/username"), ("a%00b=1", "/?"), ("role=admin&username=a&password=x", "/role")):
            with case(form, pointer):
                answer = post(house, form, "application/x-www-form-urlencoded")

                assert_problem(answer, 422)
                assert pointer in faults(answer)


def chunked(house, body, path=LOGIN):
    """A body without a length, as a server hands on chunks."""
    return house.client().post(path, input_stream=io.BytesIO(body), content_type=JSON, environ_overrides={"wsgi.input_terminated": True})


def test_chunks_are_read_up_to_the_limit_and_refused_beyond_it_not_cut(house):
    limit = house.settings.max_body_bytes
    exactly = GOOD + b" " * (limit - len(GOOD))

    assert_problem(chunked(house, exactly), 401, "invalid_credentials")
    assert_problem(chunked(house, exactly + b" "), 413, "body_too_large")
    assert_problem(chunked(house, exactly + b"rubbish" * 20_000), 413, "body_too_large")


def test_a_body_of_announced_length_is_read_up_to_the_limit(house):
    limit = house.settings.max_body_bytes

    assert_problem(post(house, GOOD + b" " * (limit - len(GOOD))), 401, "invalid_credentials")
    assert_problem(post(house, GOOD + b" " * (limit - len(GOOD) + 1)), 413, "body_too_large")


def test_a_length_that_is_none_is_the_clients_fault(house):
    with Cases() as case:
        for length in ("-1", "+5", "5_0", "0x10", "1e3", "abc", "99999999999999999999999", "٣"):
            with case(length):
                answer = house.client().post(LOGIN, data=GOOD, content_type=JSON, environ_overrides={"CONTENT_LENGTH": length})

                assert answer.status_code in {400, 413}
                assert_problem(answer, answer.status_code)


BODIES = {
    "/api/v1/auth/register": {"username": "type-confused", "email": "tc@example.com", "password": "Tall-Trees-42!", "full_name": "x"},
    "/api/v1/auth/login": {"username": "type-confused", "password": "x"},
    "/api/v1/auth/refresh": {"refresh_token": "sar_x"},
    "/api/v1/auth/change-password": {"current_password": "x", "new_password": "y"},
    "/api/v1/users/me": {
        "username": "type-confused",
        "email": "tc@example.com",
        "full_name": "x",
        "bio": "x",
        "website": "https://x.example",
    },
}
CONFUSIONS = [True, False, 1, 0, -1.5, ["x"], [], {}, {"$ne": None}, {"$gt": ""}, [["x"]], {"x": {"y": "z"}}]
NULLABLE = {"full_name", "bio", "website"}


def test_a_confuser_of_types_is_told_which_field_and_nothing_happens(house):
    client = house.client()

    with Cases() as case:
        for path, field in [(path, field) for path, body in BODIES.items() for field in body]:
            # One each: how often somebody may change his profile is limited.
            headers = house.register().headers
            for value in [*CONFUSIONS, *([] if field in NULLABLE else [None])]:
                with case(path, field, json.dumps(value)):
                    method = "PATCH" if path.endswith("me") else "POST"
                    answer = client.open(path, method=method, headers=headers, json=BODIES[path] | {field: value})
                    assert_problem(answer, 422, "invalid_input")
                    assert list(faults(answer)) == [f"/{field}"]


def test_an_unknown_field_is_refused_and_its_name_is_not_given_back_as_it_is(house):
    with Cases() as case:
        for key in ("__proto__", "constructor", "$where", "a.b", "a/b~c", "", " ", "\u202e", "<script>", "x" * 500):
            with case(key):
                answer = post(house, json.dumps({"username": "a", "password": "x", key: 1}))

                assert_problem(answer, 422)
                assert list(faults(answer).values()) == ["unknown_field"]
                if not key.isidentifier() and len(key.strip()) > 1 and key != "a.b":
                    assert key not in answer.text


def test_a_thousand_faults_do_not_make_a_thousand_lines(house):
    answer = post(house, json.dumps({f"field{number}": 1 for number in range(1000)}))

    assert_problem(answer, 422)
    assert len(answer.json["errors"]) <= 50


def test_nul_and_broken_text_in_a_path_lead_nowhere(house):
    person = house.person()

    with Cases() as case:
        for path in ("/api/v1/users/%00", "/api/v1/users/a%00b", "/%00", "/docs/assets/%00", "/%ff%fe", "/api/v1/users/%ed%a0%80"):
            with case(path):
                assert_problem(house.client().get(path, headers=person.headers), 404)


def test_nul_and_broken_text_in_a_query_is_422(house):
    administrator = house.administrator()

    with Cases() as case:
        for query in ("q=%00", "q=%ff%fe", "q=%ed%a0%80", "%00=1", "q=a%00b&page=1"):
            with case(query):
                answer = house.client().get(f"/api/v1/users?{query}", headers=administrator.headers)

                assert_problem(answer, 422)


def test_no_user_agent_can_keep_an_event_from_being_written(house):
    with Cases() as case:
        for agent in ("a\x00b", "\ud800", "ÿþ", "\r\n", "x" * 8000, "\x7f\x80"):
            with case(agent):
                person = house.register()
                raw = agent.encode("utf-8", "surrogatepass").decode("latin-1")

                answer = house.client().post(
                    LOGIN, json={"username": person.username, "password": "x"}, environ_overrides={"HTTP_USER_AGENT": raw}
                )

                assert_problem(answer, 401)
                (event,) = house.events("auth.login.refused", subject=person)
                assert event.user_agent.isprintable()
                assert len(event.user_agent) <= 256
