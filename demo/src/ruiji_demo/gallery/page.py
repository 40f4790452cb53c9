"""Writes the page: one file without scripts or outside references, which opens from a disk or an e-mail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from ruiji_demo.gallery.thumbnails import data_uri

if TYPE_CHECKING:
    from ruiji_demo.gallery.model import GalleryFacts, GalleryItem, GalleryRow

_TEMPLATE = "page.html.jinja"


def render_gallery(rows: Sequence[GalleryRow], facts: GalleryFacts) -> str:
    """Render the page.

    Titles and ids come from strangers: everything is escaped, and the page's policy forbids scripts and any request.

    Args:
        rows: queries and their answers, in the order of the page.
        facts: what answered.

    Returns:
        HTML with styles and pictures inside.
    """
    environment = Environment(
        loader=PackageLoader("ruiji_demo.gallery", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(rows=rows, facts=facts, pictures=_pictures(rows))


def write_gallery(path: Path, rows: Sequence[GalleryRow], facts: GalleryFacts) -> Path:
    """Write the page to a file, UTF-8; its folder is made if need be.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_gallery(rows, facts), encoding="utf-8")
    return path


def _pictures(rows: Sequence[GalleryRow]) -> dict[str, str | None]:
    """Return the picture of each item as a `data:` URI, by item id."""
    items: dict[str, GalleryItem] = {}
    for row in rows:
        items[row.query.item_id] = row.query
        items.update((hit.item.item_id, hit.item) for hit in row.results)
    return {
        item_id: None if item.picture is None else data_uri(item.picture, item_id) for item_id, item in items.items()
    }
