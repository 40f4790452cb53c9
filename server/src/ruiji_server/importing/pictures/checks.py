"""Whether a file looks like a picture that an embedding worker will take."""

from __future__ import annotations

from ruiji_encoding import pictures
from ruiji_encoding.pictures import MAX_PICTURE_BYTES, PictureError

from ruiji_server.domain.errors import Reason
from ruiji_server.importing.errors import RowFault
from ruiji_server.importing.settings import PictureCheck


def check_size(size_bytes: int) -> None:
    """Raise `RowFault` for a file that is above the limit, or empty."""
    if size_bytes > MAX_PICTURE_BYTES:
        raise RowFault(
            Reason.PICTURE_TOO_LARGE, f"picture has {size_bytes} bytes; at most {MAX_PICTURE_BYTES} are accepted"
        )
    if size_bytes == 0:
        raise RowFault(Reason.PICTURE_UNREADABLE, "picture file is empty")


def check_picture(content: bytes, check: PictureCheck) -> None:
    """Raise `RowFault` if the picture does not pass the check."""
    check_size(len(content))
    try:
        match check:
            case PictureCheck.SIZE:
                pass
            case PictureCheck.HEADER:
                pictures.check_picture(content)
            case PictureCheck.DECODE:
                pictures.decode_picture(content)
    except PictureError as error:
        raise RowFault(Reason(error.fault), str(error)) from error
