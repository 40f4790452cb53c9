"""Writes what simulated units did as a folder of events, in the very tables that a server writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ruiji_events.schema import SCHEMAS, Table

from ruiji_experiments.simulation.population import Population, draw_units, live

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_experiments.simulation.population import Days

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class SimulatedArm:
    """One variant and what it does to people."""

    ctr_lift: float = 0.0
    """Relative, on everybody's readiness to tap."""
    cvr_lift: float = 0.0
    """Relative, on everybody's readiness to buy."""
    latency_factor: float = 1.0
    """On the server's latency."""
    error_share: float = 0.0
    """Of requests, besides the population's none."""
    short_share: float = 0.002
    """Of pages that are short though the catalogue has more."""


@dataclass(frozen=True, slots=True)
class SimulatedExperiment:
    """An experiment on simulated units."""

    name: str = "simulated"
    """Of the experiment."""
    arms: Mapping[str, SimulatedArm] = field(
        default_factory=lambda: {"control": SimulatedArm(), "treatment": SimulatedArm(ctr_lift=0.5, cvr_lift=0.14)}
    )
    """By variant."""
    units_per_arm: int = 2000
    """Units."""
    start: datetime = datetime(2026, 5, 4, tzinfo=UTC)
    """First moment."""
    days: int = 14
    """Length."""
    pre_days: int = 14
    """Days of the log before the start."""
    population: Population = field(default_factory=Population)
    """Who."""
    items: int = 500
    """Of the catalogue, named i-0000 and so on."""
    seed: int = 0
    """Of everything."""


def write_event_log(root: Path, simulated: SimulatedExperiment) -> None:
    """Write impressions, taps and purchases of an experiment and of the time before it."""
    rng = np.random.default_rng(simulated.seed)
    rows: dict[Table, list[dict[str, Any]]] = {Table.IMPRESSIONS: [], Table.TAPS: [], Table.PURCHASES: []}
    for number, (variant, arm) in enumerate(simulated.arms.items()):
        units = draw_units(simulated.population, 1, simulated.units_per_arm, rng)
        names = [f"{number:02x}{unit:014x}" for unit in range(simulated.units_per_arm)]
        past = live(simulated.population, units, simulated.pre_days, rng) if simulated.pre_days else None
        first_day = rng.integers(simulated.days, size=units.activity.shape).astype(np.float64)
        during = live(
            simulated.population,
            units,
            simulated.days,
            rng,
            ctr_lift=arm.ctr_lift,
            cvr_lift=arm.cvr_lift,
            first_day=first_day,
        )
        writer = _Writer(simulated, rng, rows)
        if past is not None:
            writer.write(past, names, -simulated.pre_days, None, SimulatedArm())
        writer.write(during, names, 0, variant, arm)
    for table, found in rows.items():
        write_rows(root, table, found)


class _Writer:
    """Spreads what a unit did on a day over its pages."""

    def __init__(
        self, simulated: SimulatedExperiment, rng: np.random.Generator, rows: dict[Table, list[dict[str, Any]]]
    ) -> None:
        self._simulated = simulated
        self._rng = rng
        self._rows = rows
        self._start_us = int(simulated.start.timestamp() * 1_000_000)

    def write(self, days: Days, names: list[str], first: int, variant: str | None, arm: SimulatedArm) -> None:
        size = self._simulated.population.page_size
        for unit, day in zip(*np.nonzero(days.impressions[0]), strict=True):
            pages = int(days.impressions[0, unit, day]) // size
            tapped = self._rng.permutation(pages * size)[: int(days.taps[0, unit, day])]
            bought = tapped[: int(days.purchases[0, unit, day])]
            # No two pages of a unit at one moment, and no tap before its page.
            at = self._start_us + (first + int(day)) * _DAY_US + np.sort(self._rng.integers(_DAY_US - 2, size=pages))
            for page in range(pages):
                places = range(page * size, page * size + size)
                taps = [int(place) - page * size for place in tapped if int(place) in places]
                purchases = [int(place) - page * size for place in bought if int(place) in places]
                self._page(int(at[page]), names[unit], variant, arm, taps, purchases)

    def _page(
        self, at: int, unit: str, variant: str | None, arm: SimulatedArm, taps: list[int], purchases: list[int]
    ) -> None:
        simulated, rng = self._simulated, self._rng
        request = f"r-{len(self._rows[Table.IMPRESSIONS]):08d}"
        query, *items = (
            f"i-{item:04d}" for item in rng.permutation(simulated.items)[: simulated.population.page_size + 1]
        )
        common = {"received": at + 1_000_000, "request_id": request, "unit": unit}
        chosen = [] if variant is None else [{"experiment": simulated.name, "variant": variant, "forced": False}]
        failed, short = rng.random(2) < (arm.error_share, arm.short_share)
        self._rows[Table.IMPRESSIONS].append(
            common
            | {
                "event_id": f"{request}-i",
                "time": at,
                "query_item_id": query,
                "experiments": chosen,
                "source": "server",
                "latency_us": int(3_000 * arm.latency_factor * rng.lognormal(0, 0.4)),
                "exhausted": False,
                "error": "DEADLINE" if failed and not taps else None,
                "page_size": len(items) + bool(short),
                "items": [{"item_id": item, "position": place + 1} for place, item in enumerate(items)],
            }
        )
        for table, places, delay in ((Table.TAPS, taps, 1), (Table.PURCHASES, purchases, 3_600_000_000)):
            for place in places:
                event = {"event_id": f"{request}-{table}-{place}", "time": at + delay, "item_id": items[place]}
                extra = (
                    {"position": place + 1} if table is Table.TAPS else {"amount_minor": 4800, "currency_code": "JPY"}
                )
                self._rows[table].append(common | event | extra)


def write_rows(root: Path, table: Table, rows: list[dict[str, Any]], *, name: str = "simulated") -> None:
    """Write events into their days' partitions; nullable columns that a row lacks become null."""
    whole = pa.Table.from_pylist(rows, schema=SCHEMAS[table])
    days = pc.strftime(whole["time"], "%Y-%m-%d")
    for day in pc.unique(days).to_pylist():
        folder = root / str(table) / f"date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(whole.filter(pc.equal(days, day)), folder / f"{name}.parquet", compression="zstd")
