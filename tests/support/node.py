"""Programs of tests/verifiers in Node.js: installed once a run from their lock file, and asked over pipes.

npm's own settings say where packages come from, and its own cache keeps them; nothing of it is in the check-out.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from support.live import ROOT

_SOURCES = ROOT / "tests/verifiers"
_OLDEST_NODE = 20
_INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
_INSTALL += ["--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"]
_UNREACHABLE = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b"
)
_PATIENCE_SECONDS = 120


class NodeMissing(RuntimeError):
    """What is not there is not ours to judge: the reason for a skip."""


class NodeError(RuntimeError):
    """What a library said instead of a result. `code` is its own word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Programs:
    """The programs with their packages, in a folder that every worker of a run shares."""

    def __init__(self, folder: Path) -> None:
        """Raises `NodeMissing` where there is no Node.js, or no way to the packages."""
        self._folder = folder / "node"
        self._node = _find("node")
        _check_version(self._node)
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._install()
        self._running: dict[str, Program] = {}

    def __getitem__(self, name: str) -> "Program":
        """The program of this name, started when it is first asked for."""
        if name not in self._running:
            self._running[name] = Program([self._node, str(self._folder / name)])
        return self._running[name]

    def close(self) -> None:
        for program in self._running.values():
            program.close()

    def _install(self) -> None:
        outcome = self._folder / "outcome"
        if not outcome.exists():
            for source in (*_SOURCES.glob("*.json"), *_SOURCES.glob("*.mjs")):
                shutil.copy(source, self._folder)
            outcome.write_text(self._npm())
        if why := outcome.read_text():
            raise NodeMissing(why)

    def _npm(self) -> str:
        """Run npm; why it could not reach its registry, if that is so. Everything else that goes wrong is an error."""
        try:
            done = subprocess.run(
                [_find("npm"), *_INSTALL], cwd=self._folder, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"npm did not get its packages in {_PATIENCE_SECONDS} s"
        if done.returncode == 0:
            return ""
        if found := _UNREACHABLE.search(done.stderr):
            return f"npm cannot reach its registry ({found[0]}), and does not have the packages in its cache"
        raise RuntimeError(f"npm ci failed:\n{done.stderr[-4000:]}")


class Program:
    """One running program. Ends when it is closed, or when this process is gone: its input ends then."""

    def __init__(self, command: list[str]) -> None:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept,
        )

    def ask(self, **question: Any) -> Any:
        """The result. Raises `NodeError` when the library raised."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program has ended; what it said is above"
        answer = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"], answer["message"])
        return answer["result"]

    def close(self) -> None:
        with self._process as process:
            assert process.stdin
            process.stdin.close()


def _find(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise NodeMissing(f"{name} is not on this machine (Node.js {_OLDEST_NODE} or newer, with npm)")
    return program


def _check_version(node: str) -> None:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        raise NodeMissing(f"Node.js here is {version}, and the libraries need {_OLDEST_NODE} or newer")
