"""A real PostgreSQL server in a temporary folder, reached over a Unix socket.

`fsync` is off unless asked for: these tests kill processes and never cut the machine's power, and waiting for the disk
at each commit would make them many times slower.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_ROLE = "ruiji"
_START_S = 60.0


def find_postgresql() -> Path | None:
    """Return the folder of initdb and postgres, or None if this machine has none."""
    candidates = [Path(found).parent for name in ("postgres", "initdb") if (found := shutil.which(name))]
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        candidates.append(Path(answer.stdout.strip()))
    candidates += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True
    )
    complete = (folder for folder in candidates if (folder / "initdb").exists() and (folder / "postgres").exists())
    return next(complete, None)


class PostgresqlServer:
    """A server of its own. Its default collation is not "C", so that an order that relies on the default shows."""

    def __init__(self, binaries: Path, folder: Path, *, fsync: bool = False) -> None:
        """Make a cluster.

        Args:
            binaries: see `find_postgresql`.
            folder: empty and short of path, for the socket lies in it; given to the user that the server runs as.
            fsync: whether commits wait for the disk.
        """
        self._binaries = binaries
        self._folder = folder
        self._fsync = fsync
        self._user = _server_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = itertools.count()
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        subprocess.run(
            [
                binaries / "initdb", "--pgdata", folder / "data", "--username", _ROLE, "--auth", "trust",
                "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
                *self._icu_collation(),
            ],
            user=self._user, cwd=folder, check=True, capture_output=True, env=_clean_environment(),
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers."""
        deadline = time.monotonic() + _START_S
        self._process = self._spawn()
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")
            if self._process.poll() is not None:
                # The last children of a server that was killed may still be about to end.
                self._process = self._spawn()
            time.sleep(0.05)

    def kill(self) -> None:
        """End every process of the server at once, as a crash does."""
        assert self._process is not None
        # Its children notice that it is gone and end by themselves.
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the server for good: it writes nothing more to its files."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_START_S)

    def create_database(self) -> str:
        """Make a database and return its URL."""
        name = f"store_{next(self._databases)}"
        self._administrate(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://{_ROLE}@/{database}?host={self._folder}"

    def log(self) -> str:
        """Return what the server wrote."""
        return (self._folder / "log").read_text(errors="replace")

    def _spawn(self) -> subprocess.Popen[bytes]:
        durable = "on" if self._fsync else "off"
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": durable,
            "full_page_writes": durable,
            "shared_buffers": "64MB",
            "max_connections": "60",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *options],
                user=self._user, cwd=self._folder, stdout=log, stderr=log, env=_clean_environment(),
            )  # fmt: skip

    def _answers(self) -> bool:
        try:
            self._administrate("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _administrate(self, statement: str) -> None:
        with psycopg.connect(host=str(self._folder), user=_ROLE, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _icu_collation(self) -> list[str]:
        usage = subprocess.run([self._binaries / "initdb", "--help"], capture_output=True, text=True, check=True)
        return ["--locale-provider", "icu", "--icu-locale", "en-US"] if "--icu-locale" in usage.stdout else []


@contextmanager
def run_postgresql(*, fsync: bool = False) -> Iterator[PostgresqlServer]:
    """Yield a running server; skip the test where the machine has no PostgreSQL."""
    binaries = find_postgresql()
    if binaries is None:
        pytest.skip("no PostgreSQL server here: `apt-get install postgresql`, or put its binaries on PATH")
    # Not pytest's own folder: that one is closed to the user the server runs as, and too long for a socket's path.
    with tempfile.TemporaryDirectory(prefix="ruiji-pg-", dir="/tmp") as folder:
        server = PostgresqlServer(binaries, Path(folder), fsync=fsync)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One server for the whole run; each test takes a database of its own."""
    with run_postgresql() as server:
        yield server


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
