"""docs/extending.md, followed to the letter by somebody new in an empty folder; only what needs a network is left out."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.live import ROOT
from support.processes import Server, free_port

GUIDE = (ROOT / "docs/extending.md").read_text()
EXAMPLE = ROOT / "examples/notes"


class NewUser:
    """Types the commands of the guide into a shell, in a folder of his own beside a check-out."""

    def __init__(self, home):
        self.port = free_port()
        self.folder = home / "my-service"
        self.commands = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
        self.folder.mkdir()
        (home / "secureapi").symlink_to(ROOT)
        (self.folder / ".venv").symlink_to(home / "venv")
        (home / "venv/bin").mkdir(parents=True)
        for name in ("flask", "gunicorn"):
            program = home / "venv/bin" / name
            # What is installed here under these names may have the path of another machine in its first line.
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {name} "$@"\n')
            program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
        # A web server at 8000 may be running here.
        self.environment = kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PORT": str(self.port), "BCRYPT_ROUNDS": "10"}

    def find(self, beginning):
        (found,) = (command for command in self.commands if command.startswith(beginning))
        return found

    def type(self, *commands):
        """Run blocks of the guide in one shell; what was printed by each of their lines, together."""
        script = "\n".join(commands).replace("http://127.0.0.1:8000", f"http://127.0.0.1:{self.port}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def server(self, command, log):
        def is_up():
            asked = subprocess.run(["curl", "-s", f"http://127.0.0.1:{self.port}/livez"], capture_output=True, check=False)
            return asked.returncode == 0

        return Server(["bash", "-c", f"exec {command}"], log=log, is_up=is_up, cwd=self.folder, env=self.environment)


@pytest.fixture
def new_user(tmp_path):
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("no curl or bash here")
    return NewUser(tmp_path)


def test_somebody_new_gets_from_an_empty_folder_to_notes_that_others_cannot_see(new_user, tmp_path):
    made = new_user.type(new_user.find("cp -r"))
    server = new_user.server(new_user.find(".venv/bin/gunicorn").strip(), tmp_path / "server.log")
    server.start()
    try:
        talked = new_user.type(new_user.find("API="), new_user.find("write()"))
    finally:
        server.stop()

    assert "administrator" in made
    note, listed, refused, empty = objects(talked)
    assert note["text"] == "Water the plants"
    assert ([each["id"] for each in listed["notes"]], listed["total"]) == ([note["id"]], 1)
    assert refused["code"] == "note_not_found"
    assert (empty["notes"], empty["total"]) == ([], 0)


def objects(text):
    """The JSON objects that stand one behind the other in what curl has printed."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(text.rstrip()):
        value, place = decoder.raw_decode(text, place)
        found.append(value)
    return found


def test_what_is_left_out_here_is_the_installation():
    commands = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)

    assert len(commands) == 6
    assert commands[0].startswith("mkdir my-service\n")
    assert "requirements/app.txt" in commands[0]


def test_the_guide_shows_what_the_example_does():
    example = "\n".join(path.read_text() for path in sorted(EXAMPLE.rglob("*.py"))) + (EXAMPLE / "pyproject.toml").read_text()

    snippets = re.findall(r"^```(?:python|toml)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)

    assert len(snippets) >= 7
    assert [snippet for snippet in snippets if snippet.strip() not in example] == []


def test_the_example_imports_nothing_of_ours_but_what_is_promised():
    imported = {
        module
        for path in EXAMPLE.rglob("*.py")
        for module in re.findall(r"^(?:from|import) (secureapi[\w.]*)", path.read_text(), re.MULTILINE)
    }

    assert imported == {"secureapi.extension"}


def test_the_files_of_the_example_are_those_of_the_guide():
    named = set(re.findall(r"`(notes/\w+\.py|wsgi\.py)`", GUIDE))

    assert named == {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*.py") if "migrations" not in Path(path).parts}
