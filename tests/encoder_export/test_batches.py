"""Which text each picture of a batch is asked about."""

from __future__ import annotations

import numpy as np
from ruiji_encoder.training.batches import in_turn


def test_captions_take_turns_and_pictures_begin_apart() -> None:
    captions = [("red ball", "roter Ball"), ("blue box", "blaue Kiste")]
    assert in_turn(captions, np.array([0, 1]), epoch=0) == ["red ball", "blaue Kiste"]
    assert in_turn(captions, np.array([0, 1]), epoch=1) == ["roter Ball", "blue box"]


def test_a_category_that_many_share_is_asked_about_once() -> None:
    captions = [("red ball", "toys"), ("blue ball", "toys"), ("hammer", "tools"), ("green ball", "toys")]
    assert in_turn(captions, np.array([1, 3, 5, 7]), epoch=0) == ["toys", "blue ball", "tools", "green ball"]


def test_where_all_that_is_true_is_taken_the_title_is_asked_about_again() -> None:
    captions = [("ball", "toys"), ("ball", "toys"), ("ball", "toys")]
    assert in_turn(captions, np.array([0, 1, 2]), epoch=0) == ["ball", "toys", "ball"]
