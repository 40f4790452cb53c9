"""What further serving processes bring and cost: `ruiji serve --workers N` for several N, side by side.

    python benchmarks/workers.py --data demo-output/data --workers 1 2

For each N: answers a second in a closed loop, the workers' CPU time an answer, and the memory that is private to each
worker (Private_Dirty of /proc/PID/smaps_rollup) beside what is mapped from files, which further workers share:
Private_Clean is what no other of them happened to read yet. The servers run at the same time
and take turns, so that a busy machine is as busy for each. The client is one process too: with more than two workers it
becomes the limit, and CPU time an answer is what remains comparable.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.columns.reader import Columns
from ruiji_server.generations.directory import GenerationDirectory

METHOD = "/ruiji.v1.RecommendationService/SimilarItems"
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(data: Path, workers: int) -> Iterator[tuple[int, list[int]]]:
    """Yield the port and the process ids of the workers."""
    # Not with -m: processes that are spawned import the script again, and with -m they would not.
    command = [str(Path(sys.executable).with_name("ruiji")), "serve", "--data", str(data), "--address", "127.0.0.1:0"]
    command += ["--drain-s", "0", "--workers", str(workers)]
    # Without compiled files each worker would compile all modules, which takes memory that it keeps.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            port = int(line.split("port ")[1].split(";")[0])
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            found = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            yield port, found or [process.pid]
        finally:
            process.terminate()


def cpu_s(pids: list[int]) -> float:
    """Return the CPU time that processes have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(user) + int(system) for *_, user, system in (field[:13] for field in fields)) / CLOCK_TICKS_PER_S


def memory_mb(pid: int, *kinds: str) -> float:
    """Return the sum of some kinds of a process's memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in kinds) / 1024


async def ask(port: int, requests: list[bytes], seconds: float) -> float:
    """Keep 32 calls under way on 16 connections; return the answers a second."""
    answered = 0
    # gRPC gives channels with equal arguments one connection.
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("bench.number", number)]) for number in range(16)]
    end_s = time.perf_counter() + seconds

    async def keep_asking(number: int) -> None:
        nonlocal answered
        call = channels[number % len(channels)].unary_unary(
            METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        while time.perf_counter() < end_s:
            await call(requests[answered % len(requests)], timeout=30.0)
            answered += 1

    await asyncio.gather(*(keep_asking(number) for number in range(32)))
    for channel in channels:
        await channel.close(None)
    return answered / seconds


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    directory = GenerationDirectory(options.data / "generations")
    columns = Columns(directory.folder(directory.current_id() or ""))
    rows = np.random.default_rng(0).integers(0, len(columns), 2_000)
    requests = [pb.SimilarItemsRequest(item_id=columns.item_id(int(row))).SerializeToString() for row in rows]
    rates: dict[int, list[float]] = {count: [] for count in options.workers}
    costs: dict[int, list[float]] = {count: [] for count in options.workers}
    with ExitStack() as stack:
        servers = {count: stack.enter_context(serving(options.data, count)) for count in options.workers}
        for number in range(options.rounds + 1):
            for count, (port, pids) in servers.items():
                before_s = cpu_s(pids)
                rate = asyncio.run(ask(port, requests, options.seconds))
                if number:  # the first round warms up
                    rates[count].append(rate)
                    costs[count].append(1e6 * (cpu_s(pids) - before_s) / (rate * options.seconds))
        print(f"{len(columns)} items, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| workers | answers/s | CPU us an answer | private MB of each | mapped MB of one |")
        print("|---:|---:|---:|---:|---:|")
        for count, (_, pids) in servers.items():
            private = ", ".join(f"{memory_mb(pid, 'Private_Dirty'):.0f}" for pid in pids)
            shared = memory_mb(pids[0], "Shared_Clean", "Shared_Dirty", "Private_Clean")
            rate, cost = statistics.median(rates[count]), statistics.median(costs[count])
            print(f"| {count} | {rate:.0f} | {cost:.0f} | {private} | {shared:.0f} |")


if __name__ == "__main__":
    main()
