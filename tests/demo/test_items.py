"""Demo items follow from seed and index alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ruiji_demo.catalogue import DemoItem, Listing, describe_item, render_item
from ruiji_encoding.pictures import decode_picture

SEED = 7


def test_the_same_seed_and_index_give_the_same_bytes() -> None:
    assert render_item(SEED, 3) == render_item(SEED, 3)


def test_an_item_does_not_depend_on_what_was_rendered_before_it() -> None:
    forwards = [render_item(SEED, index) for index in (0, 1, 2)]
    backwards = [render_item(SEED, index) for index in (2, 1, 0)]
    assert forwards == backwards[::-1]


def test_another_seed_is_another_catalogue() -> None:
    assert {render_item(1, index).picture for index in range(5)}.isdisjoint(
        {render_item(2, index).picture for index in range(5)}
    )


def test_a_listing_is_the_item_without_its_picture() -> None:
    item, listing = render_item(SEED, 11), describe_item(SEED, 11)
    assert isinstance(item, DemoItem)
    assert all(getattr(item, name) == getattr(listing, name) for name in Listing.__dataclass_fields__)


def test_ids_sort_like_indices() -> None:
    assert describe_item(SEED, 123).item_id == "demo-000123"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**63), index=st.integers(0, 10**9))
def test_every_item_has_a_complete_square_jpeg(seed: int, index: int) -> None:
    picture = render_item(seed, index).picture
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (320, 320), "RGB")
    assert decode_picture(picture).std() > 3, "a picture of one colour shows no product"


def test_about_three_in_a_hundred_are_sold() -> None:
    sold = np.mean([describe_item(SEED, index).sold for index in range(4000)])
    assert 0.02 < sold < 0.04


@pytest.mark.parametrize("index", [-1, -100])
def test_a_negative_index_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        render_item(SEED, index)
