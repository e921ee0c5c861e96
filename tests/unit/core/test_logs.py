import json
import logging
import sys

import pytest
import structlog
from flask import Flask, g

from secureapi.core.logs import configure_logs, init_request_log
from support.each import each

CANARY = "canary-7f3a"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
REFRESH = "sar_" + "A" * 64
API_KEY = "sa_" + "b" * 40


@pytest.fixture
def logging_is_put_back():
    """What `configure_logs` changes belongs to the whole process."""
    root = logging.getLogger()
    handlers, level, configured = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)
    structlog.contextvars.clear_contextvars()


@pytest.fixture(params=["json", "console"])
def written(request, make_settings, capsys, logging_is_put_back):
    """`written(f)`: what is on standard output after f(log), in each format."""
    configure_logs(make_settings(log_format=request.param, log_level="INFO"))

    def write(act):
        capsys.readouterr()
        act(structlog.get_logger("tests"))
        return capsys.readouterr().out

    write.format = request.param
    return write


class _Thing:
    def __repr__(self):
        return f"<Thing of alice.wonder@example.com with {JWT}>"


@each("value", [ValueError(f"alice.wonder@example.com {JWT}"), f"alice.wonder@example.com {JWT}".encode(), _Thing()])
def test_whatever_is_written_through_its_repr_is_cleaned_as_text_is(written, value):
    line = written(lambda log: log.info("seen", value=value))
    assert "seen" in line
    assert "wonder" not in line
    assert JWT not in line


def _crash():
    raise ValueError(f"Key (email)=(alice.wonder@example.com) already exists; {JWT}; redis://:{CANARY}@host")


def test_the_message_in_a_traceback_is_cleaned(written):
    def act(log):
        try:
            _crash()
        except ValueError:
            log.exception("crashed")

    line = written(act)
    assert "ValueError" in line
    assert "_crash" in line
    for secret in ("wonder", JWT, CANARY):
        assert secret not in line


def test_the_traceback_of_a_library_is_cleaned(written):
    def act(_log):
        try:
            _crash()
        except ValueError:
            logging.getLogger("some.library").exception("failed for %s", "bob.builder@example.com")

    line = written(act)
    assert "ValueError" in line
    for secret in ("wonder", "builder", JWT, CANARY):
        assert secret not in line


def test_the_lines_of_libraries_are_cleaned(written):
    line = written(lambda _log: logging.getLogger("some.library").warning("hello %s %s", "bob.builder@example.com", JWT))
    assert "hello b" in line
    assert "builder" not in line
    assert JWT not in line


_FORGERIES = [
    "a\nb",
    "a\r\nb",
    "a\u2028b",
    "a\u0085b",
    "a\x0bb",
    "\x1b[2J",
    "\x9b2J",
    '"}\n{"event":"forged"',
    "\t",
    "\x00",
    "\ud800",
    "\u202e",
    "x" * 100_000,
]


@each("text", _FORGERIES)
def test_a_forger_of_lines_gets_one_line_without_control_characters(written, text):
    out = written(lambda log: log.info(text, value=text, values=[text], pairs={text: text}))
    assert len(out.splitlines()) == 1
    assert out.rstrip("\n").isprintable() or "\ufffd" in out
    assert not set(out[:-1]) & set("\n\r\x1b\x9b\u2028\u202e\x85\x00")
    assert len(out) < 12_000
    if written.format == "json":
        assert out.isascii()
        assert json.loads(out)["level"] == "info"


def test_a_line_below_the_level_is_not_written(written):
    assert written(lambda log: log.debug("quiet")) == ""
    assert written(lambda _log: logging.getLogger("some.library").debug("quiet")) == ""


def test_configuring_twice_does_not_write_twice(make_settings, capsys, logging_is_put_back):
    for _ in range(3):
        configure_logs(make_settings(log_format="json", log_level="INFO"))
    logging.getLogger("some.library").warning("once")
    assert capsys.readouterr().out.count("once") == 1


def test_a_line_goes_where_standard_output_is_now(make_settings, monkeypatch, capsys, logging_is_put_back):
    configure_logs(make_settings(log_format="json", log_level="INFO"))
    log = structlog.get_logger("tests")
    log.info("first")
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdout", sys.stderr)
    log.info("second")
    captured = capsys.readouterr()
    assert ("second" in captured.out, "second" in captured.err) == (False, True)


class TestOneLineARequest:
    @pytest.fixture
    def lines(self, make_settings, capsys, logging_is_put_back):
        """`lines(path, **request)`: the lines of one request."""
        chosen = make_settings(log_format="json", log_level="INFO", slow_request_ms=50)
        configure_logs(chosen)
        app = Flask("logged")
        init_request_log(app, chosen)

        @app.route("/<path:rest>", methods=["GET", "POST"])
        def view(rest):
            structlog.get_logger("tests").info("inside")
            if rest == "slow":
                g.began -= 0.051
            return "", 503 if rest == "broken" else 200

        def ask(path, **request):
            capsys.readouterr()
            answer = app.test_client().open(path, **request)
            found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            return answer, [line for line in found if line["event"] == "request"], found

        return ask

    def test_it_says_what_was_asked_and_how_long_it_took(self, lines):
        _, (line,), _ = lines("/users/me", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
        assert {name: line[name] for name in ("method", "path", "status", "address", "user_id", "level")} == {
            "method": "GET",
            "path": "/users/me",
            "status": 200,
            "address": "192.0.2.7",
            "user_id": None,
            "level": "info",
        }
        assert line["milliseconds"] >= 0
        assert line["timestamp"].endswith("Z")

    def test_every_line_of_a_request_carries_its_id(self, lines):
        answer, _, found = lines("/x", headers={"X-Request-ID": "request-0001"})
        assert [line["request_id"] for line in found] == ["request-0001"] * 2
        assert answer.headers["X-Request-ID"] == "request-0001"

    def test_a_slow_request_is_flagged(self, lines):
        _, (line,), _ = lines("/slow")
        assert (line["is_slow"], line["level"]) == (True, "warning")
        _, (line,), _ = lines("/quick")
        assert "is_slow" not in line

    def test_a_failure_is_a_warning(self, lines):
        _, (line,), _ = lines("/broken")
        assert (line["status"], line["level"]) == (503, "warning")

    def test_what_came_in_the_query_the_headers_or_the_body_is_not_written(self, lines):
        _, _, found = lines(
            f"/x?access_token={CANARY}",
            method="POST",
            json={"password": CANARY},
            headers={"Authorization": f"Bearer {CANARY}", "Cookie": f"refresh={CANARY}", "X-Thing": CANARY},
        )
        assert CANARY not in json.dumps(found)

    def test_a_forger_in_the_path_is_escaped_and_cut(self, lines):
        _, found, _ = lines("/%0a%7b%22event%22:%22request%22%7d%1b%5b2J" + "x" * 5000)
        (line,) = found
        assert len(line["path"]) == 200
        assert line["path"].startswith("/\ufffd{")

    def test_an_address_or_a_token_in_the_path_is_masked(self, lines):
        _, (line,), _ = lines(f"/reset/{REFRESH}/alice.wonder@example.com")
        assert REFRESH not in line["path"]
        assert "wonder" not in line["path"]

    def test_trace_context_is_handed_back_and_written(self, lines):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        answer, (line,), _ = lines("/x", headers={"traceparent": trace})
        assert answer.headers["traceparent"] == trace
        assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
