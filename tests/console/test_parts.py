"""The small parts of the console, by themselves."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ruiji_client import ClientSettings, Price
from ruiji_console import ConsoleSettings
from ruiji_console.asking import Policy, Subject
from ruiji_console.held import HeldBytes
from ruiji_console.pictures import thumbnail
from ruiji_console.prices import price_from, price_text
from ruiji_console.problems import Problem
from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1250, "JPY", "1,250 JPY"),
        (1250, "USD", "12.50 USD"),
        (5, "KWD", "0.005 KWD"),
        (10**15, "JPY", f"{10**15:,} JPY"),
    ],
)
def test_a_price_is_written_as_people_do(minor: int, currency: str, text: str) -> None:
    assert price_text(Price(amount_minor=minor, currency_code=currency)) == text


@given(st.integers(1, 10**15), st.sampled_from(sorted(MINOR_UNIT_DIGITS)))
def test_a_price_reads_back_in_every_currency_of_the_server(minor: int, currency: str) -> None:
    price = Price(amount_minor=minor, currency_code=currency)
    amount, _ = price_text(price).split()
    assert price_from(amount, currency) == price
    assert len(amount.partition(".")[2]) == MINOR_UNIT_DIGITS[currency]


@pytest.mark.parametrize("amount", ["much", "", "0", "-1", "1.5", "nan", "inf", "1e40"])
def test_what_is_no_price_reads_as_none(amount: str) -> None:
    assert price_from(amount, "JPY") is None


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=40)), max_size=30))
def test_held_bytes_never_outgrow_their_room_and_never_lie(puts: list[tuple[int, bytes]]) -> None:
    held: HeldBytes[int] = HeldBytes(60)
    latest: dict[int, bytes] = {}
    for key, content in puts:
        held.put(key, content)
        latest[key] = content
        assert held.get(key) == content
        kept = {each: found for each in latest if (found := held.get(each)) is not None}
        assert sum(map(len, kept.values())) <= 60
        assert kept.items() <= latest.items()
        assert len(kept) == len(held)


def test_a_policy_reads_back_from_its_address() -> None:
    for policy in (Policy(), Policy(1.3, 0.5, "enc"), Policy(math.inf, 0.0), Policy(variant="exp/b")):
        assert Policy.of(policy.parameters("a_"), "a_") == policy


def test_a_number_that_is_none_is_a_problem() -> None:
    with pytest.raises(Problem, match="no number"):
        Policy.of({"ratio": "wide"})


def test_an_uploads_category_is_read_from_what_was_written() -> None:
    assert Subject(digest="x", category=" Fashion > Shoes >").category_path == ["Fashion", "Shoes"]


@pytest.mark.parametrize(
    "origin", ["img.example.com", "https://img.example.com/a", "https://a b", "data:x", "https://a;b"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        ConsoleSettings(ClientSettings("localhost:1"), picture_origins=(origin,))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "CMYK", "1", "I;16"])
def test_pictures_of_every_kind_get_small(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (600, 300)).save(file, "JPEG" if mode == "CMYK" else "PNG")
    with Image.open(io.BytesIO(thumbnail(file.getvalue(), 360, max_pixels=10**6))) as small:
        assert (small.format, small.size) == ("WEBP", (360, 180))


def test_a_thumbnail_of_an_upload_is_upright() -> None:
    lying = Image.new("RGB", (40, 20))
    exif = lying.getexif()
    exif[0x0112] = 6  # turn it by a quarter
    file = io.BytesIO()
    lying.save(file, "JPEG", exif=exif)
    with Image.open(io.BytesIO(thumbnail(file.getvalue(), 160, max_pixels=10_000))) as small:
        assert (small.width, small.height) == (20, 40)
