"""The result as a Markdown page, with everything that was measured in JSON and a plot beside it."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.comparison.load import OpenLoop
from benchmarks.comparison.rounds import Measured, Plan
from benchmarks.comparison.systems import Settings, System

OWN_PACKAGES = ("grpcio", "protobuf", "uvloop", "usearch", "numpy")
_REPOSITORY = Path(__file__).resolve().parents[2]


def write_report(
    out: Path,
    systems: Sequence[System],
    results: dict[str, Measured],
    settings: Settings,
    plan: Plan,
    source: str,
    command: str,
) -> None:
    """Write `out` (Markdown), and JSON and PNG of the same name beside it.

    Args:
        out: the page.
        systems: rows, in their order.
        results: what was measured, by name.
        settings: see there.
        plan: how everyone was measured.
        source: what the items are, for people.
        command: that did it.
    """
    facts = {
        system.name: system.facts(settings)
        for system in systems
        if results[system.name].closed and results[system.name].failure is None
    }
    surroundings = _surroundings(systems, settings, command)
    out.parent.mkdir(parents=True, exist_ok=True)
    raw = {
        "surroundings": surroundings,
        "plan": asdict(plan),
        "items": settings.items,
        "source": source,
        "systems": {name: {"facts": facts.get(name), **found.as_json()} for name, found in results.items()},
    }
    out.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    _plot(out.with_suffix(".png"), systems, results, settings)
    out.write_text(_page(out, systems, results, facts, settings, plan, source, surroundings))


def _page(
    out: Path,
    systems: Sequence[System],
    results: dict[str, Measured],
    facts: dict[str, dict[str, Any]],
    settings: Settings,
    plan: Plan,
    source: str,
    surroundings: dict[str, Any],
) -> str:
    answered = [system for system in systems if results[system.name].closed and results[system.name].failure is None]
    failed = [system for system in systems if results[system.name].failure is not None]
    common = f"{plan.common_rate_per_s:g}/s"
    speed = [
        "| system | recall@20 | breadth | requests/s per core | CPU us a request | requests/s at saturation | "
        f"p50 / p99 / p99.9 ms at half of it | p50 / p99 / p99.9 ms at {common} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    size = [
        "| system | memory (PSS) MB | bytes an item | files, bytes an item | build s | build's peak MB | "
        "start to first page s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for system in answered:
        found, known = results[system.name], facts[system.name]
        breadth = "" if system.is_floor else str(known["breadth"])
        speed.append(
            f"| {system.title} | {'' if found.recall is None else f'{found.recall:.3f}'} | {breadth} "
            f"| {_spread([1e6 / loop.cpu_us for loop in found.closed])} "
            f"| {_spread([loop.cpu_us for loop in found.closed])} "
            f"| {_spread([loop.requests_per_s for loop in found.closed])} "
            f"| {_latencies(found.at_half)} | {_latencies(found.at_common)} |"
        )
        if not system.is_floor:
            pss = statistics.median(found.pss_bytes)
            size.append(
                f"| {system.title} | {_spread([value / 1e6 for value in found.pss_bytes])} "
                f"| {pss / settings.items:.0f} | {known['served_bytes'] / settings.items:.0f} "
                f"| {known['build_s']:.0f} | {known['build_peak_bytes'] / 1e6:,.0f} | {_spread(found.start_s, 2)} |"
            )
    picture = out.with_suffix(".png")
    lines = [
        f"# Similar items, side by side: {settings.items:,} items",
        "",
        f"Measured {surroundings['date']} on {surroundings['cpu']}, {surroundings['cores']} cores, "
        f"{surroundings['memory_gb']} GB, by",
        "",
        f"    {surroundings['command']}",
        "",
        f"Medians of {plan.rounds} rounds, lowest to highest in brackets; loads of {plan.seconds:g} s and more; "
        f"items {source}; queries {'uniform' if plan.zipf_exponent == 0 else f'Zipf {plan.zipf_exponent:g}'}. "
        f"How to read it: {_reference('docs/benchmarks.md', out)}.",
        "",
        *speed,
        "",
        *size,
        "",
        *(f"- **{system.title}** was not measured: {results[system.name].failure}" for system in failed),
        *_comparisons(results),
        "",
        *([f"![Requests/s per core against p99]({picture.name})", ""] if picture.exists() else []),
        f"Python {surroundings['python']}, Linux {surroundings['kernel']}, load average at the end "
        f"{surroundings['load_average']}. Ruiji: {_versions(surroundings['ruiji'])}. "
        f"Others: {_versions(surroundings['others'])}.",
        "",
    ]
    return "\n".join(lines)


def _reference(path: str, page: Path) -> str:
    """Return a link from a page to a file of the repository, or the file's name where the page lies elsewhere."""
    folder = page.resolve().parent
    if not folder.is_relative_to(_REPOSITORY):
        # Any link would hold the place of this checkout, on this machine.
        return f"`{path}` in Ruiji's repository"
    return f"[{path}]({os.path.relpath(_REPOSITORY / path, folder)})"


def _comparisons(results: dict[str, Measured]) -> list[str]:
    """Return what the targets ask for: ratios within this run."""

    def rate(name: str) -> float | None:
        found = results.get(name)
        if found is None or found.failure is not None or not found.closed:
            return None
        return statistics.median(1e6 / loop.cpu_us for loop in found.closed)

    ours = rate("ruiji")
    if ours is None:
        return []
    lines = []
    rivals = {name: rival for name in results if not name.startswith(("ruiji", "floor")) and (rival := rate(name))}
    if rivals:
        best = max(rivals, key=rivals.__getitem__)
        lines.append(f"- Ruiji does {ours / rivals[best]:.2f} times the requests/s per core of the best other, {best}.")
    if floor := rate("floor"):
        lines.append(f"- It reaches {ours / floor:.0%} of its own gRPC server answering constant bytes.")
    return lines


def _spread(values: Sequence[float], digits: int = 0) -> str:
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _latencies(loops: Sequence[OpenLoop]) -> str:
    if not loops:
        return "cannot"
    medians = [statistics.median(loop.latency_ms[name] for loop in loops) for name in ("p50", "p99", "p99.9")]
    text = " / ".join("never" if math.isinf(value) else f"{value:.2f}" for value in medians)
    failed = sum(loop.failed for loop in loops)
    return f"{text}, {failed} failed" if failed else text


def _plot(path: Path, systems: Sequence[System], results: dict[str, Measured], settings: Settings) -> None:
    mpl.use("Agg")
    shown: list[tuple[str, float, float, str]] = []
    for system in systems:
        found = results[system.name]
        if not found.closed or found.failure is not None:
            continue
        rate = statistics.median(1e6 / loop.cpu_us for loop in found.closed)
        p99 = statistics.median(loop.latency_ms["p99"] for loop in found.at_half)
        colour = "lightgrey" if system.is_floor else "tab:red" if system.name.startswith("ruiji") else "tab:blue"
        if not math.isinf(p99):
            shown.append((system.title, rate, p99, colour))
    if not shown:
        path.unlink(missing_ok=True)
        return
    titles, rates, p99s, colours = zip(*reversed(shown), strict=True)
    figure = Figure(figsize=(10, 0.6 * len(shown) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.bar_label(left.barh(titles, rates, color=colours), fmt="{:,.0f}", padding=3)
    right.bar_label(right.barh(titles, p99s, color=colours), fmt="{:.1f}", padding=3)
    left.set(xlabel="requests/s per core (longer is better)")
    right.set(xlabel="p99 in ms at half of saturation (shorter is better)")
    for axes in (left, right):
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Similar items by id, {settings.items:,} items")
    figure.savefig(path, dpi=120)


def _surroundings(systems: Sequence[System], settings: Settings, command: str) -> dict[str, Any]:
    cpu = subprocess.run(["lscpu", "--json"], capture_output=True, text=True, check=True)
    fields = {entry["field"].rstrip(":"): entry["data"] for entry in json.loads(cpu.stdout)["lscpu"]}
    packages = sorted({package for system in systems for package in system.packages})
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cpu": f"{fields['Model name']} (family {fields.get('CPU family')}, model {fields.get('Model')})",
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": f"{os.getloadavg()[0]:.1f}",
        "command": command,
        "ruiji": {package: version(package) for package in OWN_PACKAGES},
        "others": _versions_there(settings.engines_python, packages),
    }


def _versions_there(python: Path, packages: Sequence[str]) -> dict[str, str]:
    if not packages or not python.exists():
        return {}
    code = (
        "import json, sys; from importlib.metadata import version;"
        "print(json.dumps({package: version(package) for package in sys.argv[1:]}))"
    )
    found = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(found.stdout)
    return versions


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{package} {number}" for package, number in versions.items()) or "none"
