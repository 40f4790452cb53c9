"""Picture files: the check of what somebody uploads, and thumbnails."""

from __future__ import annotations

import io
import warnings
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
"""What the server takes."""
THUMBNAIL_WIDTHS: Final = (160, 360)
"""In pixels, of the longer side."""
_QUALITY: Final = 82


class NoPicture(Exception):  # noqa: N818  (reads as what it says)
    """Bytes that are no picture, or more of one than is taken; the message is for people."""


def check_upload(content: bytes, *, max_bytes: int, max_pixels: int) -> None:
    """Check that a file is a picture that the server will take, without decoding all of it.

    Raises:
        NoPicture: it is not.
    """
    if not content:
        raise NoPicture("The file is empty.")
    if len(content) > max_bytes:
        raise NoPicture(f"The file has {_mb(len(content))}; at most {_mb(max_bytes)} are taken.")
    with _opened(content) as picture:
        if picture.width * picture.height > max_pixels:
            raise NoPicture(
                f"The picture has {picture.width} × {picture.height} pixels; "
                f"at most {max_pixels / 1e6:.0f} million are taken."
            )


def thumbnail(content: bytes, width: int, *, max_pixels: int) -> bytes:
    """Return a WebP file of a picture's first frame, upright, no larger than a width.

    Args:
        content: the picture file.
        width: of the longer side, in pixels.
        max_pixels: larger pictures are refused before they are decoded.

    Raises:
        NoPicture: it cannot be read.
    """
    with _opened(content) as picture:
        if picture.width * picture.height > max_pixels:
            raise NoPicture("The picture is too large to be shown.")
        try:
            # A JPEG is decoded at a fraction of its size where that is enough.
            picture.draft("RGB", (width * 2, width * 2))
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((width, width), Image.Resampling.LANCZOS)
            file = io.BytesIO()
            upright.convert("RGBA" if "A" in upright.getbands() else "RGB").save(file, "WEBP", quality=_QUALITY)
        except (OSError, ValueError, SyntaxError) as error:
            raise NoPicture("The picture is damaged.") from error
    return file.getvalue()


def _opened(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # The number of pixels is checked by those who open.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NoPicture("This file is no picture that can be read: JPEG, PNG, WebP, GIF, BMP or AVIF.") from error


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
