"""A variant that a request names: given to anybody, counted for nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ruiji_client import FailedPreconditionError, InvalidArgumentError
from ruiji_server.store.rollout import retire

from tests.support.catalogues import OTHER_ENCODER_ID
from tests.support.experiments import UNITS, WHO, an_experiment, labels, of_encoders, own_catalogue
from tests.support.services import eventually


async def test_a_variant_can_be_forced_by_anybody_whether_the_experiment_runs_or_not(client, asked):
    start = datetime.now(UTC) + timedelta(days=1)
    await client.put_experiment(of_encoders(start=start), **WHO)
    for unit_id in (None, *UNITS[:5]):
        answer = await client.similar_items(item_id=asked, unit_id=unit_id, variant="encoders/other")
        assert answer.encoder_id == OTHER_ENCODER_ID
        assert [(one.experiment, one.variant, one.forced) for one in answer.variants] == [("encoders", "other", True)]
    assert await labels(client, asked, "user-1") == {}


async def test_forcing_changes_nothing_that_the_request_sets(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    answer = await client.similar_items(item_id=asked, variant="x/wide", max_price_ratio=1.5, explain=True)
    assert answer.explanation.max_price_ratio == 1.5


@pytest.mark.parametrize("variant", ["x/nobody", "nobody/wide", "x", "x/", "/"])
async def test_a_variant_that_is_not_there_cannot_be_forced(client, asked, variant):
    await client.put_experiment(an_experiment(), **WHO)
    with pytest.raises(InvalidArgumentError) as caught:
        await client.similar_items(item_id=asked, variant=variant)
    assert (caught.value.reason, caught.value.field) == ("VARIANT_UNKNOWN", "variant")


@own_catalogue
async def test_forcing_a_variant_whose_encoder_does_not_serve_says_so(client, store, asked):
    await client.put_experiment(of_encoders(), **WHO)
    await client.stop_experiment("encoders", **WHO)
    retire(store.database, OTHER_ENCODER_ID)

    async def is_refused() -> bool:
        try:
            await client.similar_items(item_id=asked, variant="encoders/other")
        except FailedPreconditionError as error:
            return error.reason == "ENCODER_MISMATCH"
        return False

    await eventually(is_refused)
