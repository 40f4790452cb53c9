"""What callers notice of a new generation: latencies while one is taken up, beside those of other moments.

    python -m benchmarks.swap --data demo-output/data --rate 300 --swaps 10

Starts `ruiji serve` on a data folder, asks open loop (arrivals do not wait for answers), and publishes the same
generation again and again under new ids; the copies are links and are removed at the end. A request counts as beside a
swap if it was due within `--around` seconds of the publication or of the first answer by the new generation. A swap has
to fail no call, and its p99 has to stay below three times the usual one.

Ends with status 1 if that is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import uvloop
from rich.console import Console
from ruiji_client import AsyncRuijiClient, ClientSettings, RuijiClientError
from ruiji_server.columns.reader import Columns
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.leases import new_folder
from ruiji_server.generations.manifest import new_generation_id, read_manifest, write_manifest

from benchmarks.workers import serving

ALLOWED_RATIO = 3.0
_FIRST_SWAP_S = 3.0


@dataclass
class Answers:
    """What was asked, in the order of arrival; times in seconds since the load began."""

    due_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    generation_id: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (default: 200)")
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--every", type=float, default=4.0, help="seconds from swap to swap (default: 4)")
    parser.add_argument("--around", type=float, default=0.5, help="seconds that count as beside a swap (default: 0.5)")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    directory = GenerationDirectory(arguments.data / "generations")
    current = directory.require()
    with ExitStack() as stack:
        stack.callback(directory.publish, current)
        port, _ = stack.enter_context(serving(arguments.data, arguments.workers))
        answers, published = uvloop.run(load(directory, current, port, arguments))
        for generation_id in published:
            stack.callback(shutil.rmtree, directory.folder(generation_id))
    sys.exit(0 if report(Console(), directory, current, answers, published, arguments) else 1)


async def load(
    directory: GenerationDirectory, current: str, port: int, arguments: argparse.Namespace
) -> tuple[Answers, dict[str, float]]:
    """Ask and publish; return the answers, and when each new generation was published."""
    answers, published = Answers(), dict[str, float]()
    columns, rng = Columns(directory.folder(current)), np.random.default_rng(0)
    length_s = _FIRST_SWAP_S + arguments.swaps * arguments.every
    arrivals_s = np.cumsum(rng.exponential(1 / arguments.rate, int(1.1 * arguments.rate * length_s)))
    arrivals_s = arrivals_s[arrivals_s < length_s]
    item_ids = [columns.item_id(int(row)) for row in rng.integers(0, len(columns), len(arrivals_s))]
    async with AsyncRuijiClient(ClientSettings(f"127.0.0.1:{port}")) as client:
        await client.similar_items(item_id=item_ids[0], timeout_s=30.0)
        began = time.perf_counter()

        async def ask(due_s: float, item_id: str) -> None:
            try:
                generation_id = (await client.similar_items(item_id=item_id, timeout_s=5.0)).generation_id
            except RuijiClientError as error:
                answers.failures.append(str(error))
                generation_id = ""
            answers.due_s.append(due_s)
            answers.latency_s.append(time.perf_counter() - began - due_s)
            answers.generation_id.append(generation_id)

        async def publish() -> None:
            for number in range(arguments.swaps):
                await asyncio.sleep(began + _FIRST_SWAP_S + number * arguments.every - time.perf_counter())
                generation_id = await asyncio.to_thread(publish_copy, directory, current)
                published[generation_id] = time.perf_counter() - began

        async with asyncio.TaskGroup() as group:
            group.create_task(publish())
            for due_s, item_id in zip(arrivals_s.tolist(), item_ids, strict=True):
                await asyncio.sleep(max(0.0, began + due_s - time.perf_counter()))
                group.create_task(ask(due_s, item_id))
    return answers, published


def publish_copy(directory: GenerationDirectory, generation_id: str) -> str:
    """Publish a generation under a new id; return that."""
    source, copy_id = directory.folder(generation_id), new_generation_id(datetime.now(UTC))
    manifest = read_manifest(source)
    aside = directory.root / f".{copy_id}"
    with new_folder(aside):
        for name in manifest.files:
            os.link(source / name, aside / name)
        write_manifest(aside, replace(manifest, generation_id=copy_id))
        directory.adopt(aside, copy_id)
    return copy_id


def report(
    console: Console,
    directory: GenerationDirectory,
    current: str,
    answers: Answers,
    published: dict[str, float],
    arguments: argparse.Namespace,
) -> bool:
    """Print what was found; return whether callers noticed little enough."""
    due_s, latency_ms = np.array(answers.due_s), 1e3 * np.array(answers.latency_s)
    by = np.array(answers.generation_id)
    seen_s = {generation_id: due_s[by == generation_id].min(initial=np.inf) for generation_id in published}
    beside = np.zeros(len(due_s), dtype=np.bool_)
    for moment_s in (*published.values(), *seen_s.values()):
        beside |= np.abs(due_s - moment_s) <= arguments.around
    taken_up_s = [seen_s[generation_id] - moment_s for generation_id, moment_s in published.items()]
    items = read_manifest(directory.folder(current)).items
    rows = {"beside a swap": latency_ms[beside], "otherwise": latency_ms[~beside]}
    console.print(
        f"{items:,} items, {arguments.rate:.0f} requests/s, {arguments.workers} worker(s), "
        f"{psutil.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(published)} swaps, taken up "
        f"{np.median(taken_up_s):.2f} s after publication (at most {max(taken_up_s):.2f}); "
        f"{len(answers.failures)} of {len(due_s)} calls failed\n"
    )
    console.print("| requests | n | p50 ms | p99 ms | max ms |\n|---|---:|---:|---:|---:|")
    for name, values in rows.items():
        p50, p99, most = np.percentile(values, [50, 99, 100], method="higher")
        console.print(f"| {name} | {len(values):,} | {p50:.1f} | {p99:.1f} | {most:.1f} |")
    ratio = float(np.percentile(rows["beside a swap"], 99) / np.percentile(rows["otherwise"], 99))
    console.print(f"\np99 beside a swap is {ratio:.2f} times the usual (allowed: {ALLOWED_RATIO:g})")
    return not answers.failures and bool(np.isfinite(taken_up_s).all()) and ratio <= ALLOWED_RATIO


if __name__ == "__main__":
    main()
