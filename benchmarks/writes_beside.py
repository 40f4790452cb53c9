"""What writes cost those who read: pages at half of saturation, alone and with upserts beside them.

    python -m benchmarks.comparison --items 200000 --systems ruiji --prepare-only
    python -m benchmarks.writes_beside --items 200000 --out writes_beside.md

Run it in the repository's root on a machine with nothing else to do. The catalogue, its generation and its queries are
those of the comparison; the store is a copy, since it is written to. One server on one core answers `SimilarItems` at
half of what it does when it is never idle, open loop (arrivals do not wait for answers), first alone and then with
`UpsertItems` of one item each, open loop too, which change prices. So the changes that lie beside the generation grow
while it is asked. Every round has a server and a store of its own. One change comes before all loads: with the first of
a generation a server opens its graph, which holds pages up once, for some ten milliseconds.

Ends with status 1 if the median p99 is above 10 ms alone or above 25 ms beside the upserts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import uvloop
from rich.console import Console
from ruiji.v1 import catalog_pb2, recommendation_pb2
from ruiji_server.domain.items import Price
from ruiji_server.services.messages import item_message
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import open_database

from benchmarks.comparison.catalogue import Queries, measured_queries
from benchmarks.comparison.connections import grpc_request
from benchmarks.comparison.job import Catalogue
from benchmarks.comparison.load import Generator, OpenLoop, Target, draw_queries
from benchmarks.comparison.processes import ServerProcess, free_port
from benchmarks.comparison.progress import Bar, bar
from benchmarks.comparison.ruiji import WITH_TABLE
from benchmarks.comparison.sources import synthetic
from benchmarks.comparison.systems import SIMILAR_ITEMS
from benchmarks.comparison.waiting import first_answer

UPSERT_ITEMS = "/ruiji.v1.CatalogService/UpsertItems"
ALONE_MS, BESIDE_MS = 10.0, 25.0
_WARM_UP_S = 2.0
_START_LIMIT_S = 60.0
_DRAWS = 20_000


@dataclass(frozen=True)
class Plan:
    """How it is measured."""

    pages_per_s: float | None
    """None asks for half of the saturation rate."""
    upserts_per_s: float
    rounds: int
    seconds: float
    """Of each load."""
    seed: int
    server_core: int


@dataclass(frozen=True)
class Round:
    """One server's life."""

    alone: OpenLoop
    beside: OpenLoop
    upserts: OpenLoop


def main() -> None:
    """Measure, print a Markdown table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000, help="in the catalogue (default: 200000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/comparison"), help="folder of the comparison")
    parser.add_argument("--pages", type=float, help="a second (default: half of the saturation rate)")
    parser.add_argument("--upserts", type=float, default=100.0, help="of one item each, a second (default: 100)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load (default: 10)")
    parser.add_argument("--out", type=Path, help="Markdown page to write")
    options = parser.parse_args()
    work = options.work / synthetic(options.items, options.seed).folder
    if not measured_queries(work).exists():
        sys.exit(f"{work} has no catalogue; run `python -m benchmarks.comparison --items {options.items} "
                 "--systems ruiji --prepare-only` first")  # fmt: skip
    server_core, generator_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {generator_core})
    plan = Plan(options.pages, options.upserts, options.rounds, options.seconds, options.seed, server_core)
    with bar(Console(stderr=True), "Measuring", options.rounds) as progress:
        rounds = uvloop.run(measure(work, plan, progress))
    page = report(rounds, plan)
    Console().print(page, markup=False, highlight=False)
    if options.out is not None:
        options.out.write_text(page)
    met = p99_ms([one.alone for one in rounds]) <= ALONE_MS and p99_ms([one.beside for one in rounds]) <= BESIDE_MS
    sys.exit(0 if met else 1)


async def measure(work: Path, plan: Plan, progress: Bar) -> list[Round]:
    """Return all rounds."""
    catalogue, queries = Catalogue.open(work), Queries.open(measured_queries(work))
    item_ids = [catalogue.ids[row] for row in queries.rows.tolist()]
    rounds = []
    for number in range(plan.rounds):
        rng = np.random.default_rng([plan.seed, number])
        with tempfile.TemporaryDirectory(prefix="ruiji-writes-") as folder:
            store = Path(folder) / "store.sqlite"
            shutil.copy(work / "ruiji" / "store.sqlite", store)
            # Otherwise the first commits wait until the whole copy is on the disk.
            os.sync()
            changed = rng.choice(len(catalogue.ids), 1 + round(plan.upserts_per_s * plan.seconds), replace=False)
            upserts = price_changes(store, [catalogue.ids[row] for row in changed.tolist()], rng)
            rounds.append(await one_round(Path(folder), work, item_ids, upserts, plan, rng))
        progress.advance()
    return rounds


def price_changes(store: Path, item_ids: list[str], rng: np.random.Generator) -> list[bytes]:
    """Return a request for each item that makes it a little cheaper or dearer, and leaves its picture."""
    database = open_database(f"sqlite:///{store}")
    requests = []
    for item_id, factor in zip(item_ids, rng.uniform(0.8, 1.25, len(item_ids)).tolist(), strict=True):
        stored = CatalogueStore(database).get(item_id)
        assert stored is not None
        price = Price(max(1, round(factor * stored.item.price.amount_minor)), stored.item.price.currency)
        item = item_message(replace(stored.item, price=price, picture=None))
        requests.append(catalog_pb2.UpsertItemsRequest(request_id=uuid4().hex, items=[item]).SerializeToString())
    database.close()
    return requests


async def one_round(
    folder: Path,
    work: Path,
    item_ids: list[str],
    upserts: list[bytes],
    plan: Plan,
    rng: np.random.Generator,
) -> Round:
    """Return what one server did, from its start to its end."""
    port = free_port()
    pages = [
        grpc_request(recommendation_pb2.SimilarItemsRequest(item_id=item_id).SerializeToString())
        for item_id in item_ids
    ]
    reads = Target(port, pages, SIMILAR_ITEMS)
    first, *others = (grpc_request(request) for request in upserts)
    writes = Target(port, others, UPSERT_ITEMS)
    ruiji = str(Path(sys.executable).parent / "ruiji")
    command = [
        ruiji, "serve", "--data", str(folder), "--generations", str((work / "ruiji" / WITH_TABLE).absolute()),
        "--address", f"127.0.0.1:{port}", "--drain-s", "0",
    ]  # fmt: skip
    server = ServerProcess(command, plan.server_core, folder / "server.log")
    try:
        await first_answer(server, reads, _START_LIMIT_S)
        await first_answer(server, Target(port, [first], UPSERT_ITEMS), _START_LIMIT_S)
        queries = draw_queries(len(item_ids), _DRAWS, 0.0, rng)
        async with Generator(reads) as reader, Generator(writes) as writer:
            await reader.closed_loop(queries, 32, _WARM_UP_S, server.cpu_s)
            saturation = (await reader.closed_loop(queries, 32, plan.seconds, server.cpu_s)).requests_per_s
            rate = saturation / 2 if plan.pages_per_s is None else plan.pages_per_s
            alone = await reader.open_loop(queries, rate, plan.seconds, rng)
            each_once = np.arange(len(others))
            beside, written = await asyncio.gather(
                reader.open_loop(queries, rate, plan.seconds, rng),
                writer.open_loop(each_once, plan.upserts_per_s, plan.seconds, rng),
            )
    finally:
        server.stop()
    return Round(alone, beside, written)


def p99_ms(loops: list[OpenLoop]) -> float:
    """Return the median of the rounds' p99."""
    return statistics.median(loop.latency_ms["p99"] for loop in loops)


def report(rounds: list[Round], plan: Plan) -> str:
    """Return a Markdown table."""
    rate = statistics.median(one.alone.offered_per_s for one in rounds)
    rows = {
        f"pages alone, {rate:,.0f}/s": [one.alone for one in rounds],
        f"pages, {rate:,.0f}/s, beside upserts": [one.beside for one in rounds],
        f"upserts, {plan.upserts_per_s:,.0f}/s": [one.upserts for one in rounds],
    }
    lines = ["| load | p50 ms | p99 ms | p99.9 ms | failed | p99 of each round |", "|---|---:|---:|---:|---:|---|"]
    for name, loops in rows.items():
        medians = (statistics.median(loop.latency_ms[at] for loop in loops) for at in ("p50", "p99", "p99.9"))
        each = ", ".join(f"{loop.latency_ms['p99']:.1f}" for loop in loops)
        figures = " | ".join(f"{median:.2f}" for median in medians)
        lines.append(f"| {name} | {figures} | {sum(loop.failed for loop in loops)} | {each} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
