"""The gallery: one HTML file that shows items beside what is recommended for them."""

from ruiji_demo.gallery.model import GalleryFacts, GalleryHit, GalleryItem, GalleryRow
from ruiji_demo.gallery.page import render_gallery, write_gallery

__all__ = [
    "GalleryFacts",
    "GalleryHit",
    "GalleryItem",
    "GalleryRow",
    "render_gallery",
    "write_gallery",
]
