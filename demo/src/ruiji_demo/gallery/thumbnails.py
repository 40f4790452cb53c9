"""Pictures that travel inside the page."""

from __future__ import annotations

import base64
import io
import logging
import struct

from PIL import Image, ImageOps, UnidentifiedImageError

THUMBNAIL_PX = 360
"""Longest side; twice the size at which a page shows it, for dense screens."""

_QUALITY = 82
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")

_UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error)
"""What Pillow raises for broken files."""

_log = logging.getLogger(__name__)


def data_uri(picture: bytes, item_id: str) -> str | None:
    """Return the picture as a `data:` URI.

    A JPEG that is small enough is embedded as it is; anything else becomes a JPEG of at most THUMBNAIL_PX.

    Args:
        picture: a picture file.
        item_id: whose picture it is, for the log.

    Returns:
        The URI, or None (and a warning in the log) if the file is no complete picture.
    """
    try:
        with Image.open(io.BytesIO(picture), formats=_FORMATS) as image:
            jpeg = picture if _fits(image) else _thumbnail(image)
    except (Image.DecompressionBombError, *_UNREADABLE) as error:
        _log.warning("the picture of item %s is left out of the gallery: %s", item_id, error)
        return None
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _fits(image: Image.Image) -> bool:
    image.load()  # a header alone is no picture
    return image.format == "JPEG" and image.mode == "RGB" and max(image.size) <= THUMBNAIL_PX


def _thumbnail(image: Image.Image) -> bytes:
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    upright.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    flat = Image.new("RGBA", upright.size, "white")
    flat.alpha_composite(upright)
    file = io.BytesIO()
    flat.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
