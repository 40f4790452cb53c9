"""Experiments change while servers answer: without a restart, and without a failed request."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.support.experiments import UNITS, WHO, an_experiment, labels, of_encoders
from tests.support.services import eventually, served


async def test_a_server_follows_what_another_was_told_without_a_restart(client, store, directory, settings, asked):
    async with served(store.database, directory, settings=settings) as other:

        async def has_it() -> bool:
            return set(await labels(client, asked, "user-1")) == {"x"}

        async def has_it_no_more() -> bool:
            return not await has_it()

        await other.put_experiment(an_experiment(), **WHO)
        await eventually(has_it)
        assert await labels(client, asked, "user-1") == await labels(other, asked, "user-1")
        await other.stop_experiment("x", **WHO)
        await eventually(has_it_no_more)


async def test_a_server_goes_on_when_a_later_release_puts_what_it_cannot_read(client, store, asked, caplog):
    await client.put_experiment(an_experiment(), **WHO)
    before = await labels(client, asked, "user-1")
    with store.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO experiment_revisions (experiment, content, action, author, reason, changed_at_us)"
            """ VALUES ('new', '{"format": 99}', 'put', 'ada', 'later', 0)"""
        )

    async def has_looked() -> bool:
        return "cannot be read" in caplog.text

    await eventually(has_looked)
    assert await labels(client, asked, "user-1") == before != {}


async def test_while_experiments_come_and_go_no_request_fails(client, asked):
    """Requests go on while experiments of encoders and ranking are put, grown, stopped and rolled back."""
    answers = Counter()
    stop = asyncio.Event()

    async def ask_on() -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            answer = await client.similar_items(item_id=asked, unit_id=UNITS[number % len(UNITS)])
            answers[tuple(one.variant for one in answer.variants)] += 1
            assert len(answer.items) > 0

    asking = asyncio.create_task(ask_on())
    for traffic_bp in (1_000, 5_000, 10_000):
        await client.put_experiment(of_encoders(traffic_bp=traffic_bp), **WHO)
        await client.put_experiment(an_experiment(layer="bands", traffic_bp=traffic_bp), **WHO)
        await asyncio.sleep(0.05)
    for name, revision in (("encoders", 5), ("x", 6)):
        await client.roll_back_experiment(name, from_revision=revision, **WHO)
        await asyncio.sleep(0.05)
        await client.stop_experiment(name, **WHO)
    await asyncio.sleep(0.05)
    stop.set()
    await asking
    assert {(), ("other", "wide"), ("control", "control")} <= {tuple(sorted(key)) for key in answers}
