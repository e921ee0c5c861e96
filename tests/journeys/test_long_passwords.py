"""Passwords far too long, many at once: refused before anybody counts, hashes or remembers them, while others are served."""

from functools import partial

import pytest

from support.races import together

LOGIN, REGISTER, CHANGE = (f"/api/v1/auth/{name}" for name in ("login", "register", "change-password"))
LENGTHS = {"one more than allowed": 129, "a megabyte": 1_000_000}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS.keys())
def test_fifty_connections_with_such_passwords_cost_nobody_anything(live, length):
    person = live.house.register()
    assert person.tokens
    long = "Aa1!" * (length // 4 + 1)
    throttles, events = len(live.house.execute("SELECT key FROM throttles")), len(live.house.events())
    questions = (
        partial(live.post, LOGIN, json={"username": person.username, "password": long}),
        partial(live.post, REGISTER, json={"username": "somebody-9", "email": "s9@example.com", "password": long}),
        partial(live.post, CHANGE, json={"current_password": person.password, "new_password": long}, person=person),
    )

    answers = together([questions[number % 3] for number in range(50)] + [partial(live.get, "/readyz")] * 10)

    assert {answer.status for answer in answers[50:]} == {200}
    for answer in answers[:50]:
        assert answer.status == 422, answer.text
        assert {fault["pointer"] for fault in answer.json["errors"]} <= {"/password", "/new_password"}
        assert "Aa1!" not in answer.text
    # Neither an attempt nor an event: nobody has looked at any of them.
    assert len(live.house.execute("SELECT key FROM throttles")) == throttles
    assert len(live.house.events()) == events


def test_a_body_beyond_the_limit_is_not_even_read_as_json(live):
    ten_megabytes = b'{"username": "a", "password": "' + b"a" * 10_000_000 + b'"}'
    posts = [partial(live.speak, _head(len(ten_megabytes)), ten_megabytes[:65536])] * 5

    for answer in together(posts):
        assert answer.startswith(b"HTTP/1.1 413 ")


def _head(length: int) -> bytes:
    lines = (
        f"POST {LOGIN} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
