"""Who is in the way: the port's holder is named, and a running server is not wiped from under its feet."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.live import ROOT
from support.processes import free_port, until


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def server_of(folder):
    """A process that looks like the server of that folder."""
    process = subprocess.Popen(["bash", "-c", "exec -a gunicorn cat"], cwd=folder, stdin=subprocess.PIPE)
    until(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"gunicorn"))
    yield process
    process.stdin.close()
    process.wait()


def call(folder, *command, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def ask(folder, question, **environment):
    return call(folder, sys.executable, "tools/processes.py", question, **environment)


def test_a_free_port_needs_no_words(folder):
    asked = ask(folder, "port", PORT=str(free_port()))

    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")


@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_busy_port_names_its_holder_and_a_way_out(folder, where):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        if where == "file":
            (folder / ".env").write_text(f"# ours\nPORT={port}\n")
        asked = ask(folder, "port", **({"PORT": str(port)} if where == "environment" else {}))

    assert asked.returncode == 1
    assert f"Port {port} is taken by process {os.getpid()}: " in asked.stderr
    assert "PORT=" in asked.stderr
    assert asked.stderr.rstrip().endswith("make run")
    assert f"PORT={port} make run" not in asked.stderr


def test_the_environment_wins_over_the_file_as_it_does_in_the_settings(folder):
    with socket.create_server(("127.0.0.1", 0)) as held:
        (folder / ".env").write_text(f"PORT={held.getsockname()[1]}\n")

        assert ask(folder, "port", PORT=str(free_port())).returncode == 0


def test_reset_asks_and_takes_silence_for_no(folder):
    (folder / "var").mkdir()

    answer = call(folder, "tools/reset")

    assert answer.returncode == 1
    assert "make reset YES=1" in answer.stderr
    assert (folder / "var").exists()


def test_reset_removes_what_run_has_made_and_nothing_else(folder):
    (folder / "var").mkdir()
    (folder / "var/secureapi.db").touch()
    (folder / ".env").touch()
    (folder / "README.md").touch()

    assert call(folder, "tools/reset", YES="1").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "tools"]
    assert "nothing to remove" in call(folder, "tools/reset", YES="1").stdout


def test_reset_refuses_while_the_server_runs(folder, server_of):
    (folder / "var").mkdir()

    answer = call(folder, "tools/reset", YES="1")

    assert answer.returncode == 1
    assert f"kill {server_of.pid}" in answer.stderr
    assert (folder / "var").exists()


def test_setup_says_what_to_do_when_there_is_no_suitable_python(folder, tmp_path):
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "pyproject.toml", folder)
    programs = folder / "bin"
    programs.mkdir()
    for name in ("bash", "cat", "cut", "date", "dirname", "env", "grep", "realpath", "sha256sum", "sort"):
        (programs / name).symlink_to(shutil.which(name))
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)

    answer = call(folder, "tools/setup", PATH=str(programs))

    assert answer.returncode == 1
    assert "needs Python 3.11 or newer" in answer.stderr
    assert not (folder / ".venv").exists()
