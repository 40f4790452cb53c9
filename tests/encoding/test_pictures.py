from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ruiji_encoding.pictures import PictureError, PictureFault, check_picture, decode_picture

QUADRANTS = np.zeros((64, 64, 3), dtype=np.uint8)
QUADRANTS[:32, :32] = (255, 0, 0)  # red above left
QUADRANTS[:32, 32:] = (0, 255, 0)  # green above right
QUADRANTS[32:, :32] = (0, 0, 255)  # blue below left


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def corners(pixels) -> list[tuple[int, int, int]]:
    return [tuple(int(v) for v in np.rint(pixels[y, x] / 255.0) * 255) for y, x in ((30, 30), (30, 220), (220, 30))]


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (60, 80), (256, 256), (2_000, 300)])
def test_every_picture_becomes_the_same_square(width, height):
    pixels = decode_picture(encoded(Image.new("RGB", (width, height), "teal")))
    assert pixels.shape == (256, 256, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == (0, 128, 128)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_every_format_shows_the_same_picture(kind):
    assert corners(decode_picture(encoded(Image.fromarray(QUADRANTS), kind))) == [RED, GREEN, BLUE]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_taken_sideways_is_turned_upright(orientation):
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = Image.fromarray(QUADRANTS)
    if undo is not None:
        stored = stored.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert corners(decode_picture(encoded(stored, exif=exif))) == [RED, GREEN, BLUE]


def test_transparency_becomes_white():
    assert (decode_picture(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0)))) == 255).all()


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (20, 20), 128),
        Image.new("1", (20, 20), 1),
        Image.new("P", (20, 20), 3),
        Image.new("LA", (20, 20), (128, 255)),
        Image.fromarray(np.full((20, 20), 0x8000, dtype=np.uint16)),
    ],
    ids=lambda picture: picture.mode,
)
def test_every_mode_becomes_rgb(picture):
    assert decode_picture(encoded(picture)).shape == (256, 256, 3)


def test_16_bit_grey_is_scaled_and_not_clipped():
    half = Image.fromarray(np.full((20, 20), 0x8000, dtype=np.uint16))
    assert (decode_picture(encoded(half)) == 128).all()


def test_cmyk_photographs_are_read():
    assert decode_picture(encoded(Image.new("CMYK", (20, 20)), "JPEG")).shape == (256, 256, 3)


def test_a_large_jpeg_keeps_its_look_though_it_is_decoded_small():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((1_500, 1_200))
    reference = np.asarray(smooth.resize((256, 256), Image.Resampling.BICUBIC), dtype=np.float64)
    pixels = decode_picture(encoded(smooth, "JPEG", quality=95))
    assert np.abs(pixels - reference).mean() < 2.0


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_metadata_is_no_reason_to_refuse_a_picture():
    broken = encoded(Image.fromarray(QUADRANTS), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert corners(decode_picture(broken)) == [RED, GREEN, BLUE]


@pytest.mark.parametrize("check", [decode_picture, check_picture])
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", PictureFault.UNREADABLE),
        (b"not a picture", PictureFault.UNREADABLE),
        (b"\xff\xd8\xff" + bytes(20_000_001), PictureFault.TOO_LARGE),
        (encoded(Image.new("1", (7_072, 7_072))), PictureFault.TOO_MANY_PIXELS),
        (encoded(Image.new("1", (20_000, 20_000))), PictureFault.TOO_MANY_PIXELS),
    ],
    ids=["empty", "text", "20 MB", "50 megapixels", "a decompression bomb"],
)
def test_what_is_no_picture_is_refused(check, content, fault):
    with pytest.raises(PictureError) as caught:
        check(content)
    assert caught.value.fault == fault


def test_a_picture_that_was_cut_short_is_refused():
    whole = encoded(Image.effect_noise((200, 200), 50).convert("RGB"), "JPEG")
    with pytest.raises(PictureError) as caught:
        decode_picture(whole[: len(whole) // 2])
    assert caught.value.fault == PictureFault.UNREADABLE


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what is broken
@given(position=st.integers(0, 10_000), value=st.integers(0, 255), kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]))
def test_a_damaged_file_gives_pixels_or_a_named_fault(position, value, kind):
    content = bytearray(encoded(Image.fromarray(QUADRANTS), kind))
    content[position % len(content)] = value
    try:
        pixels = decode_picture(bytes(content))
    except PictureError:
        return
    assert pixels.shape == (256, 256, 3)
