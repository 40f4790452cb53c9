"""Do Locust and the open loop see the same percentiles below saturation?

    python benchmarks/check_percentiles.py localhost:50051 --item-ids ids.txt --rate 100

Both ask at the same mean rate, one after the other. They agree where p50 and p99 differ by at most 20 %, or by the
millisecond to which Locust rounds. A neighbour on the machine can spoil either run, so the pair is repeated a few
times; generators that measure differently would never agree. Exit code 1 if they did not.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ruiji_loadtest.headless import locust_command

TOLERANCE = 0.2
LOCUST_ROUNDS_TO_MS = 1.0
PER_USER = 5.0


def by_locust(target: str, item_ids: Path, rate_per_s: float, seconds: float) -> dict[str, float]:
    """Return Locust's p50 and p99 in milliseconds."""
    users = str(round(rate_per_s / PER_USER))
    with tempfile.TemporaryDirectory() as folder:
        options = ["--host", target, "--item-ids", str(item_ids), "--users", users, "--spawn-rate", users]
        options += ["--requests-per-user", str(PER_USER), "--run-time", f"{seconds:.0f}s", "--only-summary"]
        options += ["--max-p99-ms", "60000", "--csv", f"{folder}/run"]
        _run(locust_command(options))
        with Path(f"{folder}/run_stats.csv").open(newline="") as file:
            [row] = [row for row in csv.DictReader(file) if row["Name"] == "SimilarItems"]
    return {"p50": float(row["50%"]), "p99": float(row["99%"])}


def by_open_loop(target: str, item_ids: Path, rate_per_s: float, seconds: float) -> dict[str, float]:
    """Return the open loop's p50 and p99 in milliseconds."""
    command = [sys.executable, "-m", "ruiji_loadtest.open_loop", target, "--item-ids", str(item_ids), "--json"]
    command += ["--rate", str(rate_per_s), "--duration", str(seconds)]
    latency = json.loads(_run(command))["latency_ms"]
    return {name: latency[name] for name in ("p50", "p99")}


def _run(command: list[str]) -> str:
    """Return what a generator prints; end with its complaint if it fails, for instance because nobody answers."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the load failed, so there is nothing to compare:\n{done.stderr[-2_000:] or done.stdout[-2_000:]}")
    return done.stdout


def agree(one_ms: float, other_ms: float) -> bool:
    """Return whether two percentiles are the same as far as can be told."""
    return abs(one_ms - other_ms) <= max(TOLERANCE * max(one_ms, other_ms), LOCUST_ROUNDS_TO_MS)


def main() -> None:
    """Compare, and exit with 1 if they never agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="host:port of a running server")
    parser.add_argument("--item-ids", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, well below saturation")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--tries", type=int, default=5)
    options = parser.parse_args()
    load = (options.target, options.item_ids, options.rate, options.seconds)
    for attempt in range(1, options.tries + 1):
        locust, open_loop = by_locust(*load), by_open_loop(*load)
        same = {name: agree(locust[name], open_loop[name]) for name in locust}
        for name, agreed in same.items():
            verdict = "agree" if agreed else "differ"
            print(f"try {attempt}, {name}: Locust {locust[name]:.1f} ms, open loop {open_loop[name]:.1f} ms: {verdict}")
        if all(same.values()):
            return
    sys.exit("the generators never agreed: one of them is at its limit, or measures something else")


if __name__ == "__main__":
    main()
