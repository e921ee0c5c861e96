"""RedisStore against a server of our own on a socket: it answers as Redis does, or falls silent, or hangs up, when a test says so."""

import os
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from secureapi.core.redis import REST_SECONDS, RedisAway, RedisStore, Script, connection_options

ASK = Script("return ARGV[1]")
HANG_UP = b""
SILENCE = None
RUN = "5ec07e" * 6 + "5ec0"
_WELCOME = b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"


def told(run, *, before="redis_mode:standalone", behind="tcp_port:0"):
    """What a server of this run says about itself."""
    text = f"# Server\r\n{before}\r\nrun_id:{run}\r\n{behind}\r\n"
    return f"${len(text)}\r\n{text}\r\n".encode()


class TinyRedis:
    """Speaks enough RESP 3 for scripts. `answer(words)` gives the bytes to send back; `HANG_UP` and `SILENCE` do what they say."""

    def __init__(self):
        self.scripts_known = set()
        self.commands = []
        self.connections = 0
        self.infos = 0
        self.behaviour = None
        self.info = told(RUN)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as lines:
                while first := lines.readline():
                    words = []
                    for _ in range(int(first[1:])):
                        length = int(lines.readline()[1:])
                        words.append(lines.read(length + 2)[:-2].decode())
                    answer = self._answer(words)
                    if answer == HANG_UP:
                        return
                    if answer is not SILENCE:
                        connection.sendall(answer)
        except OSError:
            return

    def _answer(self, words):
        if words[0] == "INFO":
            self.infos += 1
            return self.info
        if words[0] not in {"EVALSHA", "EVAL", "PING"}:
            return _WELCOME if words[0] == "HELLO" else b"+OK\r\n"
        self.commands.append(words)
        if self.behaviour:
            return self.behaviour(words)
        if words[0] == "PING":
            return b"+PONG\r\n"
        if words[0] == "EVALSHA" and words[1] not in self.scripts_known:
            return b"-NOSCRIPT No matching script. Please use EVAL.\r\n"
        if words[0] == "EVAL":
            self.scripts_known.add(Script(words[1]).digest)
        return f"${len(words[-1])}\r\n{words[-1]}\r\n".encode()

    def hang_up_on_everybody(self):
        for connection in self._open:
            connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def server():
    tiny = TinyRedis()
    yield tiny
    tiny.close()


@pytest.fixture
def store(server, make_settings):
    return store_on(make_settings, server.port)


def store_on(make_settings, port, **options):
    return RedisStore(make_settings(redis_url=f"redis://127.0.0.1:{port}/0", redis_timeout_seconds=options.get("patience", 5.0)))


def ask(store, word, **options):
    return store.run(ASK, ("key",), (word,), **options)


@pytest.fixture
def resting(monkeypatch):
    """`later(seconds)` moves the clock that the store rests by."""
    moved = SimpleNamespace(by=0.0)
    real = time.monotonic
    monkeypatch.setattr("secureapi.core.redis.time", SimpleNamespace(monotonic=lambda: real() + moved.by))
    return moved


def test_a_script_is_sent_whole_once_and_known_by_its_digest_after_that(store, server):
    assert [ask(store, word) for word in ("one", "two", "three")] == [b"one", b"two", b"three"]
    assert [command[0] for command in server.commands] == ["EVALSHA", "EVAL", "EVALSHA", "EVALSHA"]
    assert server.commands[0][1:] == [ASK.digest, "1", "key", "one"]
    assert server.commands[1][1:] == [ASK.source, "1", "key", "one"]


def test_a_thread_keeps_its_connection_and_shares_it_with_nobody(store, server):
    answers = {}

    def worker(name):
        answers[name] = [ask(store, f"{name}-{n}") for n in range(20)]

    threads = [threading.Thread(target=worker, args=(f"thread{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {f"thread{t}": [f"thread{t}-{n}".encode() for n in range(20)] for t in range(5)}
    assert server.connections == 5


def test_a_connection_that_the_server_closed_is_replaced_without_anybody_noticing(store, server):
    ask(store, "before")
    server.hang_up_on_everybody()
    assert ask(store, "after") == b"after"
    assert server.connections == 2


def test_a_child_process_does_not_use_the_connection_of_its_parent(store, server, monkeypatch):
    ask(store, "parent")
    monkeypatch.setattr("secureapi.core.redis.os", SimpleNamespace(getpid=lambda: os.getpid() + 1))
    assert ask(store, "child") == b"child"
    assert server.connections == 2


def test_nobody_listening_is_away(make_settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(RedisAway):
        ask(store_on(make_settings, port), "hello")


@pytest.mark.parametrize(
    "error",
    [
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed",
        "NOAUTH Authentication required.",
        "LOADING Redis is loading",
        "ERR Error running script",
        "MISCONF disk",
    ],
)
def test_a_redis_that_refuses_is_away(store, server, error):
    server.behaviour = lambda words: f"-{error}\r\n".encode()
    with pytest.raises(RedisAway):
        ask(store, "hello")


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\r\n", b"$-5\r\n", b"*x\r\n"])
def test_something_else_on_that_port_is_away(store, server, noise):
    server.behaviour = lambda words: noise
    with pytest.raises(RedisAway):
        ask(store, "hello")


def test_a_redis_that_hangs_up_on_everything_is_tried_once_more_and_then_away(store, server):
    ask(store, "warm")
    server.behaviour = lambda words: HANG_UP
    server.commands.clear()
    with pytest.raises(RedisAway):
        ask(store, "hello")
    assert len(server.commands) <= 2


def test_while_redis_rests_nobody_asks_it(store, server, resting):
    server.behaviour = lambda words: b"-LOADING\r\n"
    with pytest.raises(RedisAway):
        ask(store, "first")
    server.behaviour = None
    asked, connected = len(server.commands), server.connections
    for _ in range(100):
        with pytest.raises(RedisAway):
            ask(store, "meanwhile")
    assert (len(server.commands), server.connections) == (asked, connected)
    resting.by = REST_SECONDS
    assert ask(store, "later") == b"later"


def test_a_revocation_is_tried_although_redis_rests(store, server):
    server.behaviour = lambda words: b"-LOADING\r\n"
    with pytest.raises(RedisAway):
        ask(store, "first")
    server.behaviour = None
    assert ask(store, "revocation", insist=True) == b"revocation"


def test_a_silent_redis_costs_one_time_out_and_its_late_answer_goes_to_nobody(make_settings, server):
    """The next question on that thread must never be answered with what an earlier one had asked: it may be about somebody else."""
    store = store_on(make_settings, server.port, patience=0.05)
    ask(store, "warm")
    server.behaviour = lambda words: SILENCE
    server.commands.clear()
    with pytest.raises(RedisAway):
        ask(store, "mallory")
    assert len(server.commands) == 1
    server.behaviour = None
    assert ask(store, "alice", insist=True) == b"alice"


def test_an_exchange_that_is_broken_off_leaves_no_answer_to_the_next(store, server, monkeypatch):
    """An interruption between question and answer (a signal, a worker that is stopped) must not shift the answers by one."""
    ask(store, "warm")
    kept = store._mine.connection

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kept, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(store, "mallory")
    assert ask(store, "alice") == b"alice"


def test_a_probe_asks_although_redis_rests(store, server):
    server.behaviour = lambda words: b"-LOADING\r\n"
    with pytest.raises(RedisAway):
        ask(store, "first")
    with pytest.raises(RedisAway):
        store.ping()
    server.behaviour = None
    store.ping()


def test_no_connection_retries_by_itself_and_the_private_authority_is_used(make_settings):
    options = connection_options(make_settings(redis_ca_file="ca.pem", redis_timeout_seconds=0.5))
    assert (options["socket_timeout"], options["socket_connect_timeout"], options["ssl_ca_certs"]) == (0.5, 0.5, "ca.pem")
    assert options["retry"]._retries == 0
    assert "ssl_ca_certs" not in connection_options(make_settings())


def warnings_of(logs):
    return [(line["event"], line["reason"]) for line in logs if line["event"] == "redis.unidentified"]


def test_before_the_first_answer_nobody_knows_which_server_there_is(store):
    assert store.server == ""


def test_a_server_tells_once_a_connection_which_run_it_is(store, server):
    with capture_logs() as logs:
        for word in ("one", "two", "three"):
            ask(store, word)
            assert store.server == RUN

    assert server.infos == 1
    assert warnings_of(logs) == []


@pytest.mark.parametrize(
    "answer",
    [
        told("x", before="# run_id:0000", behind="my_run_id:1111"),
        told("5EC0"),
        b"$0\r\n\r\n",
        b"$15\r\nredis_version:7\r\n",
        b"=19\r\ntxt:redis_version:7\r\n",
    ],
    ids=["no number", "upper case", "empty", "without", "verbatim"],
)
def test_a_server_that_does_not_say_which_run_it_is_serves_and_is_nobody(store, server, answer):
    server.info = answer
    with capture_logs() as logs:
        assert ask(store, "hello") == b"hello"

    assert store.server == ""
    assert warnings_of(logs) == [("redis.unidentified", "no run_id")]


def test_a_server_that_says_it_verbatim_is_known_all_the_same(store, server):
    text = f"txt:redis_mode:standalone\r\nrun_id:{RUN}\r\n"
    server.info = f"={len(text)}\r\n{text}\r\n".encode()

    assert ask(store, "hello") == b"hello"
    assert store.server == RUN


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (b"-NOPERM this user has no permissions to run the 'info' command\r\n", "NoPermissionError"),
        (b"-ERR unknown command 'INFO'\r\n", "ResponseError"),
        (b"-ERR syntax error\r\n", "ResponseError"),
    ],
)
def test_a_server_that_must_not_say_it_serves_and_is_nobody(store, server, refusal, reason):
    server.info = refusal
    with capture_logs() as logs:
        assert [ask(store, word) for word in ("one", "two")] == [b"one", b"two"]

    assert store.server == ""
    assert server.infos == 1, "it is not asked again on the same connection"
    assert warnings_of(logs) == [("redis.unidentified", reason)]
    assert not store.has_failed_within(60)


@pytest.mark.parametrize("trouble", [HANG_UP, b"-LOADING Redis is loading\r\n", b"-NOAUTH Authentication required.\r\n", b"\0\0\r\n"])
def test_a_server_that_fails_when_it_is_asked_who_it_is_is_away(store, server, trouble):
    server.info = trouble
    with pytest.raises(RedisAway):
        ask(store, "hello")

    assert server.commands == [], "and nothing was run on a connection that may be out of step"
    server.info = told(RUN)
    assert ask(store, "hello", insist=True) == b"hello"


def test_a_server_that_falls_silent_when_it_is_asked_who_it_is_costs_one_time_out(make_settings, server):
    store = store_on(make_settings, server.port, patience=0.05)
    server.info = SILENCE
    with pytest.raises(RedisAway):
        ask(store, "hello")
    assert server.connections == 1


def test_whoever_comes_back_to_a_restarted_server_knows_that_it_is_another(store, server):
    ask(store, "before")
    assert store.server == RUN
    server.info = told("b" * 40)
    assert (ask(store, "still"), store.server) == (b"still", RUN)
    server.hang_up_on_everybody()

    assert ask(store, "after") == b"after"
    assert store.server == "b" * 40


def test_a_server_that_says_nothing_any_more_is_not_taken_for_the_one_before(store, server):
    ask(store, "before")
    server.info = b"-NOPERM\r\n"
    server.hang_up_on_everybody()

    assert ask(store, "after") == b"after"
    assert store.server == ""


def test_each_thread_knows_the_server_that_has_answered_it(store, server):
    """One may still talk to a server that the other has left: its copies must not pass for those of the new one."""
    seen = {}

    def worker(name):
        ask(store, name)
        seen[name] = store.server

    ask(store, "mine")
    for name in ("a", "b"):
        server.info = told(name * 40)
        thread = threading.Thread(target=worker, args=(name,))
        thread.start()
        thread.join()

    ask(store, "mine again")
    assert (seen, store.server) == ({"a": "a" * 40, "b": "b" * 40}, RUN)


def test_a_child_process_asks_anew_which_server_it_has(store, server, monkeypatch):
    ask(store, "parent")
    server.info = told("c" * 40)
    monkeypatch.setattr("secureapi.core.redis.os", SimpleNamespace(getpid=lambda: os.getpid() + 1))

    ask(store, "child")
    assert store.server == "c" * 40


def failing(_words):
    return b"-READONLY You can't write against a read only replica.\r\n"


def test_it_is_away_from_the_first_failure_to_the_first_answer(store, server, resting):
    assert ask(store, "one") == b"one"
    assert not store.is_away
    server.behaviour = failing
    with pytest.raises(RedisAway):
        ask(store, "two")
    assert store.is_away
    server.behaviour = None
    with pytest.raises(RedisAway):
        ask(store, "three")
    assert store.is_away, "it rests, so that nobody has asked"
    resting.by += REST_SECONDS
    assert ask(store, "four") == b"four"
    assert not store.is_away


def test_an_answer_to_who_asked_before_another_asked_in_vain_does_not_bring_it_back(store, server):
    def slow(words):
        with pytest.raises(RedisAway):
            store.run(ASK, ("key",), ("never",), insist=True)
        return b"+late\r\n"

    ask(store, "known")
    server.behaviour = lambda words: slow(words) if words[-1] == "early" else failing(words)
    assert ask(store, "early") == b"late"
    assert store.is_away


def test_a_check_writes_and_ends_the_rest_when_it_is_answered(store, server):
    server.behaviour = failing
    with pytest.raises(RedisAway):
        store.check()
    assert store.is_away
    server.behaviour = None
    store.check()
    assert not store.is_away
    assert ask(store, "at once") == b"at once"
    assert server.commands[0][3:] == ["secureapi:check", "10000"]
