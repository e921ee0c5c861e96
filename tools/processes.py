"""Who is in the way: who listens on our port, and whether our server runs. Only the standard library: nothing may be installed yet.

`processes.py port` fails when the port of the server is taken, and names its holder. `processes.py server` fails when the server of
this folder runs.
"""

import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
DEFAULT_PORT = 8000
_LISTENS = "0A"
"""TCP_LISTEN as /proc/net/tcp writes it."""
_SETTING = re.compile(r"""^\s*(?:export\s+)?(PORT|BIND_ADDRESS)\s*=\s*["']?([^"'\s#]*)""")


@dataclass(frozen=True)
class Process:
    """A process that we may see."""

    pid: int
    command: str

    @property
    def is_server_of_this_folder(self) -> bool:
        try:
            return "gunicorn" in self.command and Path(f"/proc/{self.pid}/cwd").resolve() == FOLDER
        except OSError:
            return False


def main(question: str) -> int:
    """Answer a question with an exit status, and explain a 1 on standard error."""
    if question == "server":
        running = next((process for process in _processes() if process.is_server_of_this_folder), None)
        if running:
            print(f"The server runs (process {running.pid}). Stop it first: kill {running.pid}", file=sys.stderr)
        return 1 if running else 0
    port, address = _wanted()
    if _is_free(port, address):
        return 0
    print(_explanation(port, holder_of(port), _next_free(port, address)), file=sys.stderr)
    return 1


def holder_of(port: int) -> Process | None:
    """Who listens on a port; None when that is somebody whom we may not look at."""
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    return next((process for process in _processes() if sockets & _open_files(process.pid)), None)


def _explanation(port: int, holder: Process | None, other: int) -> str:
    who = f"process {holder.pid}: {holder.command}" if holder else "a process of somebody else (sudo ss -ltnp shows it)"
    stop = f" or stop it (kill {holder.pid})," if holder else ""
    if holder and holder.is_server_of_this_folder:
        return f"secureapi runs already on port {port} ({who}).\nUse that one, stop it (kill {holder.pid}), or: PORT={other} make run"
    return f"Port {port} is taken by {who}.\nUse another one,{stop} for example: PORT={other} make run"


def _wanted() -> tuple[int, str]:
    """Port and address as the server will read them: the environment before `.env`. What is wrong is left to the settings to say."""
    found = {"PORT": str(DEFAULT_PORT), "BIND_ADDRESS": "127.0.0.1"}
    file = Path(os.environ.get("SECUREAPI_DOTENV") or FOLDER / ".env")
    if file.is_file():
        lines = file.read_text(encoding="utf-8").splitlines()
        found |= {match[1]: match[2] for line in lines if (match := _SETTING.match(line)) and match[2]}
    found |= {name: os.environ[name] for name in found if os.environ.get(name)}
    return (int(found["PORT"]) if found["PORT"].isdecimal() else DEFAULT_PORT), found["BIND_ADDRESS"]


def _is_free(port: int, address: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except (OSError, OverflowError):
            return False
    return True


def _next_free(port: int, address: str) -> int:
    return next((other for other in range(port + 1, min(port + 200, 65536)) if _is_free(other, address)), 8080)


def _listening_sockets(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENS and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _processes() -> Iterator[Process]:
    pids = sorted(int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        yield Process(pid, " ".join(word for word in words if word)[:120])


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(descriptor.readlink()))
    except OSError:
        pass
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
