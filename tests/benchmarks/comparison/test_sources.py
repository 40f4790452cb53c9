"""The items that everyone gets, whether made up or taken from a store, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ruiji_server.domain.items import ItemState
from ruiji_server.store.embedded_items import EmbeddedItem
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import open_database

from benchmarks.comparison.catalogue import Queries, item_count, measured_queries, prepare, prepared_items
from benchmarks.comparison.job import Catalogue
from benchmarks.comparison.ruiji import ENCODER_ID, fill_store
from benchmarks.comparison.sources import Reading, Source, SourceError, of_store
from benchmarks.synthetic_catalogue import synthetic_items
from tests.benchmarks.comparison.conftest import ITEMS, QUERIES


def given(items: list[EmbeddedItem]) -> Source:
    """Return a source of these items."""

    @contextmanager
    def read() -> Iterator[Reading]:
        yield Reading(len(items), len(items[0].vector), iter(items))

    return Source("given", "given", read)


def item(item_id: str, currency: str = "JPY", state: ItemState = ItemState.ON_SALE) -> EmbeddedItem:
    vector = np.zeros(4, dtype=np.float32)
    vector[len(item_id) % 4] = 1.0
    return EmbeddedItem(item_id, 100, currency, ("バッグ", "トート"), state, vector)


def assert_same(found: list[EmbeddedItem], expected: list[EmbeddedItem]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.item_id, one.price_minor, one.currency) == (other.item_id, other.price_minor, other.currency)
        assert (one.category_path, one.state) == (other.category_path, other.state)
        np.testing.assert_array_equal(one.vector, other.vector)


def test_prepared_items_are_those_of_the_source(work: Path) -> None:
    assert item_count(work) == ITEMS
    assert_same(list(prepared_items(work)), list(synthetic_items(ITEMS, 0)))


@pytest.fixture(scope="module")
def store(work: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a store that has embedded the items of the work folder."""
    folder = tmp_path_factory.mktemp("store") / "filled"
    fill_store(folder, work)
    return f"sqlite:///{folder / 'store.sqlite'}"


class TestOfStore:
    def test_everyone_gets_what_the_promoted_encoder_embedded(self, store: str, work: Path, tmp_path: Path) -> None:
        source = of_store(store)
        assert ENCODER_ID in source.description
        prepare(tmp_path, source, 0, measured=QUERIES, tuning=QUERIES // 2)
        assert_same(list(prepared_items(tmp_path)), list(prepared_items(work)))
        there, here = (Queries.open(measured_queries(folder)) for folder in (tmp_path, work))
        np.testing.assert_array_equal(there.rows, here.rows)
        np.testing.assert_array_equal(there.pages, here.pages)

    def test_an_encoder_can_be_named(self, store: str) -> None:
        assert of_store(store, ENCODER_ID).folder == of_store(store).folder
        with pytest.raises(SourceError, match=f"no encoder enc-ffffffffffffffff; there are {ENCODER_ID}"):
            of_store(store, "enc-ffffffffffffffff")

    def test_a_store_without_encoder_says_what_to_do(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'store.sqlite'}"
        open_database(url, create=True).close()
        with pytest.raises(SourceError, match="ruiji worker run --encoder-id"):
            of_store(url)

    def test_a_store_in_which_nothing_is_embedded_yet(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'store.sqlite'}"
        database = open_database(url, create=True)
        register_encoder(database, ENCODER_ID, "new", 128)
        database.close()
        with pytest.raises(SourceError, match="nothing is embedded"):
            prepare(tmp_path / "work", of_store(url), 0, measured=2, tuning=1)


def test_ids_and_categories_may_have_any_letters(tmp_path: Path) -> None:
    items = [item(item_id) for item_id in ("kimono", "かばん", "靴")]
    prepare(tmp_path, given(items), 0, measured=2, tuning=1)
    assert_same(list(prepared_items(tmp_path)), items)
    assert Catalogue.open(tmp_path).ids == ["kimono", "かばん", "靴"]


def test_what_is_not_on_sale_in_the_store_is_not_on_sale_for_others(tmp_path: Path) -> None:
    items = [item("a"), item("bb"), item("ccc"), *(item(state.name, state=state) for state in ItemState)]
    prepare(tmp_path, given(items), 0, measured=2, tuning=1)
    on_sale = Catalogue.open(tmp_path).on_sale
    assert on_sale.tolist() == [one.state == ItemState.ON_SALE for one in items]


def test_several_currencies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"2 currencies \(JPY, USD\)"):
        prepare(tmp_path, given([item("a"), item("bb", "USD")]), 0, measured=1, tuning=1)


def test_more_queries_than_items_on_sale_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"2 items are on sale, fewer than the 3 .* fewer --queries"):
        prepare(tmp_path, given([item("a"), item("bb")]), 0, measured=2, tuning=1)
