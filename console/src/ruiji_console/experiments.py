"""Experiments as pages show them. What was found of them is in `reports`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from ruiji.v1 import experiments_pb2
from ruiji_client import AsyncRuijiClient

_STAGES: Final = {
    experiments_pb2.EXPERIMENT_STAGE_PLANNED: "planned",
    experiments_pb2.EXPERIMENT_STAGE_RUNNING: "running",
    experiments_pb2.EXPERIMENT_STAGE_ENDED: "ended",
}
_ORDER: Final = ("running", "planned", "ended")
_WHOLE_BP: Final = 10_000
_NOTHING: Final = "as the server"


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant."""

    name: str
    share: float
    """Of the experiment's units, 0 to 1."""
    settings: str
    """What it does differently, in words."""
    key: str
    """`experiment/variant`, by which a request forces it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment."""

    name: str
    description: str
    stage: str
    layer: str
    traffic: float
    """The share of the layer's units that takes part now, 0 to 1."""
    start: datetime | None
    end: datetime | None
    target: str
    interleaved: bool
    """Whether each page is drawn from both variants, so that they have no shares of units, and no lifts."""
    arms: Sequence[Arm]
    missing_encoders: Sequence[str]
    revision: int
    author: str
    reason: str
    changed_at: datetime | None


async def trials(client: AsyncRuijiClient) -> list[Trial]:
    """Return all experiments, running ones first; raises as `AsyncRuijiClient.list_experiments` does."""
    answer = await client.list_experiments()
    return sorted(map(_trial, answer.experiments), key=lambda trial: (_ORDER.index(trial.stage), trial.name))


async def running_variants(client: AsyncRuijiClient) -> list[str]:
    """Return the variants of running experiments, each as `experiment/variant`."""
    return [arm.key for trial in await trials(client) if trial.stage == "running" for arm in trial.arms]


def _trial(status: experiments_pb2.ExperimentStatus) -> Trial:
    revision = status.revision
    experiment = revision.experiment
    return Trial(
        name=experiment.name,
        description=experiment.description,
        stage=_STAGES.get(status.stage, _ORDER[-1]),
        layer=experiment.layer,
        traffic=status.current_traffic_bp / _WHOLE_BP,
        start=_time(experiment.start) if experiment.HasField("start") else None,
        end=_time(experiment.end) if experiment.HasField("end") else None,
        target=_target(experiment.target),
        interleaved=experiment.interleaved,
        arms=[
            Arm(variant.name, variant.share_bp / _WHOLE_BP, _settings(variant), f"{experiment.name}/{variant.name}")
            for variant in experiment.variants
        ],
        missing_encoders=list(status.missing_encoder_ids),
        revision=revision.revision,
        author=revision.author,
        reason=revision.reason,
        changed_at=_time(revision.changed_at) if revision.HasField("changed_at") else None,
    )


def _settings(variant: experiments_pb2.Variant) -> str:
    parts = []
    if variant.encoder_id:
        parts.append(f"encoder {variant.encoder_id}")
    if variant.HasField("max_price_ratio"):
        ratio = variant.max_price_ratio
        parts.append("any price" if math.isinf(ratio) else f"price band ×{ratio:.2f}")
    if variant.HasField("category_weight"):
        parts.append(f"category weight {variant.category_weight:.2f}")
    if variant.HasField("candidates"):
        parts.append(f"{variant.candidates:,} candidates")
    return ", ".join(parts) or _NOTHING


def _target(target: experiments_pb2.ExperimentTarget) -> str:
    parts = [" › ".join(prefix.path) for prefix in target.categories]
    parts += [f"{attribute.name} is {' or '.join(attribute.values)}" for attribute in target.attributes]
    return ", ".join(parts) or "every request with a unit"


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
