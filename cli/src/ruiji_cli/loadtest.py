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

from ruiji_cli.children import ending_with_this
from ruiji_cli.console import ERR
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DataFolder, GenerationsFolder, TritonUrl, generations_folder

_START_TIMEOUT_S = 60.0


def loadtest(
    data: DataFolder = DEFAULT_DATA,
    generations: GenerationsFolder = None,
    target: Annotated[
        str | None, typer.Option(help="host:port of a server with this catalogue.  [default: start one on DATA]")
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="browse, picture, live, spike or soak; docs/loadtest.md says what each does.")
    ] = "browse",
    users: Annotated[int | None, typer.Option(min=1, help="Locust's users.  [default: the scenario's]")] = None,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Requests a second of the open-loop generator; 0 leaves it out.")
    ] = 200.0,
    seconds: Annotated[
        float | None, typer.Option(min=2.0, help="Length of each of the two runs.  [default: the scenario's]")
    ] = None,
    max_p99_ms: Annotated[
        float | None, typer.Option(min=0.1, help="Fail above this p99.  [default: the scenario's limits]")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Locust's processes; one makes about 2,600 requests a second.")
    ] = 1,
    report: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for Locust's HTML and CSV reports.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the server, if one is started.")] = 1,
    triton_url: TritonUrl = None,
) -> None:
    """Load a server as a marketplace would: first by Locust's users, then by an open loop that cross-checks them.

    Fails if a request failed or a p99 is above its limit. Queries by picture need a server with Triton; `live` and
    `soak` also list items and delete them again, so keep them away from a catalogue that people see.
    """
    from ruiji_loadtest.headless import locust_command
    from ruiji_loadtest.scenarios import BY_ITEM, SCENARIOS
    from ruiji_server.columns.reader import Columns
    from ruiji_server.generations.directory import GenerationDirectory

    if scenario not in SCENARIOS:
        raise UsageProblem(f"there is no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
    chosen = SCENARIOS[scenario]
    users, seconds = users or chosen.users, seconds or chosen.run_time_s
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
            target = stack.enter_context(_server(data, directory.root, workers, triton_url))
        asked = ["--item-ids", str(ids)]
        ERR.print(f"[bold]Locust[/], {scenario}: {users} users for {seconds:.0f} s")
        load = ["--scenario", scenario, "--run-time", f"{seconds:.0f}s", "--users", str(users)]
        load += ["--spawn-rate", str(users), "--connections", str(max(4, 4 * workers))]
        load += [] if max_p99_ms is None else ["--max-p99-ms", str(max_p99_ms)]
        load += [] if processes == 1 else ["--processes", str(processes)]
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)
            load += ["--html", str(report / f"{scenario}.html"), "--csv", str(report / scenario)]
        _check(locust_command(["--host", target, "--only-summary", *load, *asked]))
        if rate > 0 and BY_ITEM in chosen.max_p99_ms:
            ERR.print(f"[bold]Open loop[/], {rate:.0f} requests/s for {seconds:.0f} s")
            limit_ms = chosen.max_p99_ms[BY_ITEM] if max_p99_ms is None else max_p99_ms
            load = ["--rate", str(rate), "--duration", str(seconds), "--max-p99-ms", str(limit_ms)]
            _check([sys.executable, "-m", "ruiji_loadtest.open_loop", target, *load, *asked])


def _check(command: list[str]) -> None:
    done = subprocess.run(ending_with_this(command), check=False)
    if done.returncode != 0:
        raise UsageProblem("the load test failed; see above")


@contextlib.contextmanager
def _server(data: Path, generations: Path, workers: int, triton_url: str | None) -> Iterator[str]:
    """Serve the data folder in a process of its own; yield where."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{probe.getsockname()[1]}"
    options = ["--data", str(data), "--generations", str(generations), "--address", target, "--drain-s", "0"]
    options += ["--workers", str(workers)] + ([] if triton_url is None else ["--triton-url", triton_url])
    command = ending_with_this([sys.executable, "-m", "ruiji_cli", "serve", *options])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
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
