"""Placed experiments as JSON, the form in which they are kept. Shares stay basis points, times are ISO 8601 in UTC."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from ruiji_experiments.definition.layers import BucketRange, PlacedExperiment
from ruiji_experiments.definition.model import Experiment, Parameter, RampStep, Settings, Target, Variant

FORMAT: Final = 1
"""Raised when a reader of today could misread what is written."""
INTERLEAVED_FORMAT: Final = 2
"""Of interleaved experiments alone: a reader of format 1 would take one for an A/B test, and all others it can read."""


def to_json(placed: PlacedExperiment) -> str:
    """Return a placed experiment as JSON."""
    experiment = placed.experiment
    document: dict[str, Any] = {
        "format": INTERLEAVED_FORMAT if experiment.interleaved else FORMAT,
        "name": experiment.name,
        "description": experiment.description,
        "layer": experiment.layer,
        "salt": experiment.salt,
        "start": _time_text(experiment.start),
        "end": None if experiment.end is None else _time_text(experiment.end),
        "traffic_bp": experiment.traffic_bp,
        "ramp": [{"at": _time_text(step.at), "traffic_bp": step.traffic_bp} for step in experiment.ramp],
        "target": {
            "categories": experiment.target.categories,
            "attributes": dict(experiment.target.attributes),
        },
        "is_aa": experiment.is_aa,
        "variants": [_variant_document(variant) for variant in experiment.variants],
        "buckets": [[one.begin, one.end] for one in placed.ranges],
    }
    return json.dumps(document, ensure_ascii=False)


def from_json(text: str) -> PlacedExperiment:
    """Return a placed experiment from its JSON.

    Raises:
        ValueError: it is of a later format.
    """
    document = json.loads(text)
    if document["format"] not in (FORMAT, INTERLEAVED_FORMAT):
        raise ValueError(
            f"experiments of format {document['format']} need a later release; this one reads up to "
            f"{INTERLEAVED_FORMAT}"
        )
    experiment = Experiment(
        name=document["name"],
        description=document["description"],
        layer=document["layer"],
        salt=document["salt"],
        start=datetime.fromisoformat(document["start"]),
        end=None if document["end"] is None else datetime.fromisoformat(document["end"]),
        traffic_bp=document["traffic_bp"],
        ramp=tuple(RampStep(datetime.fromisoformat(step["at"]), step["traffic_bp"]) for step in document["ramp"]),
        target=Target(
            categories=tuple(tuple(path) for path in document["target"]["categories"]),
            attributes=tuple((name, tuple(values)) for name, values in document["target"]["attributes"].items()),
        ),
        is_aa=document["is_aa"],
        interleaved=document["format"] == INTERLEAVED_FORMAT,
        variants=tuple(_variant(entry) for entry in document["variants"]),
    )
    return PlacedExperiment(experiment, tuple(BucketRange(begin, end) for begin, end in document["buckets"]))


def _variant_document(variant: Variant) -> dict[str, Any]:
    settings = {parameter: getattr(variant.settings, parameter) for parameter in sorted(variant.settings.parameters)}
    if settings.get(Parameter.MAX_PRICE_RATIO) == float("inf"):
        # JSON has no infinity.
        settings[Parameter.MAX_PRICE_RATIO] = "inf"
    return {"name": variant.name, "share_bp": variant.share_bp, "settings": settings}


def _variant(document: dict[str, Any]) -> Variant:
    settings = dict(document["settings"])
    if Parameter.MAX_PRICE_RATIO in settings:
        settings[Parameter.MAX_PRICE_RATIO] = float(settings[Parameter.MAX_PRICE_RATIO])
    return Variant(document["name"], document["share_bp"], Settings(**settings))


def _time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
