"""Upserts that arrive together share a transaction, and none notices the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from ruiji_server.domain.errors import InvalidArgument, Reason, Unavailable
from ruiji_server.domain.items import Price
from ruiji_server.services.upsert_queue import UpsertQueue
from ruiji_server.store.catalogue import CatalogueStore, RequestName, UpsertAnswer, UpsertKind, UpsertRequest
from ruiji_server.store.engine import Database

from tests.support.catalogues import an_item


class Gate(CatalogueStore):
    """The store, which can be held closed, and which notes what was written together."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.open = threading.Event()
        self.open.set()
        self.groups: list[list[str]] = []
        self.fails: Callable[[Sequence[UpsertRequest]], None] = lambda _: None

    def upsert_together(self, requests: Sequence[UpsertRequest]) -> list[UpsertAnswer | InvalidArgument]:
        self.groups.append([request.name.request_id for request in requests])
        assert self.open.wait(20.0)
        self.fails(requests)
        return super().upsert_together(requests)


@pytest.fixture
def store(database) -> Iterator[Gate]:
    store = Gate(database)
    yield store
    store.open.set()


def request(request_id: str, *items, content: str = "") -> UpsertRequest:
    return UpsertRequest(RequestName(request_id, content), items or (an_item(f"item-{request_id}"),))


async def gathered(store: Gate, requests: Sequence[UpsertRequest]) -> list[UpsertAnswer | BaseException]:
    """Send a first request, hold it in the store until the others wait, and return what became of the others."""
    queue = UpsertQueue(store)
    store.open.clear()
    first = asyncio.create_task(queue.upsert(request("first")))
    while ["first"] not in store.groups:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(queue.upsert(each)) for each in requests]
    await asyncio.sleep(0)
    store.open.set()
    results = await asyncio.gather(*others, return_exceptions=True)
    assert (await first).outcomes[0].kind == UpsertKind.CREATED
    await queue.close()
    return results


async def test_what_gathers_while_another_is_written_is_written_in_one_transaction(store):
    answers = await gathered(store, [request(name) for name in "abcde"])
    assert store.groups == [["first"], ["a", "b", "c", "d", "e"]]
    assert [answer.outcomes[0].item_id for answer in answers] == [f"item-{name}" for name in "abcde"]
    assert len({answer.feed_position for answer in answers}) == 1
    assert store.count() == 6


async def test_each_request_gets_its_own_outcomes_in_their_order(store):
    answers = await gathered(
        store, [request("a", an_item("1"), an_item("2", picture=None)), request("b", an_item("3"))]
    )
    assert [[(o.item_id, o.kind) for o in answer.outcomes] for answer in answers] == [
        [("1", UpsertKind.CREATED), ("2", UpsertKind.REJECTED)],
        [("3", UpsertKind.CREATED)],
    ]


async def test_requests_for_the_same_item_are_applied_one_after_the_other(store):
    prices = [Price(amount, "JPY") for amount in (100, 200, 300)]
    requests = [request(str(number), an_item("same", price=price)) for number, price in enumerate(prices)]
    answers = await gathered(store, requests)
    assert store.groups == [["first"], ["0"], ["1"], ["2"]]
    assert [answer.outcomes[0].kind for answer in answers] == [UpsertKind.CREATED, *[UpsertKind.UPDATED] * 2]
    assert store.get("same").item.price == prices[-1]


async def test_a_request_sent_twice_at_once_is_applied_once(store):
    first, second = await gathered(store, [request("a"), request("a")])
    assert (first.replayed, second.replayed) == (False, True)
    assert first.outcomes == second.outcomes


async def test_a_request_id_of_another_batch_is_refused_and_the_others_of_the_group_are_applied(store):
    store.upsert("used", "one content", [an_item("before")])
    results = await gathered(store, [request("a"), request("used", content="another"), request("b")])
    assert store.groups[-1] == ["a", "used", "b"]
    assert isinstance(results[1], InvalidArgument)
    assert results[1].reason == Reason.REQUEST_ID_REUSED
    assert [results[i].outcomes[0].kind for i in (0, 2)] == [UpsertKind.CREATED] * 2


async def test_a_store_that_is_away_fails_all_of_the_group_and_is_asked_again_by_the_next(store):
    def away(requests: Sequence[UpsertRequest]) -> None:
        if len(requests) == 2:
            raise Unavailable(Reason.STORE_UNAVAILABLE, "away")

    store.fails = away
    results = await gathered(store, [request("a"), request("b")])
    assert [type(result) for result in results] == [Unavailable] * 2
    assert store.count() == 1
    queue = UpsertQueue(store)
    assert (await queue.upsert(request("a"))).outcomes[0].kind == UpsertKind.CREATED
    await queue.close()


async def test_a_fault_that_one_request_brings_fails_that_request_alone(store):
    def fault(requests: Sequence[UpsertRequest]) -> None:
        if any(request.name.request_id == "bad" for request in requests):
            raise KeyError("bad")

    store.fails = fault
    results = await gathered(store, [request("a"), request("bad"), request("b")])
    assert isinstance(results[1], KeyError)
    assert [results[i].outcomes[0].kind for i in (0, 2)] == [UpsertKind.CREATED] * 2


async def test_a_large_backlog_is_written_in_transactions_of_bounded_size(store):
    requests = [request(str(number), *(an_item(f"{number}-{i}") for i in range(100))) for number in range(5)]
    await gathered(store, requests)
    assert store.groups == [["first"], ["0", "1"], ["2", "3"], ["4"]]


async def test_a_caller_who_left_before_his_request_was_begun_is_forgotten(store):
    queue = UpsertQueue(store)
    store.open.clear()
    first = asyncio.create_task(queue.upsert(request("first")))
    while ["first"] not in store.groups:
        await asyncio.sleep(0.001)
    leaving, staying = (asyncio.create_task(queue.upsert(request(name))) for name in ("leaving", "staying"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    store.open.set()
    await asyncio.gather(first, staying)
    assert store.groups == [["first"], ["staying"]]
    await queue.close()


async def test_closing_waits_for_what_was_asked_to_be_written(store):
    queue = UpsertQueue(store)
    upserts = [asyncio.create_task(queue.upsert(request(name))) for name in "abc"]
    await asyncio.sleep(0)
    await queue.close()
    assert all(upsert.done() for upsert in upserts)
    assert store.count() == 3
