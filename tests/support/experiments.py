"""Experiments to put, and what came of them in answers and metrics."""

from __future__ import annotations

import math
from typing import Final

import pytest
from prometheus_client import REGISTRY
from ruiji_client import AsyncRuijiClient, Experiment, Variant

from tests.support.catalogues import OTHER_ENCODER_ID

WHO: Final = {"author": "ada", "reason": "to see"}
UNITS: Final = [f"user-{number}" for number in range(40)]

own_catalogue = pytest.mark.parametrize("catalogue", ["own"], indirect=True)
"""Gives a test a `catalogue` that it may change."""


def an_experiment(name: str = "x", **changes: object) -> Experiment:
    """Return one in which the price band is off for half of all units; keywords replace its fields."""
    fields: dict[str, object] = {
        "variants": [
            Variant(name="control", share_bp=5_000),
            Variant(name="wide", share_bp=5_000, max_price_ratio=math.inf),
        ]
    }
    return Experiment(**{"name": name} | fields | changes)  # type: ignore[arg-type]  # checked by the constructor


def of_encoders(name: str = "encoders", **changes: object) -> Experiment:
    """Return one in which the other encoder answers half of all units; keywords replace its fields."""
    variants = [
        Variant(name="control", share_bp=5_000),
        Variant(name="other", share_bp=5_000, encoder_id=OTHER_ENCODER_ID),
    ]
    return an_experiment(name, **{"variants": variants} | changes)


async def labels(client: AsyncRuijiClient, item_id: str, unit_id: str, **options: object) -> dict[str, str]:
    """Return the variants that a unit got, by experiment, none of them forced."""
    answer = await client.similar_items(item_id=item_id, unit_id=unit_id, **options)
    assert not any(one.forced for one in answer.variants)
    return {one.experiment: one.variant for one in answer.variants}


def counted(metric: str, **labels: str) -> float:
    """Return the value of a metric in this process; 0 if nothing was counted."""
    return REGISTRY.get_sample_value(metric, labels) or 0.0
