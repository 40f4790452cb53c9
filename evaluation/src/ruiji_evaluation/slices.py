"""Parts of the queries for which figures are reported apart: by category, price band and age of the query item."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item

UNKNOWN = "unknown"
"""Slice of the queries whose item does not say."""

OTHERS = "others"
"""Slice of the categories that are too small for figures of their own."""


@dataclass(frozen=True, slots=True)
class SliceSettings:
    """Which slices there are."""

    category_level: int = 1
    """How many names of the category path make a slice, from the root."""
    price_edges: tuple[float, ...] = ()
    """Rising prices between bands, in the table's unit; by default the quartiles of the queries."""
    age_edges_days: tuple[float, ...] = (7, 30, 180)
    """Rising ages between bands, in days."""
    as_of: datetime | None = None
    """When ages are taken, where requests have no time of their own; without it there are no ages."""
    min_queries: int = 30
    """Slices with fewer queries get no figures; such categories are joined."""


@dataclass(frozen=True, slots=True, eq=False)
class Slicing:
    """One way of dividing the queries."""

    name: str
    """What it divides by."""
    labels: tuple[str, ...]
    """Names of the slices, in the order of a report."""
    member: NDArray[np.int64]
    """Slice of each query by number, shape (queries,), int64; -1 for none."""


def slicings(
    items: Sequence[Item], settings: SliceSettings, times: Sequence[datetime] | None = None
) -> tuple[Slicing, ...]:
    """Divide queries by category, price band and age; what the items do not tell makes no slicing.

    Args:
        items: the query item of each query.
        settings: see there.
        times: when each query was asked; by default `settings.as_of` for all.
    """
    asked = times if times is not None else ([settings.as_of] * len(items) if settings.as_of is not None else None)
    found = [
        _by_category(items, settings),
        _in_bands("price", [item.price for item in items], settings.price_edges, settings, quartiles=True),
    ]
    if asked is not None:
        ages = [
            (moment - item.listed).total_seconds() / 86_400 if item.listed is not None else None
            for item, moment in zip(items, asked, strict=True)
        ]
        found.append(_in_bands("age, days", ages, settings.age_edges_days, settings))
    return tuple(slicing for slicing in found if slicing is not None and len(slicing.labels) > 1)


def _by_category(items: Sequence[Item], settings: SliceSettings) -> Slicing | None:
    names = [" > ".join(item.category[: settings.category_level]) or UNKNOWN for item in items]
    return _slicing("category", names, settings.min_queries, join_small=True)


def _in_bands(
    name: str,
    values: Sequence[float | None],
    edges: Sequence[float],
    settings: SliceSettings,
    *,
    quartiles: bool = False,
) -> Slicing | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if not edges and quartiles:
        edges = sorted({float(edge) for edge in np.quantile(known, (0.25, 0.5, 0.75))})
    bands = _band_names(edges)
    names = [UNKNOWN if value is None else bands[int(np.searchsorted(edges, value, side="right"))] for value in values]
    return _slicing(name, names, settings.min_queries, order=(*bands, UNKNOWN))


def _band_names(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all"]
    shown = [f"{edge:g}" for edge in edges]
    return [
        f"below {shown[0]}",
        *(f"{low} to {high}" for low, high in pairwise(shown)),
        f"{shown[-1]} and more",
    ]


def _slicing(
    name: str, names: Sequence[str], min_queries: int, *, order: Sequence[str] = (), join_small: bool = False
) -> Slicing:
    sizes: Mapping[str, int] = {label: names.count(label) for label in set(names)}
    if join_small:
        names = [label if sizes[label] >= min_queries else OTHERS for label in names]
        sizes = {label: names.count(label) for label in set(names)}
    large = [label for label, size in sizes.items() if size >= min_queries]
    labels = (
        [label for label in order if label in large]
        if order
        else sorted(large, key=lambda label: (label == OTHERS, -sizes[label], label))
    )
    number = {label: row for row, label in enumerate(labels)}
    return Slicing(name, tuple(labels), np.array([number.get(label, -1) for label in names], np.int64))
