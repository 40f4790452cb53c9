"""Writers and readers: what a marketplace does all day, over gRPC, with every answer kept in books."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import numpy as np
from PIL import Image
from ruiji_client import Item, ItemState, Price, RuijiClient, RuijiClientError, UpsertItemsResponse

from tests.drills.ledger import Ledger, Listing, Versions

CATEGORIES = (("Fashion", "Shoes"), ("Fashion", "Bags"), ("Home", "Lamps"), ("Home", "Chairs"), ("Toys", "Blocks"))
CURRENCY = "JPY"
MOST_ITEMS = 60
"""Of each writer."""

_EXPECTED = {
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}  # fmt: skip
"""How calls may fail while something is dead. CANCELLED is how gRPC drops calls on a server that is just closing."""
_CALL_S = 15.0
_PAUSE_S = 0.05
_READS_S = 0.02
_THINKS_S = 0.02
"""A writer's mean pause between two requests."""


def a_picture(rng: np.random.Generator) -> bytes:
    """Return a picture file that no other item has."""
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def a_listing(rng: np.random.Generator, picture: bytes) -> Listing:
    """Return a listing with this picture, everything else by chance."""
    return Listing(
        title=f"Thing {rng.integers(1 << 40):x}",
        price_minor=int(rng.integers(1_000, 4_000)),
        category_path=CATEGORIES[rng.integers(len(CATEGORIES))],
        sold=bool(rng.random() < 0.1),
        picture_sha256=hashlib.sha256(picture).hexdigest(),
    )


def message_of(item_id: str, listing: Listing, picture: bytes | None) -> Item:
    """Return the listing as it is sent."""
    return Item(
        item_id=item_id,
        title=listing.title,
        price=Price(amount_minor=listing.price_minor, currency_code=CURRENCY),
        category_path=listing.category_path,
        state=ItemState.ITEM_STATE_SOLD if listing.sold else ItemState.ITEM_STATE_ON_SALE,
        picture_content=picture,
    )


def read_listing(client: RuijiClient, item_id: str) -> Listing | None:
    """Return how an item stands, through the API; None if there is no such item."""
    try:
        answer = client.get_item(item_id, timeout_s=60.0)
    except RuijiClientError as error:
        if error.code == grpc.StatusCode.NOT_FOUND:
            return None
        raise
    return Listing(
        title=answer.item.title,
        price_minor=answer.item.price.amount_minor,
        category_path=tuple(answer.item.category_path),
        sold=answer.item.state == ItemState.ITEM_STATE_SOLD,
        picture_sha256=answer.picture_sha256,
    )


@dataclass
class Complaints:
    """What callers met that the contract does not allow."""

    messages: list[str]

    def note(self, what: str, error: RuijiClientError) -> None:
        """Keep a failure unless it is one that callers are told to expect."""
        if error.code not in _EXPECTED:
            self.messages.append(f"{what}: {error}")


class Writer:
    """Makes, changes, sells and deletes items of its own, each named after it."""

    def __init__(self, name: str, client: RuijiClient, ledger: Ledger, complaints: Complaints, seed: int) -> None:
        self._prefix = f"{name}-"
        self._client = client
        self._ledger = ledger
        self._complaints = complaints
        self._rng = np.random.default_rng(seed)
        self._made = 0

    def run(self, stop: threading.Event) -> None:
        """Write until told to stop; what was begun is brought to an end first."""
        while not stop.wait(float(self._rng.exponential(_THINKS_S))):
            self.step()

    def step(self) -> None:
        """Send one request that means something to the catalogue as it stands."""
        known = self._ledger.known(self._prefix)
        mine = [item_id for item_id, listing in known.items() if listing is not None]
        draw = self._rng.random()
        if len(mine) < 5 or (draw < 0.4 and len(mine) < MOST_ITEMS):
            self.create(int(self._rng.integers(1, 6)))
        elif draw < 0.55:
            self._delete(self._some(mine))
        elif draw < 0.7:
            self._replace(self._some(mine))
        else:
            self._change({item_id: listing for item_id in self._some(mine) if (listing := known[item_id])})

    def create(self, count: int) -> list[str]:
        """Make new items in one request; return their ids."""
        ids = [f"{self._prefix}{self._made + number}" for number in range(count)]
        self._made += count
        self._replace(ids)
        return ids

    def _replace(self, ids: Sequence[str]) -> None:
        pictures = {item_id: a_picture(self._rng) for item_id in ids}
        after = {item_id: a_listing(self._rng, picture) for item_id, picture in pictures.items()}
        self._upsert(after, [message_of(item_id, after[item_id], pictures[item_id]) for item_id in ids])

    def _change(self, listings: dict[str, Listing]) -> None:
        """Change prices and states; the pictures stay and are not sent."""
        after = {
            item_id: Listing(
                title=listing.title,
                price_minor=int(self._rng.integers(1_000, 4_000)),
                category_path=listing.category_path,
                sold=bool(self._rng.random() < 0.3),
                picture_sha256=listing.picture_sha256,
            )
            for item_id, listing in listings.items()
        }
        self._upsert(after, [message_of(item_id, listing, None) for item_id, listing in after.items()])

    def _upsert(self, after: Versions, messages: list[Item]) -> None:
        request_id = str(uuid.UUID(bytes=self._rng.bytes(16), version=4))

        def send() -> None:
            answer = self._client.upsert_items(messages, request_id=request_id, timeout_s=_CALL_S)
            self._look_at(answer)

        self._deliver(after, send)

    def _delete(self, ids: Sequence[str]) -> None:
        self._deliver(dict.fromkeys(ids), lambda: self._client.delete_items(ids, timeout_s=_CALL_S))

    def _deliver(self, after: Versions, send: Callable[[], object]) -> None:
        """Send until it is acknowledged; one caller in three gives up at the first failure, and never knows."""
        batch = self._ledger.begin(after)
        gives_up = self._rng.random() < 1 / 3
        while True:
            try:
                send()
            except RuijiClientError as error:
                self._complaints.note(f"write {sorted(after)}", error)
                if gives_up or error.code not in _EXPECTED:
                    self._ledger.leave_open(batch)
                    return
                time.sleep(_PAUSE_S)
            else:
                self._ledger.acknowledge(batch)
                return

    def _look_at(self, answer: UpsertItemsResponse) -> None:
        self._complaints.messages += [
            f"{outcome.item_id} was rejected: {outcome.error.reason}"
            for outcome in answer.outcomes
            if outcome.HasField("error")
        ]

    def _some(self, ids: Sequence[str]) -> list[str]:
        count = min(len(ids), int(self._rng.integers(1, 5)))
        return [str(item_id) for item_id in self._rng.choice(ids, count, replace=False)]


class Reader:
    """Asks for pages of items that are there; the answers must be pages or failures that callers are told to expect."""

    def __init__(self, client: RuijiClient, ledger: Ledger, complaints: Complaints, seed: int) -> None:
        self._client = client
        self._ledger = ledger
        self._complaints = complaints
        self._rng = np.random.default_rng(seed)
        self.answers = 0

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            ids = self._ledger.present()
            if ids:
                self._ask(ids[self._rng.integers(len(ids))])
            stop.wait(_READS_S)

    def _ask(self, item_id: str) -> None:
        try:
            self._client.similar_items(item_id=item_id, page_size=10)
            self.answers += 1
        except RuijiClientError as error:
            # Deleted, or not embedded, in the moment between looking and asking.
            if error.reason not in {"ITEM_NOT_FOUND", "EMBEDDING_PENDING"}:
                self._complaints.note(f"page of {item_id}", error)


@contextmanager
def at_work(runs: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Let writers and readers work, each in a thread, until the context ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
