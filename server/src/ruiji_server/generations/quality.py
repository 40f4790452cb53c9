"""How good a generation is, and the floors below which it is not published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BandRecall:
    """Recall for queries whose price band keeps about a certain share of the catalogue."""

    kept_share: float
    """The share of all items on sale that the bands were chosen to keep."""
    measured_share: float
    """The share that they kept on average: many items may have one price."""
    recall_at_20: float
    """As `Quality.recall_at_20`, of the eligible items inside the band."""
    queries: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a generation's index is, measured when it was built, through the search that serves."""

    recall_at_20: float
    """Share of the exact 20 nearest items on sale that a search without a band finds, over a sample; 0 to 1."""
    recall_queries: int
    """Items in that sample."""
    bands: tuple[BandRecall, ...]
    """By kept share, widest first; a share is missing where no currency has so much of the catalogue."""
    reachable_share: float
    """Share of all items that a search with their own embedding finds, after repairs; 0 to 1."""
    repaired: int
    """Items that were not found at first and were added anew."""
    neighbours_recall: float | None = None
    """Share of the exact neighbours that the neighbour table holds; 1 up to the size at which all items are compared,
    else over a sample. None without a table, in generations from before it was measured, and when verified."""


@dataclass(frozen=True, slots=True)
class QualityFloors:
    """What a generation must reach to be published."""

    recall_at_20: float = 0.85
    """Without a price band."""
    band_recall_at_20: float = 0.85
    """In each measured price band."""
    reachable_share: float = 0.995
    """Of all items, after repairs."""


def shortfalls(quality: Quality, floors: QualityFloors) -> list[str]:
    """Return what is below its floor, each as a phrase; nothing if the generation may be published."""
    found: list[str] = []
    if quality.recall_at_20 < floors.recall_at_20:
        found.append(f"recall at 20 is {quality.recall_at_20:.3f}, below the floor of {floors.recall_at_20}")
    found += [
        f"recall at 20 in price bands that keep {band.kept_share:.1%} of the catalogue is {band.recall_at_20:.3f}, "
        f"below the floor of {floors.band_recall_at_20}"
        for band in quality.bands
        if band.recall_at_20 < floors.band_recall_at_20
    ]
    if quality.reachable_share < floors.reachable_share:
        found.append(f"{quality.reachable_share:.3%} of the items are reachable, below {floors.reachable_share:.3%}")
    return found
