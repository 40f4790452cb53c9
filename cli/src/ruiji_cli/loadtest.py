"""`ruiji loadtest`: Locust and the open-loop generator against one server, with the ids of one generation."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli.console import ERR
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DataFolder, GenerationsFolder, generations_folder

_START_TIMEOUT_S = 60.0


def loadtest(
    data: DataFolder = DEFAULT_DATA,
    generations: GenerationsFolder = None,
    target: Annotated[
        str | None, typer.Option(help="host:port of a server with this catalogue.  [default: start one on DATA]")
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Locust's users; each asks ten times a second.")] = 20,
    rate: Annotated[float, typer.Option(min=1.0, help="Requests a second of the open-loop generator.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=2.0, help="Length of each of the two runs.")] = 15.0,
    max_p99_ms: Annotated[float, typer.Option(min=0.1, help="Fail above this p99.")] = 100.0,
) -> None:
    """Load a server with similar-item queries: first by Locust, then by an open loop that cross-checks its percentiles.

    Fails if a request failed or a p99 is above the limit. Items are asked for with Zipf popularity.
    """
    from ruiji_loadtest.headless import locust_command
    from ruiji_server.columns.reader import Columns
    from ruiji_server.generations.directory import GenerationDirectory

    directory = GenerationDirectory(generations_folder(data, generations))
    current = directory.current_id()
    if current is None:
        raise UsageProblem(
            f"{directory.root} has no published generation; `ruiji demo` or `ruiji index build` makes one"
        )
    columns = Columns(directory.folder(current))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        ids = Path(folder) / "ids.txt"
        ids.write_text("".join(f"{columns.item_id(row)}\n" for row in range(len(columns))), encoding="utf-8")
        if target is None:
            target = stack.enter_context(_server(data, directory.root))
        limit = ["--item-ids", str(ids), "--max-p99-ms", str(max_p99_ms)]
        ERR.print(f"[bold]Locust[/], {users} users for {seconds:.0f} s")
        run_time = ["--run-time", f"{seconds:.0f}s", "--users", str(users), "--spawn-rate", str(users)]
        _check(locust_command(["--host", target, "--only-summary", *run_time, *limit]))
        ERR.print(f"[bold]Open loop[/], {rate:.0f} requests/s for {seconds:.0f} s")
        timing = ["--rate", str(rate), "--duration", str(seconds)]
        _check([sys.executable, "-m", "ruiji_loadtest.open_loop", target, *timing, *limit])


def _check(command: list[str]) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise UsageProblem("the load test failed; see above")


@contextlib.contextmanager
def _server(data: Path, generations: Path) -> Iterator[str]:
    """Serve the data folder in a process of its own; yield where."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{probe.getsockname()[1]}"
    options = ["--data", str(data), "--generations", str(generations), "--address", target, "--drain-s", "0"]
    process = subprocess.Popen([sys.executable, "-m", "ruiji_cli", "serve", *options], stdout=subprocess.DEVNULL)
    try:
        _wait_until_healthy(target, process)
        yield target
    finally:
        process.terminate()
        process.wait(timeout=_START_TIMEOUT_S)


def _wait_until_healthy(target: str, process: subprocess.Popen[bytes]) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    deadline = time.monotonic() + _START_TIMEOUT_S
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < deadline and process.poll() is None:
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=1.0)
            except grpc.RpcError:
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(0.1)
    raise UsageProblem(f"the server did not come up on {target}; see above")
