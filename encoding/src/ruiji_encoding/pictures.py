"""From a picture file to the pixels an encoder sees. The only place of the project that decodes or resizes.

A change that moves one pixel must change `PREPROCESSING`, which is part of the encoder id: embeddings made before and
after it are then never mixed.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE_SIZE_PX = 256
"""Side of the square that encoders take, in pixels."""

MAX_PICTURE_BYTES = 20_000_000
"""Largest picture file that is read."""

MAX_PICTURE_PIXELS = 50_000_000
"""Largest width times height that is decoded; checked on the header, before any pixel is."""

PREPROCESSING = "pillow-jpegdraft-exif-white-bicubic-256-v1"
"""Names everything this module does to a picture."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
"""Formats of product photographs. Pillow's many others only widen what a hostile file can reach."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the turn that undoes it; 1 is upright."""


class PictureFault(StrEnum):
    """Why a picture was refused; stable, for callers to branch on."""

    TOO_LARGE = "PICTURE_TOO_LARGE"
    TOO_MANY_PIXELS = "PICTURE_TOO_MANY_PIXELS"
    UNREADABLE = "PICTURE_UNREADABLE"


class PictureError(ValueError):
    """A file that does not become pixels.

    Attributes:
        fault: the stable reason.
    """

    def __init__(self, fault: PictureFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def decode_picture(content: bytes) -> NDArray[np.uint8]:
    """Decode a picture file and squash its whole frame into the encoder's square.

    JPEGs are decoded at the smallest of libjpeg's scales that still covers the square (2 to 3 times faster for a
    1000 px photograph), EXIF orientation is applied, transparency becomes white, and the rest is Pillow's antialiased
    bicubic filter. Of an animation, the first frame counts.

    Args:
        content: JPEG, PNG, WebP, GIF, BMP or AVIF, at most `MAX_PICTURE_BYTES` and `MAX_PICTURE_PIXELS`.

    Returns:
        RGB pixels, shape (256, 256, 3), uint8.

    Raises:
        PictureError: the file is too large, has too many pixels, or is not a complete picture.
    """
    with _opened(content) as picture:
        return _to_square(picture)


def check_picture(content: bytes) -> None:
    """Refuse at the door what `decode_picture` would refuse, as far as the header tells; decodes nothing.

    Raises:
        PictureError: the file is too large, has too many pixels, or does not begin like a picture.
    """
    with _opened(content):
        pass


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    if len(content) > MAX_PICTURE_BYTES:
        raise PictureError(
            PictureFault.TOO_LARGE, f"picture has {len(content)} bytes; at most {MAX_PICTURE_BYTES} are accepted"
        )
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PICTURE_PIXELS:
                raise PictureError(
                    PictureFault.TOO_MANY_PIXELS,
                    f"picture has {width} x {height} pixels; at most {MAX_PICTURE_PIXELS} are accepted",
                )
            yield picture
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(
            PictureFault.TOO_MANY_PIXELS, f"picture has more than {MAX_PICTURE_PIXELS} pixels"
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise PictureError(
            PictureFault.UNREADABLE, "not a complete JPEG, PNG, WebP, GIF, BMP or AVIF picture"
        ) from error


def _to_square(picture: Image.Image) -> NDArray[np.uint8]:
    square = (PICTURE_SIZE_PX, PICTURE_SIZE_PX)
    picture.draft("RGB", square)
    small = _to_rgb(picture).resize(square, Image.Resampling.BICUBIC)
    # Turned after the resize: on a square frame both orders give the same pixels, and this one moves fewer.
    turn = _UPRIGHT.get(_orientation(picture))
    return np.asarray(small if turn is None else small.transpose(turn), dtype=np.uint8)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, struct.error):
        # Damaged metadata is no reason to refuse pixels that decode.
        return 1


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if picture.mode.startswith("I;16"):
        # convert() would clip 16-bit grey to 255 instead of scaling it.
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")
