"""An id's row is found by its hash, wherever the hash stands."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.columns import reader
from ruiji_server.columns.layout import id_hash
from ruiji_server.columns.reader import Columns
from ruiji_server.kernels.library import ABSENT, REFUSED

from tests.support.compiled import compiled_columns

HASHES = st.one_of(
    st.integers(0, 2**64 - 1), st.integers(0, 9), st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1])
)
"""Spread, crowded, and at the ends."""


@given(hashes=st.lists(HASHES, min_size=1, max_size=300), wanted=HASHES)
def test_of_all_ids_with_a_hash_the_right_one_is_found(hashes, wanted):
    ids = [f"item-{number}".encode() for number in range(len(hashes))]
    columns = compiled_columns(ids, hashes=hashes)
    assert [columns.find_row(item_id, hash_) for item_id, hash_ in zip(ids, hashes, strict=True)] == [*range(len(ids))]
    assert columns.find_row(b"another", wanted) == ABSENT
    assert columns.find_row(ids[0][:-1], hashes[0]) == ABSENT


def test_hashes_that_lean_to_one_side_are_found_too():
    """Where they are not spread evenly, the first guess is far off."""
    hashes = np.random.default_rng(0).integers(0, 2**40, 20_000, dtype=np.uint64)
    ids = [str(number).encode() for number in range(len(hashes))]
    columns = compiled_columns(ids, hashes=hashes.tolist())
    assert all(columns.find_row(ids[row], int(hashes[row])) == row for row in range(0, len(ids), 97))


def test_an_empty_catalogue_has_nobody():
    assert compiled_columns([]).find_row(b"one", 1) == ABSENT


def test_ids_that_end_beyond_the_file_are_refused():
    columns = compiled_columns([b"one", b"two"])
    columns.pointers.ids_bytes = 4
    assert columns.find_row(b"one", id_hash(b"one")) == 0
    assert columns.find_row(b"two", id_hash(b"two")) == REFUSED


def test_a_generation_answers_as_it_does_without_kernels(generation, monkeypatch):
    monkeypatch.setattr(reader, "KERNELS", None)
    plain = Columns(generation.folder)
    assert plain.compiled is None
    assert generation.columns.compiled is not None
    ids = [plain.item_id(row) for row in range(0, len(plain), 7)]
    wanted = [*ids, *(f"{item_id}?" for item_id in ids), "", "商品"]
    assert [generation.columns.row_of(one) for one in wanted] == [plain.row_of(one) for one in wanted]
