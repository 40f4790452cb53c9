"""What a narrow price band costs, and what it finds: pages whose bands keep 50, 10, 1 and 0.1 % of the catalogue.

    python -m benchmarks.comparison --items 200000 --systems ruiji --prepare-only
    python -m benchmarks.price_bands --items 200000 --out price_bands.md

Run it in the repository's root on a machine with nothing else to do. The catalogue, its generation and its queries are
those of the comparison. Each item is asked for with the band around its own price that keeps the share; "plain" is the
server's own band of a factor of two. One server with the neighbour table and one without, each on one core, in turn in
each round: every page is compared with exact search over the whole catalogue, then the server is kept busy, then asked
at a rate that does not wait for answers.

Ends with status 1 if a band finds less than 0.95 of the pages or takes more than three times the plain latency.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop
from numpy.typing import NDArray
from rich.console import Console
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.ranking.price_band import PriceBand

from benchmarks.comparison.catalogue import Queries, measured_queries
from benchmarks.comparison.connections import grpc_request
from benchmarks.comparison.job import CANDIDATES, MAX_PRICE_RATIO, PAGE_SIZE, Catalogue
from benchmarks.comparison.load import ClosedLoop, Generator, OpenLoop, Target, draw_queries
from benchmarks.comparison.processes import ServerProcess, free_port
from benchmarks.comparison.progress import Bar, bar
from benchmarks.comparison.ruiji import WITH_TABLE, WITHOUT_TABLE
from benchmarks.comparison.sources import synthetic
from benchmarks.comparison.systems import SIMILAR_ITEMS
from benchmarks.comparison.waiting import first_answer

SHARES = (None, 0.5, 0.1, 0.01, 0.001)
"""Of the items on sale; None for the server's own band."""
RECALL_TARGET, LATENCY_RATIO = 0.95, 3.0
_IN_FLIGHT = 32
_WARM_UP_S = 1.0
_START_LIMIT_S = 60.0
_DRAWS = 20_000
_WIDEST = 1e6
_BISECTIONS = 40


@dataclass(frozen=True)
class Bands:
    """What is asked for, and the right answers."""

    requests: list[bytes]
    pages: list[NDArray[np.int64]]
    """Rows of the right pages."""
    kept_share: float
    """Of the items on sale, on average."""


@dataclass(frozen=True)
class Measured:
    """One share in one round."""

    recall: float
    busy: ClosedLoop
    arriving: OpenLoop


@dataclass(frozen=True)
class Plan:
    """How it is measured."""

    rounds: int
    seconds: float
    """Of each load."""
    rate_per_s: float
    server_core: int


def main() -> None:
    """Measure, print a Markdown table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000, help="in the catalogue (default: 200000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/comparison"), help="folder of the comparison")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second that do not wait (default: 200)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load (default: 4)")
    parser.add_argument("--out", type=Path, help="Markdown page to write")
    options = parser.parse_args()
    work = (options.work / synthetic(options.items, options.seed).folder).absolute()
    if not measured_queries(work).exists():
        sys.exit(f"{work} has no catalogue; run `python -m benchmarks.comparison --items {options.items} "
                 "--systems ruiji --prepare-only` first")  # fmt: skip
    console = Console(stderr=True)
    catalogue, rows = Catalogue.open(work), Queries.open(measured_queries(work)).rows
    with bar(console, "Exact answers", len(SHARES)) as progress:
        bands = {share: asked_for(catalogue, rows, share, progress) for share in SHARES}
    server_core, generator_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {generator_core})
    plan = Plan(options.rounds, options.seconds, options.rate, server_core)
    with bar(console, "Measuring", options.rounds * 2 * len(SHARES)) as progress:
        found = uvloop.run(measure(work, catalogue, bands, plan, progress))
    page, met = report(found, bands, plan)
    Console().print(page, markup=False, highlight=False)
    if options.out is not None:
        options.out.write_text(page)
    sys.exit(0 if met else 1)


def asked_for(catalogue: Catalogue, rows: NDArray[np.int64], share: float | None, progress: Bar) -> Bands:
    """Return requests for items with bands that keep a share, and the exact pages."""
    on_sale = np.flatnonzero(catalogue.on_sale)
    by_price = on_sale[np.argsort(catalogue.prices[on_sale], kind="stable")]
    prices = catalogue.prices[by_price]
    requests, pages, kept = [], [], []
    for row in rows.tolist():
        ratio = float(MAX_PRICE_RATIO)
        message = pb.SimilarItemsRequest(item_id=catalogue.ids[row])
        if share is not None:
            ratio = _ratio_that_keeps(prices, int(catalogue.prices[row]), round(share * len(prices)))
            message.ranking.max_price_ratio = ratio
        band = PriceBand.around(int(catalogue.prices[row]), ratio)
        eligible = by_price[prices.searchsorted(band.low_minor, "left") : prices.searchsorted(band.high_minor, "right")]
        kept.append(len(eligible) / len(prices))
        eligible = eligible[eligible != row]
        cosines = catalogue.cosines(row, eligible)
        nearest = np.lexsort((eligible, -cosines))[:CANDIDATES]
        pages.append(catalogue.rank(row, eligible[nearest], cosines[nearest]).rows)
        requests.append(grpc_request(message.SerializeToString()))
    progress.advance()
    return Bands(requests, pages, statistics.fmean(kept))


def _ratio_that_keeps(prices: NDArray[np.int64], price: int, wanted: int) -> float:
    """Return about the least ratio whose band around a price keeps so many of the ascending prices."""
    low, high = 1.0, _WIDEST
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5
        band = PriceBand.around(price, middle)
        kept = prices.searchsorted(band.high_minor, "right") - prices.searchsorted(band.low_minor, "left")
        low, high = (low, middle) if kept >= wanted else (middle, high)
    return high


Found = dict[tuple[str, float | None], list[Measured]]


async def measure(
    work: Path, catalogue: Catalogue, bands: dict[float | None, Bands], plan: Plan, progress: Bar
) -> Found:
    """Return what both servers did with each share in each round."""
    found: Found = defaultdict(list)
    row_of = {item_id: row for row, item_id in enumerate(catalogue.ids)}
    for number in range(plan.rounds):
        for generations in (WITH_TABLE, WITHOUT_TABLE):
            rng = np.random.default_rng(number)
            with tempfile.TemporaryDirectory(prefix="ruiji-bands-") as folder:
                port = free_port()
                ruiji = str(Path(sys.executable).parent / "ruiji")
                command = [
                    ruiji, "serve", "--data", str(work / "ruiji"), "--generations", str(work / "ruiji" / generations),
                    "--address", f"127.0.0.1:{port}", "--drain-s", "0",
                ]  # fmt: skip
                server = ServerProcess(command, plan.server_core, Path(folder) / "server.log")
                try:
                    for share, asked in bands.items():
                        target = Target(port, asked.requests, SIMILAR_ITEMS)
                        await first_answer(server, target, _START_LIMIT_S)
                        found[generations, share].append(await _one(server, target, asked, row_of, plan, rng))
                        progress.advance()
                finally:
                    server.stop()
    return found


async def _one(
    server: ServerProcess, target: Target, asked: Bands, row_of: dict[str, int], plan: Plan, rng: np.random.Generator
) -> Measured:
    queries = draw_queries(len(asked.requests), _DRAWS, 0.0, rng)
    async with Generator(target) as generator:
        shares = []
        for answer, page in zip(await generator.ask_each_once(_IN_FLIGHT), asked.pages, strict=True):
            if answer is None:
                raise RuntimeError("a request failed")
            rows = [row_of[item.item_id] for item in pb.SimilarItemsResponse.FromString(answer).items]
            shares.append(np.isin(page, rows).mean() if len(page) else 1.0)
        await generator.closed_loop(queries, _IN_FLIGHT, _WARM_UP_S, server.cpu_s)
        busy = await generator.closed_loop(queries, _IN_FLIGHT, plan.seconds, server.cpu_s)
        arriving = await generator.open_loop(queries, plan.rate_per_s, plan.seconds, rng)
    return Measured(statistics.fmean(shares), busy, arriving)


def report(found: Found, bands: dict[float | None, Bands], plan: Plan) -> tuple[str, bool]:
    """Return a Markdown table, and whether every band meets both targets."""
    latencies = f"p50 ms at {plan.rate_per_s:.0f}/s | p99 ms | p50 / plain p50"
    lines = [
        f"| generation | band | keeps | recall@{PAGE_SIZE} | CPU us a request | {latencies} |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    met = True
    for generations, title in ((WITH_TABLE, "with table"), (WITHOUT_TABLE, "without")):
        plain_ms = _median(found[generations, None], "p50")
        for share in SHARES:
            rounds = found[generations, share]
            recall = statistics.fmean(one.recall for one in rounds)
            p50_ms = _median(rounds, "p50")
            met = met and recall >= RECALL_TARGET and p50_ms <= LATENCY_RATIO * plain_ms
            cells = (
                title,
                "plain" if share is None else f"{share:.1%}",
                f"{bands[share].kept_share:.2%}",
                f"{recall:.3f}",
                f"{statistics.median(one.busy.cpu_us for one in rounds):,.0f}",
                f"{p50_ms:.2f}",
                f"{_median(rounds, 'p99'):.2f}",
                f"{p50_ms / plain_ms:.2f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""]), met


def _median(rounds: list[Measured], percentile: str) -> float:
    return statistics.median(one.arriving.latency_ms[percentile] for one in rounds)


if __name__ == "__main__":
    main()
