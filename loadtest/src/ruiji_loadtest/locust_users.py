"""The users that Locust simulates, their options, and the verdict on a run; loaded by `locustfile`.

Each user asks at a constant pace, as long as answers come in time; `--scenario` says what. Items are asked for with
Zipf popularity. At saturation users wait for answers and the load sinks with the server; what visitors would feel then
is for `ruiji_loadtest.open_loop` to say.

A run fails (exit code 1) if any request failed, if the p99 of a kind of request was above its limit, or if nothing was
measured.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import numpy as np
from google.protobuf.message import Message
from locust import User, events, task
from locust.env import Environment
from locust.runners import WorkerRunner
from PIL import Image
from ruiji_client import ClientSettings, Item, Price, RuijiClient, RuijiClientError

from ruiji_loadtest.popularity import ItemIdsError, ZipfPopularity, read_item_ids
from ruiji_loadtest.scenarios import BY_ITEM, BY_PICTURE, SCENARIOS, UPSERT

_LOG = logging.getLogger(__name__)
_DRAWN_AT_ONCE = 1024
_ITEMS_OF_A_SELLER = 20
_CALLS_END_WITHIN_S = 5.0

item_ids_of = functools.cache(read_item_ids)


@functools.cache
def _popularity(item_ids_file: str, exponent: float, seed: int) -> ZipfPopularity:
    """One for all users, for it is as long as the catalogue."""
    return ZipfPopularity(item_ids_of(Path(item_ids_file)), exponent=exponent, seed=seed)


class MarketplaceUser(User):
    """A visitor who looks at listings or searches with pictures, or a seller who changes listings."""

    _numbers = itertools.count()

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options = environment.parsed_options
        if options is None or not environment.host:
            raise ValueError("--host is missing; give it as host:port")
        number = next(self._numbers)
        runner = environment.runner
        worker = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        self._scenario = SCENARIOS[options.scenario]
        self._rng = np.random.default_rng((options.seed, worker, number))
        self._popularity = _popularity(options.item_ids, options.zipf_exponent, options.seed)
        self._queries: Iterator[str] = iter(())
        self._page_size: int = options.page_size
        self._deadline_s: float = options.deadline_s
        self._own_items = [f"loadtest-{worker}-{number}-{slot}" for slot in range(_ITEMS_OF_A_SELLER)]
        self._upserted: set[str] = set()
        # gRPC gives channels with equal arguments one connection; the user agent makes them differ.
        agent = f"ruiji-loadtest/{number % options.connections}"
        # Retries would hide the failures that the test is there to find.
        self._client = RuijiClient(ClientSettings(environment.host, retries=None, user_agent=agent))
        self._interval_s = 1 / (options.requests_per_user or self._scenario.requests_per_user)
        self._run_time_s: float | None = options.run_time
        self._started_s = time.perf_counter()
        self._due_s = 0.0

    def on_start(self) -> None:
        """Begin at a moment of its own.

        Locust spawns users in batches. With its `constant_throughput` those of a batch would ask all at once, again and
        again, and the latencies would be those of the queue they form.
        """
        phase_s = self._rng.uniform(0, self._interval_s)
        self._started_s = time.perf_counter()
        self._due_s = self._started_s + phase_s
        gevent.sleep(phase_s)

    def wait_time(self) -> float:
        """Return the seconds until the next request is due; after a slow answer none catches up."""
        now_s = time.perf_counter()
        elapsed_share = (now_s - self._started_s) / self._run_time_s if self._run_time_s else 0.0
        self._due_s = max(self._due_s + self._interval_s / self._scenario.rate_factor(elapsed_share), now_s)
        return self._due_s - now_s

    @task
    def one_request(self) -> None:
        """Do one of the things of the scenario."""
        draw = self._rng.random()
        if draw < self._scenario.picture_share:
            picture = random_picture(self._rng)
            self._measured(BY_PICTURE, lambda: self._client.similar_items(picture=picture, page_size=self._page_size))
        elif draw < self._scenario.picture_share + self._scenario.upsert_share:
            item = self._changed_listing()
            self._measured(UPSERT, lambda: self._upsert(item))
        else:
            query = self._next_query()
            self._measured(
                BY_ITEM,
                lambda: self._client.similar_items(
                    item_id=query, page_size=self._page_size, timeout_s=self._deadline_s
                ),
            )

    def _measured(self, name: str, call: Callable[[], Message]) -> None:
        failure: RuijiClientError | None = None
        answer_bytes = 0
        started_s = time.perf_counter()
        try:
            answer_bytes = call().ByteSize()
        except RuijiClientError as error:
            failure = error
        self.environment.events.request.fire(
            request_type="grpc",
            name=name,
            response_time=1000 * (time.perf_counter() - started_s),
            response_length=answer_bytes,
            exception=failure,
            context=self.context(),
        )

    def _upsert(self, item: Item) -> Message:
        # Before the answer, which may never come.
        self._upserted.add(item.item_id)
        return self._client.upsert_items([item])

    def _changed_listing(self) -> Item:
        return Item(
            item_id=self._own_items[self._rng.integers(len(self._own_items))],
            title="of a load test",
            price=Price(amount_minor=int(self._rng.integers(300, 30_000)), currency_code="JPY"),
            category_path=["Load test"],
            picture_content=random_picture(self._rng),
        )

    def on_stop(self) -> None:
        """Take back what it listed, and close the channel."""
        if self._upserted:
            self._client.delete_items(sorted(self._upserted))
        self._client.close()

    def _next_query(self) -> str:
        query = next(self._queries, None)
        if query is None:
            self._queries = iter(self._popularity.draw(_DRAWN_AT_ONCE, self._rng))
            query = next(self._queries)
        return query


def random_picture(rng: np.random.Generator) -> bytes:
    """Return a JPEG of coloured patches, 256 pixels square, about 4 kB; no two are alike."""
    file = io.BytesIO()
    patches = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(patches).resize((256, 256), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def _file_of_item_ids(text: str) -> str:
    try:
        item_ids_of(Path(text))
    except ItemIdsError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    # A string, for Locust sends the options to its workers as JSON.
    return text


def _at_least(lowest: float) -> Any:  # noqa: ANN401  (argparse's type of types)
    def number(text: str) -> float:
        value = float(text)
        if not value >= lowest:
            raise argparse.ArgumentTypeError(f"{text} is below {lowest:g}")
        return value

    return number


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust leaves it untyped
def _add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Ruiji", "What the users of SimilarItems ask. --host is host:port, in plaintext.")
    group.add_argument(
        "--item-ids",
        type=_file_of_item_ids,
        required=True,
        metavar="FILE",
        help="Item ids to ask for, one a line.",
    )
    group.add_argument(
        "--scenario",
        choices=sorted(SCENARIOS),
        default="browse",
        help="What users do. `live` and `soak` list items and delete them again. Default: browse.",
    )
    group.add_argument(
        "--max-p99-ms",
        type=_at_least(0),
        help="Fail if the p99 of any kind of request is above this. Default: the scenario's limits.",
    )
    group.add_argument(
        "--requests-per-user", type=_at_least(0.001), help="Requests a second of each user. Default: the scenario's."
    )
    group.add_argument("--page-size", type=int, default=20, help="Items on a page. Default: 20.")
    group.add_argument(
        "--deadline-s", type=_at_least(0.001), default=2.0, help="Deadline of queries by item. Default: 2."
    )
    group.add_argument(
        "--connections",
        type=int,
        default=4,
        help="TCP connections that the users share. Each reaches one of several server processes. Default: 4.",
    )
    group.add_argument(
        "--zipf-exponent", type=_at_least(0), default=1.0, help="Skew of popularity; 0 for none. Default: 1."
    )
    group.add_argument("--seed", type=int, default=0, help="Of which items are popular and drawn. Default: 0.")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _let_calls_end(environment: Environment, **_: object) -> None:
    """At the end of the run let users finish the call that they wait for: what became of a cut one nobody knows."""
    environment.stop_timeout = environment.stop_timeout or _CALLS_END_WITHIN_S


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _judge(environment: Environment, **_: object) -> None:
    if isinstance(environment.runner, WorkerRunner) or environment.parsed_options is None:
        return  # the master has everybody's numbers
    total = environment.stats.total
    limits_ms = SCENARIOS[environment.parsed_options.scenario].max_p99_ms
    given_ms: float | None = environment.parsed_options.max_p99_ms
    failures = []
    if total.num_requests == 0:
        failures.append("nothing was measured")
    if total.num_failures:
        failures.append(f"{total.num_failures} of {total.num_requests} requests failed")
    for (kind, _method), entry in sorted(environment.stats.entries.items()):
        limit_ms = limits_ms.get(kind, math.inf) if given_ms is None else given_ms
        p99_ms = entry.get_response_time_percentile(0.99) if entry.num_requests else 0
        if p99_ms > limit_ms:
            failures.append(f"p99 of {kind} is {p99_ms} ms, above the limit of {limit_ms:g} ms")
    for reason in failures:
        _LOG.error("Load test failed: %s", reason)
    if failures:
        environment.process_exit_code = 1
