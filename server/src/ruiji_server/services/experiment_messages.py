"""Experiments as contract messages, and back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from ruiji.v1 import experiments_pb2
from ruiji_experiments.definition.errors import DefinitionError, inside
from ruiji_experiments.definition.model import (
    DEFAULT_LAYER,
    HALF_BP,
    WHOLE_BP,
    Experiment,
    RampStep,
    Settings,
    Target,
    Variant,
    equal_variants,
)

from ruiji_server.store.experiments import Action, ExperimentRevision

_ACTION = {
    Action.PUT: experiments_pb2.EXPERIMENT_ACTION_PUT,
    Action.STOPPED: experiments_pb2.EXPERIMENT_ACTION_STOPPED,
    Action.ROLLED_BACK: experiments_pb2.EXPERIMENT_ACTION_ROLLED_BACK,
}


def experiment_from(message: experiments_pb2.Experiment, default_start: datetime) -> Experiment:
    """Return the experiment of a message.

    Args:
        message: as it came.
        default_start: where it names none; aware.

    Raises:
        DefinitionError: it contradicts itself.
    """
    default_share_bp = HALF_BP if message.interleaved else 0
    variants = tuple(_variant(place, one, default_share_bp) for place, one in enumerate(message.variants))
    if message.aa_variants:
        equal = equal_variants(message.aa_variants)
        if variants not in ((), equal):
            raise DefinitionError("with aa_variants there are no others", field="variants")
        variants = equal
    return Experiment(
        name=message.name,
        variants=variants,
        start=_time(message.start, "start") if message.HasField("start") else default_start,
        end=_time(message.end, "end") if message.HasField("end") else None,
        layer=message.layer or DEFAULT_LAYER,
        salt=message.salt,
        traffic_bp=message.traffic_bp if message.HasField("traffic_bp") else WHOLE_BP,
        ramp=tuple(_ramp_step(place, step) for place, step in enumerate(message.ramp)),
        target=_target(message.target),
        is_aa=bool(message.aa_variants),
        interleaved=message.interleaved,
        description=message.description,
    )


def experiment_message(experiment: Experiment) -> experiments_pb2.Experiment:
    """Return the message of an experiment, with nothing left to defaults."""
    message = experiments_pb2.Experiment(
        name=experiment.name,
        description=experiment.description,
        layer=experiment.layer,
        salt=experiment.salt,
        variants=[_variant_message(variant) for variant in experiment.variants],
        aa_variants=len(experiment.variants) if experiment.is_aa else 0,
        interleaved=experiment.interleaved,
        traffic_bp=experiment.traffic_bp,
        ramp=[experiments_pb2.RampStep(at=_timestamp(step.at), traffic_bp=step.traffic_bp) for step in experiment.ramp],
        start=_timestamp(experiment.start),
        target=experiments_pb2.ExperimentTarget(
            categories=[experiments_pb2.CategoryPrefix(path=path) for path in experiment.target.categories],
            attributes=[
                experiments_pb2.AttributeTarget(name=name, values=values)
                for name, values in experiment.target.attributes
            ],
        ),
    )
    if experiment.end is not None:
        message.end.CopyFrom(_timestamp(experiment.end))
    return message


def revision_message(revision: ExperimentRevision) -> experiments_pb2.ExperimentRevision:
    """Return the message of a revision."""
    return experiments_pb2.ExperimentRevision(
        revision=revision.number,
        experiment=experiment_message(revision.placed.experiment),
        action=_ACTION[revision.action],
        author=revision.author,
        reason=revision.reason,
        changed_at=_timestamp(revision.changed_at),
        restored_revision=revision.restored or 0,
    )


def status_message(
    revision: ExperimentRevision, now: datetime, serving_encoder_ids: Collection[str]
) -> experiments_pb2.ExperimentStatus:
    """Return how an experiment stands now.

    Args:
        revision: the one in force.
        now: aware.
        serving_encoder_ids: the encoders that this server answers by.
    """
    experiment = revision.placed.experiment
    runs = experiment.runs_at(now)
    if runs:
        stage = experiments_pb2.EXPERIMENT_STAGE_RUNNING
    elif now < experiment.start and experiment.end != experiment.start:
        stage = experiments_pb2.EXPERIMENT_STAGE_PLANNED
    else:
        stage = experiments_pb2.EXPERIMENT_STAGE_ENDED
    return experiments_pb2.ExperimentStatus(
        revision=revision_message(revision),
        stage=stage,
        current_traffic_bp=experiment.traffic_bp_at(now) if runs else 0,
        missing_encoder_ids=sorted(experiment.encoder_ids - set(serving_encoder_ids)),
    )


def _variant(place: int, message: experiments_pb2.Variant, default_share_bp: int) -> Variant:
    with inside(f"variants[{place}]"):
        settings = Settings(
            encoder_id=message.encoder_id or None,
            max_price_ratio=message.max_price_ratio if message.HasField("max_price_ratio") else None,
            category_weight=message.category_weight if message.HasField("category_weight") else None,
            candidates=message.candidates if message.HasField("candidates") else None,
        )
        return Variant(message.name, message.share_bp or default_share_bp, settings)


def _variant_message(variant: Variant) -> experiments_pb2.Variant:
    settings = variant.settings
    return experiments_pb2.Variant(
        name=variant.name,
        share_bp=variant.share_bp,
        encoder_id=settings.encoder_id or "",
        max_price_ratio=settings.max_price_ratio,
        category_weight=settings.category_weight,
        candidates=settings.candidates,
    )


def _ramp_step(place: int, message: experiments_pb2.RampStep) -> RampStep:
    with inside(f"ramp[{place}]"):
        return RampStep(_time(message.at, "at"), message.traffic_bp)


def _target(message: experiments_pb2.ExperimentTarget) -> Target:
    with inside("target"):
        return Target(
            categories=tuple(tuple(one.path) for one in message.categories),
            attributes=tuple(sorted((one.name, tuple(one.values)) for one in message.attributes)),
        )


def _time(message: Timestamp, field: str) -> datetime:
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise DefinitionError(f"this is no time: {error}", field=field) from error


def _timestamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message
