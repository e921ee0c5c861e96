"""The first command of a new user: `make run` in a fresh copy of this tree, with a home of its own and nothing prepared.

Only the environment is not made anew: `SECUREAPI_VENV` lends the one that runs the tests.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from support.live import ROOT
from support.processes import Server, free_port, until


class Copy:
    """A fresh copy of the tree, and what `make run` does in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tree"
        self.home = folder / "home"
        self.home.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PORT": str(self.port),
            "SECUREAPI_VENV": sys.prefix,
            "PYTHONPATH": str(self.folder / "src"),
        }
        for name in _tree():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self._runs = 0

    def start(self, **environment: str) -> Server:
        """`make run`, until the server answers."""
        self._runs += 1
        log = self.folder.parent / f"run-{self._runs}.log"
        env = self.environment | environment
        server = Server(["tools/run"], log=log, is_up=lambda: self.get("/livez") == 200, cwd=self.folder, env=env)
        server.start()
        return server

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def get(self, path: str) -> int | None:
        """The status, or None when nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.status
        except OSError:
            return None

    def made(self) -> dict[str, bytes]:
        """What is there besides the tree itself, without bytecode and what a running database changes by itself."""
        ours = set(_tree())
        paths = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in paths.items() if name not in ours and not name.endswith(("-wal", "-shm", ".pyc"))}

    def count(self, table: str) -> int:
        program = f"import sqlite3; print(sqlite3.connect('var/secureapi.db').execute('SELECT count(*) FROM {table}').fetchone()[0])"
        return int(self.run(sys.executable, "-c", program).stdout)


def _tree() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def press_ctrl_c(server: Server) -> int:
    """What a terminal does: SIGINT to everybody in the foreground."""
    os.killpg(server.pid, signal.SIGINT)
    return server.wait()


def members_of_session(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[3] == str(pid):
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A copy in which `make run` has run once, been interrupted, and left its output behind."""
    copy = Copy(tmp_path_factory.mktemp("run"))
    server = copy.start()
    try:
        copy.pasted = copy.run("bash", "-c", pasteable(server.log()))
        copy.pages = {path: copy.get(path) for path in ("/docs", "/health", "/readyz", "/openapi.json")}
        copy.first_status = press_ctrl_c(server)
    finally:
        server.stop()
    copy.first_output = server.log()
    copy.left_behind = members_of_session(server.pid)
    return copy


def pasteable(output: str) -> str:
    """The lines from the first that uses curl to the last."""
    lines = output.splitlines()
    with_curl = [number for number, line in enumerate(lines) if "curl " in line]
    assert with_curl, output
    assert with_curl[-1] - with_curl[0] <= 1, "two lines, to be pasted together"
    return "\n".join(lines[with_curl[0] : with_curl[-1] + 1])


def test_the_first_run_ends_with_a_server_whose_printed_commands_can_be_pasted(fresh):
    if not shutil.which("curl"):
        pytest.skip("there is no curl on this machine to paste the printed commands into")

    me = json.loads(fresh.pasted.stdout)

    assert fresh.pasted.returncode == 0
    assert (me["email"], me["role"]) == ("admin@example.com", "admin")


def test_the_first_run_says_where_everything_is(fresh):
    assert f"{fresh.url}/docs" in fresh.first_output
    assert f"{fresh.url}/health" in fresh.first_output
    assert fresh.pages == {"/docs": 200, "/health": 200, "/readyz": 200, "/openapi.json": 200}


def test_secrets_are_random_and_nobody_else_may_read_them(fresh):
    file = fresh.folder / ".env"
    secret = re.search(r"^SECRET_KEY=[\"']?([^\"'\n]+)", file.read_text(), re.MULTILINE)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret
    assert len(secret[1]) >= 43
    assert secret[1] not in fresh.first_output


def test_everything_that_run_makes_is_ignored_by_git(fresh):
    made = [name for name in fresh.made() if "__pycache__" not in name]
    fresh.run("git", "init", "--quiet")

    unknown = fresh.run("git", "ls-files", "--others", "--exclude-standard", "--", *made)

    assert {".env", "var/secureapi.db"} <= set(made)
    assert unknown.stdout == ""


def test_ctrl_c_stops_everything_and_leaves_no_process_behind(fresh):
    assert fresh.first_status == 0
    assert fresh.left_behind == []
    assert "Traceback" not in fresh.first_output


def test_a_second_run_changes_nothing_and_shows_no_password(fresh):
    shown = re.search(r"password=([\w-]{20,})", pasteable(fresh.first_output))
    assert shown
    before = {name: content for name, content in fresh.made().items() if not name.endswith(".db")}
    people, keys = fresh.count("users"), fresh.count("signing_keys")

    server = fresh.start()
    try:
        assert fresh.get("/readyz") == 200
        press_ctrl_c(server)
    finally:
        server.stop()

    after = {name: content for name, content in fresh.made().items() if not name.endswith(".db")}
    assert after == before
    assert (fresh.count("users"), fresh.count("signing_keys")) == (people, keys) == (1, 2)
    assert shown[1] not in server.log()
    assert "Traceback" not in server.log()


def test_a_busy_port_stops_before_anything_is_made(tmp_path):
    copy = Copy(tmp_path)
    with socket.create_server(("127.0.0.1", copy.port)):
        ended = copy.run("tools/run")

    assert ended.returncode == 1
    assert f"Port {copy.port} is taken by process {os.getpid()}" in ended.stderr
    assert re.search(r"PORT=\d+ make run", ended.stderr)
    assert copy.made() == {}


def test_without_a_terminal_the_administrator_comes_from_outside_and_nothing_secret_is_shown(tmp_path):
    copy = Copy(tmp_path)
    password = "Seven-Quiet-Rivers-19!"
    file = tmp_path / "password"
    file.write_text(f"{password}\n")

    server = copy.start(SECUREAPI_ADMIN_EMAIL="root@example.org", SECUREAPI_ADMIN_PASSWORD_FILE=str(file))
    try:
        request = urllib.request.Request(
            f"{copy.url}/api/v1/auth/login",
            data=json.dumps({"email": "root@example.org", "password": password}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
    finally:
        server.stop(signal.SIGTERM)

    assert password not in server.log()
    assert "admin@example.com" not in server.log()
    assert copy.count("users") == 1
    until(lambda: members_of_session(server.pid) == [])


def test_reset_takes_everything_back(fresh):
    assert fresh.run("tools/reset", YES="1").returncode == 0
    assert not (fresh.folder / ".env").exists()
    assert not (fresh.folder / "var").exists()
