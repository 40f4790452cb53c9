"""A log of an interleaved experiment whose shoppers, pages and taps are simulated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from ruiji_events.schema import Table
from ruiji_experiments.interleaving.team_draft import draft_coins, team_draft
from ruiji_experiments.simulation.contests import World
from ruiji_experiments.simulation.event_log import write_rows

START = datetime(2026, 5, 4, tzinfo=UTC)


def write_interleaved_log(
    folder: Path,
    world: World,
    *,
    units: int,
    days: int = 4,
    names: tuple[str, str] = ("control", "kinds"),
    seed: int = 0,
) -> None:
    """Write what some units saw and tapped; every fifth tap is followed by a purchase."""
    rng = np.random.default_rng(seed)
    drawn = world.draw(units, rng)
    looked = 1 / np.arange(1, world.length + 1) ** world.bias
    rows: dict[Table, list[dict[str, Any]]] = {Table.IMPRESSIONS: [], Table.TAPS: [], Table.PURCHASES: []}
    for page, both in enumerate(zip(drawn.first.tolist(), drawn.second.tolist(), strict=True)):
        request, at = f"{page:032x}", START + timedelta(days=int(rng.integers(days)), seconds=int(rng.integers(86_000)))
        common = {"request_id": request, "unit": f"{drawn.unit[page]:032x}", "time": at, "received": at}
        items = []
        for place, pick in enumerate(team_draft(*both, world.length, draft_coins("x", request))):
            column = both[pick.ranking][pick.place]
            items.append({"item_id": f"i-{column}", "position": place + 1, "team": names[pick.team]})
            if rng.random() >= drawn.attraction[page, column] * looked[place]:
                continue
            event = common | {"event_id": f"t-{page}-{place}", "item_id": f"i-{column}", "position": place + 1}
            rows[Table.TAPS].append(event)
            if len(rows[Table.TAPS]) % 5 == 0:
                price = {"event_id": f"p-{page}-{place}", "amount_minor": 900, "currency_code": "JPY"}
                rows[Table.PURCHASES].append(event | price)
        rows[Table.IMPRESSIONS].append(
            common
            | {
                "event_id": f"i-{page}",
                "query_item_id": "q",
                "experiments": [{"experiment": "x", "variant": "", "forced": False}],
                "source": "client",
                "items": items,
            }
        )
    for table, found in rows.items():
        write_rows(folder, table, found)
