"""Every call has a deadline, and the server knows it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ruiji_client import ClientSettings, DeadlineExceededError, Deadlines, Item, Price, RuijiClient

from tests.support.clients import OpenClient
from tests.support.reference_server import Fault, ReferenceServer

PICTURE = b"\x89PNG"
ITEM = Item(item_id="a", price=Price(amount_minor=1, currency_code="JPY"), picture_content=PICTURE)
DEADLINES = Deadlines(
    similar_items_s=100,
    similar_items_by_picture_s=200,
    similar_items_batch_s=250,
    info_s=300,
    upsert_items_s=400,
    delete_items_s=500,
    get_item_s=600,
    search_items_s=700,
    list_categories_s=800,
    status_s=900,
)


@pytest.mark.parametrize(
    ("rpc", "ask", "default_s"),
    [
        ("SimilarItems", lambda client, **kw: client.similar_items(item_id="a", **kw), 100),
        ("SimilarItems", lambda client, **kw: client.similar_items(picture=PICTURE, **kw), 200),
        ("SimilarItemsBatch", lambda client, **kw: client.similar_items_batch(["a"], **kw), 250),
        ("Info", lambda client, **kw: client.info(**kw), 300),
        ("UpsertItems", lambda client, **kw: client.upsert_items([ITEM], **kw), 400),
        ("DeleteItems", lambda client, **kw: client.delete_items(["a"], **kw), 500),
        ("GetItem", lambda client, **kw: client.get_item("a", **kw), 600),
        ("SearchItems", lambda client, **kw: client.search_items("red", **kw), 700),
        ("ListCategories", lambda client, **kw: client.list_categories(**kw), 800),
        ("Status", lambda client, **kw: client.status(**kw), 900),
    ],
)
def test_a_call_has_the_deadline_of_its_kind_unless_it_brings_its_own(
    open_client: OpenClient, server: ReferenceServer, rpc: str, ask: Callable[..., object], default_s: float
) -> None:
    client = open_client(ClientSettings(server.target, deadlines=DEADLINES))
    client.upsert_items([ITEM])
    server.seen.clear()
    ask(client)
    ask(client, timeout_s=5)
    by_default, by_hand = (call.time_remaining_s or 0 for call in server.calls(rpc))
    # A deadline travels as the time that is left, rounded up by at most a percent or so.
    assert default_s - 90 < by_default < default_s * 1.02
    assert 0 < by_hand < 5.1


def test_a_server_that_is_too_slow_is_left(client: RuijiClient, server: ReferenceServer) -> None:
    server.every_call = Fault(delay_s=60)
    with pytest.raises(DeadlineExceededError) as caught:
        client.info(timeout_s=0.2)
    assert caught.value.reason == ""
