"""Small pictures that travel inside a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_evaluation.documents.html import data_uri

if TYPE_CHECKING:
    from ruiji_evaluation.pictures import Pictures

THUMBNAIL_PX = 120
"""Side; what encoders see is squashed to a square, and so is this."""

_QUALITY = 78


def thumbnail_uri(name: str, files: Pictures) -> str | None:
    """Return a picture as a `data:` URI, or None where it cannot be read."""
    content = files.read(name)
    if content is None:
        return None
    try:
        pixels = decode_picture(content)
    except PictureError:
        return None
    file = io.BytesIO()
    small = Image.fromarray(pixels).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    small.save(file, "JPEG", quality=_QUALITY)
    return data_uri(file.getvalue(), "jpeg")
