"""PostgreSQL and Redis for one test run: private, encrypted, on free ports, in a folder that goes away.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers that are there already; a database is then made in the one, and logical
databases are emptied in the other. Otherwise both are started from the distribution's binaries, which are installed when missing
and allowed. The system's own servers are never touched.
"""

import base64
import contextlib
import fcntl
import hashlib
import hmac
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import redis
import trustme

from support.processes import Server, ServiceMissing, free_port, unprivileged_user

_PREFIX = "secureapi-test-"
_ENOUGH_MEMORY = 512 * 1024 * 1024
_LOGICAL_DATABASES = 1024
_KNOWS_STRATEGIES = 150000
_administrators: dict[str, Any] = {}
_stores: dict[str, redis.Redis] = {}
_HBA = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all all 127.0.0.1/32 reject\n"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services are: plain values, so that they can be handed to the workers of a parallel run."""

    database_url: str
    """The maintenance database, as somebody who may create others."""
    redis_url: str
    redis_ca_file: str
    redis_databases: int
    folder: str
    template: str = ""
    """The name of a migrated database to copy."""

    def create_database(self) -> str:
        """A copy of the migrated template, as an address. 0.02 s."""
        name = f"test_{secrets.token_hex(8)}"
        with self._administrator() as (cursor, version):
            copied = f" TEMPLATE {self.template}" if self.template else ""
            # As files where the server knows that: through its log, as it does by itself, takes twice as long.
            how = " STRATEGY file_copy" if copied and version >= _KNOWS_STRATEGIES else ""
            cursor.execute(f"CREATE DATABASE {name}{copied}{how}")
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        name = urlsplit(url).path.lstrip("/")
        with self._administrator() as (cursor, _):
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")

    def url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{name}"))

    @contextlib.contextmanager
    def _administrator(self) -> Iterator[tuple[Any, int]]:
        """Once connected, it stays so for the next time: to connect costs as much as to make a database."""
        connection = _administrators.get(self.database_url)
        if connection is None or not _answers(connection):
            connection = _administrators[self.database_url] = psycopg2.connect(self.database_url)
            connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor, connection.server_version

    def redis_database(self, number: int) -> str:
        """The address of a logical database, emptied."""
        number %= self.redis_databases
        if self.redis_url not in _stores:
            options = {"ssl_ca_certs": self.redis_ca_file} if self.redis_ca_file else {}
            _stores[self.redis_url] = redis.Redis.from_url(self.redis_url, **options)
        # In one piece: on a connection that was made anew between them, another database would be emptied.
        with _stores[self.redis_url].pipeline(transaction=False) as pieces:
            pieces.execute_command("SELECT", number).flushdb().execute_command("SELECT", 0).execute()
        return urlunsplit(urlsplit(self.redis_url)._replace(path=f"/{number}"))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Services:
    """A pair of servers. `postgres` and `redis` are None where an address was given from outside."""

    def __init__(self, *, from_outside: bool = True) -> None:
        self._folder = _make_folder()
        self.postgres: Server | None = None
        self.redis: Server | None = None
        self.borrowed: list[str] = []
        """Databases to drop in the end, where the server lives on."""
        try:
            given = os.environ if from_outside else {}
            database_url, redis_url = given.get("TEST_DATABASE_URL"), given.get("TEST_REDIS_URL")
            missing = [] if database_url else ["postgresql"]
            missing += [] if redis_url else ["redis-server"]
            binaries = _binaries(missing)
            self._issue_certificates()
            redis_ca = "" if redis_url else str(self._folder.path / "ca.pem")
            self.addresses = Addresses(
                database_url=database_url or self._start_postgres(binaries["postgresql"]),
                redis_url=redis_url or self._start_redis(binaries["redis-server"]),
                redis_ca_file=redis_ca,
                redis_databases=16 if redis_url else _LOGICAL_DATABASES,
                folder=str(self._folder.path),
            )
        except BaseException:
            self.close()
            raise

    def resume(self) -> None:
        """Bring back what a test has paused or stopped."""
        for server in (self.postgres, self.redis):
            if server:
                server.resume()
                if not server.is_running:
                    server.start()

    def close(self) -> None:
        if self.postgres is None:
            for url in self.borrowed:
                self.addresses.drop_database(url)
        self._let_go()
        for server in (self.postgres, self.redis):
            if server:
                server.stop()
        self._folder.remove()

    def _let_go(self) -> None:
        """Close what this process keeps open to them."""
        for kept, url in ((_administrators, "database_url"), (_stores, "redis_url")):
            # There are no addresses yet where a server did not start.
            connection = kept.pop(getattr(getattr(self, "addresses", None), url, ""), None)
            if connection is not None:
                connection.close()

    def _issue_certificates(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._folder.path / "ca.pem"))
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.cert_chain_pems[0].write_to_path(str(self._folder.path / "server.pem"))
        key = self._folder.path / "server.key"
        key.touch(mode=0o600)
        issued.private_key_pem.write_to_path(str(key))
        _give(key)

    def _start_postgres(self, binaries: Path) -> str:
        data, user, password = self._folder.path / "postgres", unprivileged_user(), secrets.token_hex(16)
        data.mkdir(mode=0o700)
        _give(data)
        password_file = self._folder.path / "postgres.password"
        password_file.write_text(password)
        _give(password_file)
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "tester", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        initdb += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        groups = {"user": user, "group": _group_of(data), "extra_groups": []} if user else {}
        subprocess.run(initdb, check=True, capture_output=True, cwd=data, **groups)
        (data / "pg_hba.conf").write_text(_HBA)
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": self._folder.path / "server.pem",
            "ssl_key_file": self._folder.path / "server.key",
            "max_connections": 400,
            "shared_buffers": "48MB",
            "dynamic_shared_memory_type": "mmap",  # in the folder, which goes away, and not beside it
            # The data is thrown away, so nothing needs to survive a power cut.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "jit": "off",
        }
        command = [str(binaries / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        url = f"postgresql://tester:{password}@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={self._folder.path / 'ca.pem'}"
        self.postgres = Server(command, log=self._folder.path / "postgres.log", is_up=lambda: _accepts_sql(url), user=user, cwd=data)
        self.postgres.start()
        with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("ALTER ROLE tester PASSWORD %s", (_scram_verifier(password),))
        return url

    def _start_redis(self, binary: Path) -> str:
        data, user, password, port = self._folder.path / "redis", unprivileged_user(), secrets.token_hex(16), free_port()
        data.mkdir(mode=0o700)
        _give(data)
        options = {
            "bind": "127.0.0.1",
            "port": 0,
            "tls-port": port,
            "tls-cert-file": self._folder.path / "server.pem",
            "tls-key-file": self._folder.path / "server.key",
            "tls-ca-cert-file": self._folder.path / "ca.pem",
            "tls-auth-clients": "no",
            "requirepass": password,
            "databases": _LOGICAL_DATABASES,
            "save": "",
            "appendonly": "no",
            "dir": data,
        }
        command = [str(binary)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.redis = Server(command, log=self._folder.path / "redis.log", is_up=lambda: _listens(port), user=user, cwd=data)
        self.redis.start()
        return f"rediss://:{password}@127.0.0.1:{port}/0"


class _Folder:
    """A folder in memory where possible. The lock says that its run is alive; folders of killed runs are swept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.chmod(0o711)
        self._lock = (path / "lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _make_folder() -> _Folder:
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ENOUGH_MEMORY
    parent = memory if has_room else Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        _sweep(left)
    return _Folder(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)))


def _sweep(left: Path) -> None:
    with contextlib.suppress(OSError), (left / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)


def _binaries(missing: list[str]) -> dict[str, Path]:
    """Where the servers are, after installing what is not there."""
    found = {name: path for name in missing if (path := _find(name))}
    absent = [name for name in missing if name not in found]
    if absent:
        _install(absent)
        found |= {name: path for name in absent if (path := _find(name))}
    still = [name for name in missing if name not in found]
    if still:
        raise ServiceMissing(_how_to_get(still))
    return found


def _find(name: str) -> Path | None:
    if name == "redis-server":
        program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
        return Path(program) if program else None
    clusters = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    clusters.sort(key=lambda path: float(path.parent.name))
    return clusters[-1] if clusters else None


def _install(packages: list[str]) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ServiceMissing(_how_to_get(packages))
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # The distribution starts what it installs; a file that forbids it leaves the machine as quiet as it was.
    policy = Path("/usr/sbin/policy-rc.d")
    is_ours = not policy.exists()
    if is_ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]):
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        raise ServiceMissing(_how_to_get(packages)) from None
    finally:
        if is_ours:
            policy.unlink()


def _how_to_get(packages: list[str]) -> str:
    return (
        f"the tests need {' and '.join(packages)}. Install them (Debian: sudo apt-get install {' '.join(packages)}), "
        "or name running servers with TEST_DATABASE_URL and TEST_REDIS_URL"
    )


def _scram_verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), hardened once instead of 4096 times: ours is random, and thousands of
    connections each spend as long on it as on a few requests."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    parts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)]
    return f"SCRAM-SHA-256$1:{parts[0]}${parts[1]}:{parts[2]}"


def _give(path: Path) -> None:
    """Make a file or folder belong to whom the servers run as."""
    user = unprivileged_user()
    if user:
        shutil.chown(path, user)


def _group_of(path: Path) -> int:
    return pwd.getpwuid(path.stat().st_uid).pw_gid


def _answers(connection: Any) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


def _accepts_sql(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
