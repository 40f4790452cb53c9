"""Measure Ruiji beside what a team would build instead, and write a report.

    python -m benchmarks.comparison --items 200000 --prepare-only
    python -m benchmarks.comparison --items 200000 --out benchmarks/results/comparison-200k.md
    python -m benchmarks.comparison --items 1000000 --systems ruiji,faiss,hnswlib,floor --build-limit 7200
    python -m benchmarks.comparison --items 5000000 --systems ruiji-index --build-limit 14400
    python -m benchmarks.comparison --items 20000 --rounds 1 --seconds 2 --systems ruiji,faiss,floor

Run it in the repository's root on a machine with nothing else to do: servers get one core, the load generator another.
What is slow is kept in `--work` and made once: items, exact answers, indexes, search parameters. `--prepare-only` stops
there. The other systems live in an environment of their own; see benchmarks/requirements-comparison.txt.

A system whose answers break the job, or that does not reach a recall@20 of 0.95 with any breadth of its search, is
named in the report with the reason, and not measured.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks.comparison.catalogue import prepare
from benchmarks.comparison.progress import bar
from benchmarks.comparison.report import write_report
from benchmarks.comparison.rounds import Measured, Plan, measure
from benchmarks.comparison.systems import SYSTEMS, Settings, chosen, prepare_all

_START_AND_STOP_S = 6.0
"""Of a server, about."""


def main() -> None:
    """Prepare, measure, report."""
    options = parse_arguments()
    console = Console(stderr=True, highlight=False)
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("this needs two cores: one for servers and one for the load generator")
    settings = Settings(
        work=(options.work / f"items-{options.items}-seed-{options.seed}").absolute(),
        items=options.items,
        seed=options.seed,
        engines_python=options.engines_python,
        build_limit_s=options.build_limit,
    )
    try:
        systems = chosen(options.systems)
    except ValueError as error:
        sys.exit(str(error))
    with bar(console, "Preparing", 1 + len(systems)) as progress:
        prepare(
            settings.work,
            options.items,
            options.seed,
            measured=options.queries,
            tuning=options.queries // 3,
            tell=progress.tell,
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
    write_report(options.out, systems, results, settings, plan, command)
    console.print(f"Written: {options.out}")


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.comparison",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--items", type=int, default=200_000, help="in the catalogue (default: 200000)")
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
