"""The real server, spoken to over sockets: what it lets through, what it refuses by itself, how it starts and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.cases import Cases
from support.live import ROOT
from support.processes import children_of, until
from support.sample_settings import as_environment

HOST = b"Host: localhost\r\nConnection: close\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
REFUSED = {
    "no request at all": (b"BLAH\r\n\r\n", 400),
    "no Host": (b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    "no Host in HTTP/1.0": (b"GET /livez HTTP/1.0\r\n\r\n", 400),
    "two Hosts": (b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n" + HOST + b"\r\n", 400),
    "a header that could pose as another": (b"GET /livez HTTP/1.1\r\n" + HOST + b"X_Forwarded_For: 10.0.0.1\r\n\r\n", 400),
    "a folded header": (b"GET /livez HTTP/1.1\r\n" + HOST + b"A: b\r\n  c\r\n\r\n", 400),
    "two lengths, for smuggling": (LOGIN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "an oversized header": (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "too many headers": (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 70 + b"\r\n", 431),
    "an oversized address": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
}


def parsed(answer: bytes):
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_what_the_server_refuses_by_itself_is_a_problem_document(live):
    with Cases() as case:
        for name, (sent, expected) in REFUSED.items():
            with case(name):
                status, headers, body = parsed(live.speak(sent))

                problem = json.loads(body)
                assert (status, problem["status"]) == (expected, expected)
                assert headers["content-type"] == "application/problem+json"
                assert headers["x-request-id"] == problem["request_id"]
                assert headers["cache-control"] == "no-store"
                assert problem.keys() == {"type", "title", "status", "detail", "instance", "code", "request_id"}


def test_the_log_explains_a_refusal_under_the_request_id_that_the_client_was_told(make_live):
    live = make_live("embedded", log_level="INFO")

    _, headers, body = parsed(live.speak(b"GET /livez HTTP/1.1\r\n" + HOST + b"Bad\x1b[31mName\r\n\r\n"))

    (line,) = [json.loads(line) for line in live.log().splitlines() if headers["x-request-id"] in line]
    assert line["event"] == "server.refused"
    assert "Bad" in line["reason"]
    assert b"Bad" not in body.replace(b"Bad Request", b"")
    assert "\x1b" not in live.log()


def test_no_answer_says_which_software_gave_it(live):
    with Cases() as case:
        for sent in [
            b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            LOGIN + b"Content-Length: 1\r\n\r\n{",
            LOGIN + b"Content-Length: 2000000\r\n\r\n",
            *(sent for sent, _ in REFUSED.values()),
        ]:
            with case(sent):
                answer = live.speak(sent).lower()

                assert answer.startswith(b"http/1.")
                assert b"\r\nserver:" not in answer
                assert not [name for name in (b"gunicorn", b"werkzeug", b"flask", b"python") if name in answer]


def test_a_stranger_with_a_foreign_host_is_refused(live):
    status, _, _ = parsed(live.speak(b"GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))

    assert status == 400


def test_a_body_over_the_limit_is_refused_however_it_is_sent(live):
    too_much = live.settings.max_body_bytes + 1
    chunk = b"%x\r\n%s\r\n" % (65536, b" " * 65536)

    announced, _, _ = parsed(live.speak(LOGIN + b"Content-Length: %d\r\n\r\n" % too_much))
    chunked, _, _ = parsed(live.speak(LOGIN + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * (too_much // 65536 + 1), b"0\r\n\r\n"))

    assert (announced, chunked) == (413, 413)


def test_chunks_that_are_none_are_the_clients_fault(live):
    with Cases() as case:
        for chunks in (b"ZZ\r\nabc\r\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n", b"-1\r\n\r\n"):
            with case(chunks):
                status, headers, _ = parsed(live.speak(LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + chunks))

                assert status in {400, 413}
                assert headers["content-type"] == "application/problem+json"


def test_a_client_that_goes_away_in_the_middle_of_a_body_leaves_no_accident_behind(make_live):
    live = make_live("embedded", log_level="INFO")

    for half in (b"Transfer-Encoding: chunked\r\n\r\n10\r\nabc", b"Content-Length: 100\r\n\r\n{"):
        with socket.create_connection(("127.0.0.1", live.port), timeout=30) as connection:
            connection.sendall(LOGIN + half)
    until(lambda: live.log().count('"path": "/api/v1/auth/login"') == 2)

    assert "crashed" not in live.log()
    assert '"status": 500' not in live.log()


def test_a_killed_worker_is_replaced_and_nobody_is_signed_out(make_live):
    live = make_live()
    person = live.house.register()
    assert live.get("/api/v1/users/me", person=person).status == 200
    until(lambda: len(children_of(live.server.pid)) == live.settings.web_concurrency)
    before = set(children_of(live.server.pid))

    for worker in before:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(set(children_of(live.server.pid)) - before) == len(before))

    assert live.get("/api/v1/users/me", person=person).status == 200


def test_workers_that_were_forked_from_one_process_never_answer_with_somebody_elses_account(live):
    people = [live.house.register() for _ in range(8)]
    assert all(person.headers for person in people)

    def read(person):
        answers = [live.get("/api/v1/users/me", person=person) for _ in range(15)]
        return {(answer.status, answer.json["id"]) for answer in answers}

    with ThreadPoolExecutor(len(people)) as pool:
        assert list(pool.map(read, people)) == [{(200, person.id)} for person in people]


def test_a_request_that_has_begun_is_answered_before_a_graceful_stop(make_live):
    live = make_live("embedded", log_level="DEBUG")
    person = live.house.register()
    body = json.dumps({"username": person.username, "password": person.password}).encode()

    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as connection:
        connection.sendall(LOGIN + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        live.server.send(signal.SIGTERM)
        until(lambda: "Handling signal: term" in live.log())
        connection.sendall(body)
        answer = connection.makefile("rb").read()

    assert parsed(answer)[0] == 200
    assert live.server.wait() == 0


def test_an_interrupted_server_takes_its_workers_with_it(make_live):
    live = make_live()
    until(lambda: len(children_of(live.server.pid)) == live.settings.web_concurrency)
    workers = children_of(live.server.pid)

    live.server.send(signal.SIGINT)

    assert live.server.wait() == 0
    assert [worker for worker in workers if is_alive(worker)] == []


@pytest.mark.parametrize("missing", ["PostgreSQL", "Redis"])
def test_several_workers_without_shared_stores_do_not_start(make_settings, missing):
    settings = make_settings(web_concurrency=2, database_url="sqlite:///nowhere.db")
    environment = as_environment(settings) | {"SECUREAPI_DOTENV": os.devnull, "PATH": os.environ["PATH"]}

    ended = subprocess.run([sys.executable, "-m", "gunicorn"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert f"WEB_CONCURRENCY: several workers need {missing}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert settings.secret_key not in ended.stderr + ended.stdout


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
