"""The check that nothing that is committed names a machine."""

import os
import runpy
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from support.each import each
from support.live import ROOT

PINNED = "flask==3.1.3 \\\n    --hash=sha256:00\n    # via secureapi (pyproject.toml)\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "tools/tree.py", tmp_path / "tools")
    (tmp_path / "requirements/app.txt").write_text(PINNED)
    return tmp_path


@pytest.fixture
def look(folder, monkeypatch, capsys):
    """`look(pip="...", NAME="value")`: what the check says in this process, where pip would say this of its own settings."""
    asks_really = subprocess.run

    def run(command, **options):
        return SimpleNamespace(stdout=said_by_pip[-1]) if "pip" in command else asks_really(command, **options)

    said_by_pip = []
    monkeypatch.setattr(subprocess, "run", run)

    def looked(pip="", **environment):
        said_by_pip.append(pip)
        wanted = surroundings(folder, **environment)
        with monkeypatch.context() as patch:
            for name in os.environ:
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            status = runpy.run_path(folder / "tools/tree.py")["main"]()
        return SimpleNamespace(status=status, said=capsys.readouterr().out)

    return looked


def surroundings(folder, **more):
    return {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(folder.parent)} | more


def test_a_tree_that_names_nobody_passes_as_make_runs_it(folder):
    looked = subprocess.run(
        [sys.executable, folder / "tools/tree.py"], env=surroundings(folder), capture_output=True, text=True, check=False
    )

    assert (looked.returncode, looked.stdout, looked.stderr) == (0, "", "")


@each(
    "line",
    [
        "--index-url https://pypi.example.com/simple",
        "--extra-index-url file:///mirror",
        "--find-links /wheels",
        "flask @ https://files.example.com/flask.whl",
        "-i https://pypi.example.com/simple",
    ],
)
def test_a_lock_file_must_not_say_where_packages_came_from(folder, look, line):
    (folder / "requirements/app.txt").write_text(f"{PINNED}{line}\n")

    looked = look()

    assert looked.status == 1
    assert looked.said == "requirements/app.txt: line 4 names a registry or a place; make it again with: make lock\n"


@each("home", ["/home/" + "alice/work", "/Users/" + "alice/x", "/root" + "/project"])
def test_folders_of_somebodys_home_are_found(folder, look, home):
    (folder / "notes.md").write_text(f"First.\nSee {home}/x.\n")

    assert look().said == "notes.md: line 2 names a folder or a registry of this machine\n"


def test_the_registry_that_this_machine_uses_is_found_wherever_it_is_written(folder, look):
    (folder / "notes.md").write_text("From mirror.internal.example as always.\n")

    assert look().status == 0
    assert "notes.md: line 1" in look(PIP_INDEX_URL="https://user:pass@mirror.internal.example/simple").said
    assert "notes.md: line 1" in look(pip="global.index-url='https://mirror.internal.example/simple'\n").said


def test_a_private_key_and_an_env_file_are_found(folder, look):
    (folder / "key.pem").write_text("-----BEGIN EC PRIVATE " + "KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1\n")
    (folder / ".env").write_text("SECRET_KEY=x\n")

    looked = look()

    assert "key.pem: holds a private key" in looked.said
    assert ".env: must not be committed" in looked.said
