"""What a request with an API key costs beside one with an access token: gunicorn with two workers, PostgreSQL and Redis, all with TLS.

    python benchmarks/api_keys.py
    python benchmarks/api_keys.py --rounds 5 --seconds 4 --connections 16

The same read (`GET /api/v1/users/me`) over connections that stay open, each kind of caller in turn, so that a busy moment meets all of
them. `sessions` have an access token for each connection; `keys` a key for each; `quota` likewise, with a daily quota; `one key` is one
that all connections share, whose requests queue for its row of the day. Requests a second and the 99th percentile tell how busy the
machine is, too; the CPU that the workers, PostgreSQL and Redis spend on a request hardly does. Nothing here runs in the tests: figures are
for people.
"""

import argparse
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from secureapi.auth.service import ApiKeys  # noqa: E402 - after the path
from secureapi.core.requests import Client  # noqa: E402
from support.live import Live  # noqa: E402
from support.processes import children_of  # noqa: E402
from support.services import Services  # noqa: E402
from support.site import Site, prepare  # noqa: E402

_OUT_OF_REACH = 1_000_000
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """What came of one kind of caller, over all rounds."""

    seconds: list[float] = field(default_factory=list)
    """How long each request took."""
    rates: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=lambda: {"workers": 0.0, "postgres": 0.0, "redis": 0.0})


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--rounds", type=int, default=5)
    wanted.add_argument("--seconds", type=float, default=4)
    wanted.add_argument("--connections", type=int, default=16)
    options = wanted.parse_args()
    services = Services(from_outside=False)
    site = Site(prepare(services))
    try:
        live = site.live(
            web_concurrency=2,
            rate_limit_per_minute=_OUT_OF_REACH,
            api_key_max_requests_per_minute=_OUT_OF_REACH,
        )
        callers = _callers(live, options.connections)
        found = {kind: Measured() for kind in callers}
        _ask(live.port, [header for headers in callers.values() for header in headers], 1, Measured())
        look = _cpu_of(live, services)
        for _ in range(options.rounds):
            for kind, headers in callers.items():
                _ask(live.port, headers, options.seconds, found[kind], look)
        _report(found)
    finally:
        site.close()
        services.close()


def _callers(live: Live, connections: int) -> dict[str, list[str]]:
    """The header of each connection, by the kind of caller."""
    people = [live.house.person() for _ in range(connections)]

    def key_of(user_id: str, quota: int | None = None) -> str:
        made = live.house.service(ApiKeys).create(
            user_id=user_id, name="bench", scopes=["self:read"], daily_quota=quota, caller=None, client=Client.of_command_line()
        )
        return f"X-API-Key: {made.value}"

    return {
        "sessions": [f"Authorization: Bearer {person.tokens.access}" for person in people],
        "keys": [key_of(person.id) for person in people],
        "quota": [key_of(person.id, 10**9) for person in people],
        "one key": [key_of(people[0].id)] * connections,
    }


def _ask(port: int, headers: list[str], seconds: float, into: Measured, look: Callable[[], dict[str, float]] | None = None) -> None:
    """Ask over one connection for each header, for so long, as fast as answers come."""
    before = look() if look else {}
    began = time.perf_counter()
    took: list[list[float]] = [[] for _ in headers]
    asking = [
        threading.Thread(target=_connection, args=(port, header, began + seconds, times))
        for header, times in zip(headers, took, strict=True)
    ]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    lasted = time.perf_counter() - began
    after = look() if look else {}
    into.seconds += [second for times in took for second in times]
    into.rates.append(sum(map(len, took)) / lasted)
    for name, spent in after.items():
        into.cpu[name] += spent - before[name]


def _connection(port: int, header: str, until: float, times: list[float]) -> None:
    request = f"GET /api/v1/users/me HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (asked_at := time.perf_counter()) < until:
            connection.sendall(request)
            answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"not answered: {answer[:200]!r}")
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            while len(body) < length:
                body += connection.recv(65536)
            times.append(time.perf_counter() - asked_at)


def _cpu_of(live: Live, services: Services) -> Callable[[], dict[str, float]]:
    """Looks at the seconds of CPU that each part has spent so far."""
    if services.postgres is None or services.redis is None:
        raise SystemExit("these servers belong to somebody else")
    postgres, redis = services.postgres.pid, services.redis.pid

    def look() -> dict[str, float]:
        return {
            "workers": sum(map(_spent, children_of(live.server.pid))),
            "postgres": sum(map(_spent, children_of(postgres))),
            "redis": _spent(redis),
        }

    return look


def _spent(pid: int) -> float:
    columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(columns[11]) + int(columns[12])) / _TICK


def _report(found: dict[str, Measured]) -> None:
    def cost(kind: str) -> float:
        return sum(found[kind].cpu.values()) / len(found[kind].seconds)

    print(f"{'caller':10} {'requests/s':>10} {'median ms':>10} {'p99 ms':>8}   CPU a request, µs: workers postgres redis   of a session")
    for kind, measured in found.items():
        count = len(measured.seconds)
        spent = " ".join(f"{measured.cpu[name] / count * 1e6:8.0f}" for name in ("workers", "postgres", "redis"))
        slow = statistics.quantiles(measured.seconds, n=100)[-1]
        print(
            f"{kind:10} {statistics.median(measured.rates):10.0f} {statistics.median(measured.seconds) * 1000:10.2f} {slow * 1000:8.2f}"
            f"   {'':17} {spent}   {cost(kind) / cost('sessions'):8.2f}"
        )


if __name__ == "__main__":
    main()
