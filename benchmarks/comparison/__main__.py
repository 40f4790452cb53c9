"""Measure Ruiji beside what a team would build instead, and write a report.

    python -m benchmarks.comparison --items 200000 --prepare-only
    python -m benchmarks.comparison --items 200000 --out benchmarks/results/comparison-200k.md
    python -m benchmarks.comparison --items 1000000 --systems ruiji,faiss,hnswlib,floor --build-limit 7200
    python -m benchmarks.comparison --items 5000000 --systems ruiji-index --build-limit 14400
    python -m benchmarks.comparison --items 20000 --rounds 1 --seconds 2 --systems ruiji,faiss,floor
    python -m benchmarks.comparison --store sqlite:///ruiji-data/store.sqlite --out mine.md

Run it in the repository's root on a machine with nothing else to do: servers get one core, the load generator another.
What is slow is kept in `--work` and made once: items, exact answers, indexes, search parameters. `--prepare-only` stops
there. The other systems live in an environment of their own; see benchmarks/requirements-comparison.txt. With `--store`
the items are those that the promoted encoder of a store of yours has embedded; the store is only read.

A system whose answers break the job, or that does not reach a recall@20 of 0.95 with any breadth of its search, is
named in the report with the reason, and not measured.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console
from ruiji_server.generations.errors import DirectoryBusy
from ruiji_server.generations.leases import only_one
from ruiji_server.store.engine import StoreError

from benchmarks.comparison.catalogue import item_count, prepare
from benchmarks.comparison.progress import bar
from benchmarks.comparison.report import write_report
from benchmarks.comparison.rounds import Measured, Plan, measure
from benchmarks.comparison.sources import Source, SourceError, of_store, synthetic
from benchmarks.comparison.systems import SYSTEMS, Settings, System, chosen, prepare_all

_START_AND_STOP_S = 6.0
"""Of a server, about."""


def main() -> None:
    """Prepare, measure, report."""
    options = parse_arguments()
    console = Console(stderr=True, highlight=False)
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("this needs two cores: one for servers and one for the load generator")
    try:
        systems = chosen(options.systems)
        source = (
            synthetic(options.items, options.seed)
            if options.store is None
            else of_store(options.store, options.encoder)
        )
    except (ValueError, SourceError, StoreError) as error:
        sys.exit(str(error))
    work = (options.work / source.folder).absolute()
    work.mkdir(parents=True, exist_ok=True)
    try:
        # A second one would remove what the first is building, and measure beside it.
        with only_one(work / "comparison.lock", "comparing"):
            compare(options, systems, source, work, console)
    except (SourceError, DirectoryBusy) as error:
        sys.exit(str(error))


def compare(
    options: argparse.Namespace, systems: Sequence[System], source: Source, work: Path, console: Console
) -> None:
    """Prepare a catalogue in its folder, measure, report.

    Raises:
        SourceError: the catalogue cannot be prepared.
    """
    with bar(console, "Preparing", 1 + len(systems)) as progress:
        queries, tuning = options.queries, options.queries // 3
        prepare(work, source, options.seed, measured=queries, tuning=tuning, tell=progress.tell)
        settings = Settings(
            work=work,
            items=item_count(work),
            engines_python=options.engines_python,
            build_limit_s=options.build_limit,
        )
        progress.advance()
        failures = prepare_all(systems, settings, progress)
    if options.prepare_only:
        sys.exit(1 if failures else 0)
    server_core, generator_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {generator_core})
    plan = Plan(
        rounds=options.rounds,
        seconds=options.seconds,
        warm_up_s=options.warm_up,
        in_flight=options.in_flight,
        common_rate_per_s=options.common_rate,
        zipf_exponent=options.zipf,
        server_core=server_core,
        start_limit_s=options.start_limit,
        answers_limit_s=options.answers_limit,
    )
    ready = [system for system in systems if system.name not in failures]
    loads_s = 3 * options.seconds + options.warm_up
    minutes = len(ready) * options.rounds * (loads_s + _START_AND_STOP_S) / 60
    console.print(f"Measuring: about {minutes:.0f} minutes, longer where a system is slow")
    with bar(console, "Measuring", len(ready) * options.rounds) as progress:
        results = uvloop.run(measure(ready, settings, plan, progress))
    results |= {name: Measured(failure=reason) for name, reason in failures.items()}
    command = f"python -m benchmarks.comparison {shlex.join(sys.argv[1:])}"
    write_report(options.out, systems, results, settings, plan, source.description, command)
    console.print(f"Written: {options.out}")


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.comparison",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    items = parser.add_mutually_exclusive_group()
    items.add_argument("--items", type=int, default=200_000, help="so many synthetic ones (default: 200000)")
    items.add_argument("--store", help="SQLAlchemy URL of a store whose items and embeddings to take instead")
    parser.add_argument("--encoder", help="of the store, whose embeddings to take (default: the promoted one)")
    parser.add_argument("--rounds", type=int, default=3, help="in which each system is measured once (default: 3)")
    parser.add_argument("--systems", help=f"comma-separated, of {','.join(system.name for system in SYSTEMS)}")
    parser.add_argument("--out", type=Path, default=Path("build/comparison.md"), help="with .json and .png beside it")
    parser.add_argument("--work", type=Path, default=Path("build/comparison"), help="folder of what is made once")
    parser.add_argument("--prepare-only", action="store_true", help="build and tune, measure nothing")
    parser.add_argument("--engines-python", type=Path, default=Path(".venv/comparison/bin/python"))
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        help="of each of three loads; up to five times as long for a system too slow for 500 arrivals (default: 10)",
    )
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before them (default: 1)")
    parser.add_argument("--in-flight", type=int, default=32, help="requests under way at saturation (default: 32)")
    parser.add_argument("--common-rate", type=float, default=300.0, help="requests/s for all alike (default: 300)")
    parser.add_argument("--queries", type=int, default=1_000, help="held-out items that are asked for (default: 1000)")
    parser.add_argument("--zipf", type=float, default=0.0, help="exponent of the queries' popularity (default: 0)")
    parser.add_argument(
        "--build-limit", type=float, default=1_800.0, help="seconds for each build and each tuning (default: 1800)"
    )
    parser.add_argument("--start-limit", type=float, default=60.0, help="seconds to the first page (default: 60)")
    parser.add_argument(
        "--answers-limit", type=float, default=600.0, help="seconds for one page of each query (default: 600)"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.encoder is not None and options.store is None:
        parser.error("--encoder is one of a store: give its --store")
    return options


if __name__ == "__main__":
    main()
