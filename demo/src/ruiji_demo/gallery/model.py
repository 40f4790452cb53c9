"""What a gallery page shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """A listing."""

    item_id: str
    title: str
    category_path: tuple[str, ...]
    """From the root; empty if it has none."""
    price: str
    """As people read it, such as `¥4,300`; empty if it has none."""
    picture: bytes | None
    """A picture file; None draws a placeholder."""
    sold: bool = False
    """Sold items may be asked about; they are never recommended."""


@dataclass(frozen=True, slots=True)
class GalleryHit:
    """A recommended item and why it stands where it does."""

    item: GalleryItem
    score: float
    """What the page is ordered by."""
    cosine: float
    """Cosine of the two embeddings, -1 to 1."""
    price_ratio: float | None
    """max(p, q) / min(p, q), at least 1; None if the prices have no ratio."""
    category_similarity: float | None
    """0 to 1; None if the query item has no category."""


@dataclass(frozen=True, slots=True)
class GalleryRow:
    """One query and its answer."""

    query: GalleryItem
    results: tuple[GalleryHit, ...]
    """Best first."""


@dataclass(frozen=True, slots=True)
class GalleryFacts:
    """What answered."""

    generation_id: str
    encoder_id: str
    items: int
    """Items in the index."""
    latency_ms: float
    """Median time of a request, as the caller saw it."""
