"""The check that nothing that is committed names a machine."""

import os
import shutil
import subprocess
import sys

import pytest

from support.live import ROOT

PINNED = "flask==3.1.3 \\\n    --hash=sha256:00\n    # via secureapi (pyproject.toml)\n"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "tools/tree.py", tmp_path / "tools")
    (tmp_path / "requirements/app.txt").write_text(PINNED)

    def look(**environment):
        kept = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
        return subprocess.run(
            [sys.executable, tmp_path / "tools/tree.py"], env=kept | environment, capture_output=True, text=True, check=False
        )

    look.folder = tmp_path
    return look


def test_a_tree_that_names_nobody_passes(tree):
    looked = tree()

    assert (looked.returncode, looked.stdout, looked.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://pypi.example.com/simple",
        "--extra-index-url file:///mirror",
        "--find-links /wheels",
        "flask @ https://files.example.com/flask.whl",
        "-i https://pypi.example.com/simple",
    ],
)
def test_a_lock_file_must_not_say_where_packages_came_from(tree, line):
    (tree.folder / "requirements/app.txt").write_text(f"{PINNED}{line}\n")

    looked = tree()

    assert looked.returncode == 1
    assert "requirements/app.txt: line 4 names a registry" in looked.stdout


@pytest.mark.parametrize("folder", ["/home/" + "alice/work", "/Users/" + "alice/x", "/root" + "/project"])
def test_folders_of_somebodys_home_are_found(tree, folder):
    (tree.folder / "notes.md").write_text(f"First.\nSee {folder}/x.\n")

    assert "notes.md: line 2 names a folder or a registry of this machine" in tree().stdout


def test_the_registry_that_this_machine_uses_is_found_wherever_it_is_written(tree):
    (tree.folder / "notes.md").write_text("From mirror.internal.example as always.\n")

    assert tree().returncode == 0
    assert "notes.md: line 1" in tree(PIP_INDEX_URL="https://user:pass@mirror.internal.example/simple").stdout


def test_a_private_key_and_an_env_file_are_found(tree):
    (tree.folder / "key.pem").write_text("-----BEGIN EC PRIVATE " + "KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1\n")
    (tree.folder / ".env").write_text("SECRET_KEY=x\n")

    looked = tree()

    assert "key.pem: holds a private key" in looked.stdout
    assert ".env: must not be committed" in looked.stdout
