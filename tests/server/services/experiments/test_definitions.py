"""Experiments are put, read back and explained; what contradicts itself or others is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ruiji_client import (
    AbortedError,
    AlreadyExistsError,
    ExperimentStage,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    Variant,
)

from tests.support.catalogues import OTHER_ENCODER_ID
from tests.support.experiments import WHO, an_experiment, of_encoders


async def test_what_was_put_is_read_back_with_defaults_filled_in(client):
    put = await client.put_experiment(of_encoders(traffic_bp=2_000), **WHO)
    got = (await client.get_experiment("encoders")).status
    assert put.status == got
    assert got.stage == ExperimentStage.EXPERIMENT_STAGE_RUNNING
    assert (got.current_traffic_bp, got.revision.revision) == (2_000, 1)
    experiment = got.revision.experiment
    assert (experiment.layer, experiment.salt, experiment.HasField("end")) == ("default", "encoders", False)
    assert [one.encoder_id for one in experiment.variants] == ["", OTHER_ENCODER_ID]
    # What was read can be put again, and changes nothing.
    assert not (await client.put_experiment(experiment, **WHO)).changed


async def test_an_experiment_that_is_replaced_keeps_its_start_unless_told(client):
    first = (await client.put_experiment(an_experiment(), **WHO)).status.revision
    second = (await client.put_experiment(an_experiment(traffic_bp=100), **WHO)).status.revision
    assert second.experiment.start == first.experiment.start == first.changed_at


async def test_who_did_what_when_and_why_is_read_back_newest_first(client):
    await client.put_experiment(an_experiment(), author="ada", reason="first")
    await client.put_experiment(an_experiment(traffic_bp=10), author="bob", reason="less", expected_revision=1)
    back = await client.roll_back_experiment("x", from_revision=2, author="cy", reason="more after all")
    again = await client.roll_back_experiment("x", from_revision=2, author="cy", reason="more after all")
    assert (back.changed, again.changed) == (True, False)
    await client.stop_experiment("x", author="di", reason="enough")
    revisions = (await client.list_experiment_revisions("x")).revisions
    assert [(one.revision, one.author, one.reason, one.restored_revision) for one in revisions] == [
        (4, "di", "enough", 0), (3, "cy", "more after all", 1), (2, "bob", "less", 0), (1, "ada", "first", 0),
    ]  # fmt: skip
    assert [one.experiment.traffic_bp for one in revisions] == [10_000, 10_000, 10, 10_000]
    assert [one.revision for one in (await client.list_experiment_revisions(limit=1)).revisions] == [4]
    assert (await client.get_experiment("x")).status.stage == ExperimentStage.EXPERIMENT_STAGE_ENDED


async def test_each_refusal_has_its_status_its_reason_and_its_field(client, store):
    await client.put_experiment(an_experiment("taken", traffic_bp=9_000), **WHO)
    wide = {"variants": [Variant(name="a", share_bp=1), Variant(name="b", share_bp=9_999, max_price_ratio=3.0)]}
    short = {"variants": [Variant(name="a", share_bp=5_000), Variant(name="b", share_bp=4_999, candidates=5)]}
    bad_ratio = {"variants": [Variant(name="a", share_bp=5_000), Variant(name="b", share_bp=5_000, max_price_ratio=0)]}
    unknown = {"variants": [Variant(name="a", share_bp=5_000), Variant(name="b", share_bp=5_000, encoder_id="enc-0")]}
    refusals = [
        (an_experiment(**short), {}, InvalidArgumentError, "EXPERIMENT_INVALID", "experiment.variants"),
        (an_experiment(**bad_ratio), {}, InvalidArgumentError, "EXPERIMENT_INVALID",
         "experiment.variants[1].max_price_ratio"),
        (an_experiment("X"), {}, InvalidArgumentError, "EXPERIMENT_INVALID", "experiment.name"),
        (an_experiment(end=datetime(2020, 1, 1, tzinfo=UTC)), {}, InvalidArgumentError, "EXPERIMENT_INVALID",
         "experiment.end"),
        (an_experiment(traffic_bp=1_001), {}, FailedPreconditionError, "EXPERIMENT_LAYER_FULL",
         "experiment.traffic_bp"),
        (an_experiment(layer="b", **wide), {}, FailedPreconditionError, "EXPERIMENT_PARAMETER_TAKEN",
         "experiment.layer"),
        (an_experiment(salt="taken"), {}, FailedPreconditionError, "EXPERIMENT_SALT_TAKEN", "experiment.salt"),
        (an_experiment("taken", **wide), {}, FailedPreconditionError, "EXPERIMENT_STARTED", "experiment.variants"),
        (an_experiment(layer="b", **unknown), {}, FailedPreconditionError, "ENCODER_UNKNOWN",
         "experiment.variants[1].encoder_id"),
        (an_experiment("taken"), {"expected_revision": 0}, AlreadyExistsError, "EXPERIMENT_EXISTS", "experiment.name"),
        (an_experiment("taken"), {"expected_revision": 7}, AbortedError, "EXPERIMENT_CHANGED", ""),
        (an_experiment(), {"author": ""}, InvalidArgumentError, "EXPERIMENT_CHANGE_UNEXPLAINED", "author"),
    ]  # fmt: skip
    for experiment, options, error, reason, field in refusals:
        with pytest.raises(error) as caught:
            await client.put_experiment(experiment, **WHO | options)
        assert (caught.value.reason, caught.value.field) == (reason, field), caught.value
    with pytest.raises(NotFoundError) as missing:
        await client.get_experiment("nobody")
    assert missing.value.reason == "EXPERIMENT_NOT_FOUND"
    assert [one.revision.experiment.name for one in (await client.list_experiments()).experiments] == ["taken"]


async def test_checking_alone_refuses_the_same_and_writes_nothing(client):
    checked = await client.put_experiment(an_experiment(), validate_only=True, **WHO)
    assert (checked.changed, checked.status.revision.revision) == (False, 0)
    with pytest.raises(InvalidArgumentError):
        await client.put_experiment(an_experiment(variants=[]), validate_only=True, **WHO)
    assert not (await client.list_experiments()).experiments
