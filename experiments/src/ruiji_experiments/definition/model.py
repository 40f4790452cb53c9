"""Experiments and their variants; each object checks itself when it is made.

Shares are integers in basis points (hundredths of a percent), so that they add up exactly and each stands for whole
buckets of units; see `ruiji_experiments.assignment`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from ruiji_experiments.definition.errors import DefinitionError

WHOLE_BP: Final = 10_000
"""Everything, in basis points."""
HALF_BP: Final = WHOLE_BP // 2
"""What both variants of an interleaved experiment have of each page."""
MAX_VARIANTS: Final = 20
MAX_RAMP_STEPS: Final = 50
MAX_TARGET_CATEGORIES: Final = 100
MAX_TARGET_ATTRIBUTES: Final = 16
MAX_ATTRIBUTE_NAME_CHARS: Final = 64
MAX_ATTRIBUTE_VALUE_CHARS: Final = 256
MAX_CANDIDATES: Final = 10_000
MAX_DESCRIPTION_CHARS: Final = 1_000
DEFAULT_LAYER: Final = "default"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME_RULE: Final = "1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"


class Parameter(StrEnum):
    """What a variant can set. The words are those of the contract and of files."""

    ENCODER = "encoder_id"
    MAX_PRICE_RATIO = "max_price_ratio"
    CATEGORY_WEIGHT = "category_weight"
    CANDIDATES = "candidates"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a variant does differently from the server; None leaves it to the server."""

    encoder_id: str | None = None
    max_price_ratio: float | None = None
    """At least 1; infinity for no band."""
    category_weight: float | None = None
    """0 to 1."""
    candidates: int | None = None
    """1 to 10,000."""

    def __post_init__(self) -> None:
        if self.encoder_id is not None and not 1 <= len(self.encoder_id) <= 64:
            raise DefinitionError("an encoder id has 1 to 64 characters", field=Parameter.ENCODER)
        ratio = self.max_price_ratio
        if ratio is not None and (math.isnan(ratio) or ratio < 1.0):
            raise DefinitionError(f"{ratio} is below 1; infinity means no band", field=Parameter.MAX_PRICE_RATIO)
        if self.category_weight is not None and not 0.0 <= self.category_weight <= 1.0:
            raise DefinitionError(f"{self.category_weight} is not between 0 and 1", field=Parameter.CATEGORY_WEIGHT)
        if self.candidates is not None and not 1 <= self.candidates <= MAX_CANDIDATES:
            raise DefinitionError(
                f"{self.candidates} is not between 1 and {MAX_CANDIDATES:,}", field=Parameter.CANDIDATES
            )

    @property
    def parameters(self) -> frozenset[Parameter]:
        """What is set."""
        return frozenset(Parameter(one.name) for one in fields(self) if getattr(self, one.name) is not None)


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm of an experiment."""

    name: str
    share_bp: int
    """Of the experiment's units, 1 to 10,000."""
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        check_name(self.name, field="name")
        if not 1 <= self.share_bp <= WHOLE_BP:
            raise DefinitionError(f"{self.share_bp} is not between 1 and {WHOLE_BP}", field="share_bp")


@dataclass(frozen=True, slots=True)
class RampStep:
    """From a moment on, a larger share of the layer's units takes part."""

    at: datetime
    """Aware."""
    traffic_bp: int
    """Of the layer's units, 0 to 10,000."""

    def __post_init__(self) -> None:
        check_time(self.at, field="at")
        _check_traffic(self.traffic_bp)


@dataclass(frozen=True, slots=True)
class Target:
    """Which requests an experiment is for; an empty one takes all."""

    categories: tuple[tuple[str, ...], ...] = ()
    """Beginnings of category paths, root first: the query item's must have one of them."""
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name to accepted values: the request's targeting must have one of the values of every name. Ordered by name."""

    def __post_init__(self) -> None:
        if len(self.categories) > MAX_TARGET_CATEGORIES:
            raise DefinitionError(f"there are more than {MAX_TARGET_CATEGORIES}", field="categories")
        for place, path in enumerate(self.categories):
            if not path or not all(path):
                raise DefinitionError("a category path has one or more names, none empty", field=f"categories[{place}]")
        names = [name for name, _ in self.attributes]
        if len(names) > MAX_TARGET_ATTRIBUTES:
            raise DefinitionError(f"there are more than {MAX_TARGET_ATTRIBUTES}", field="attributes")
        if names != sorted(set(names)):
            raise DefinitionError("names stand once each, in order", field="attributes")
        for name, values in self.attributes:
            if not 1 <= len(name) <= MAX_ATTRIBUTE_NAME_CHARS or not values or len(set(values)) != len(values):
                raise DefinitionError(
                    f"a name of 1 to {MAX_ATTRIBUTE_NAME_CHARS} characters needs one or more values, each once",
                    field=f"attributes[{name[:MAX_ATTRIBUTE_NAME_CHARS]!r}]",
                )


@dataclass(frozen=True, slots=True)
class Experiment:
    """Variants, who is in them, and when."""

    name: str
    variants: tuple[Variant, ...]
    """Two or more; their shares add up to all. Exactly two, of a half each, if it is interleaved."""
    start: datetime
    """Aware. From this moment on, inclusive."""
    end: datetime | None = None
    """Aware. Until this moment, exclusive; None means until it is stopped. If it is the start, it never runs."""
    layer: str = DEFAULT_LAYER
    """Experiments of one layer never share a unit; those of different layers divide units independently."""
    salt: str = ""
    """What units are hashed with to divide them among variants; the experiment's name by default."""
    traffic_bp: int = WHOLE_BP
    """Share of the layer's units that takes part from the start on."""
    ramp: tuple[RampStep, ...] = ()
    """Later, larger shares."""
    target: Target = field(default_factory=Target)
    is_aa: bool = False
    """Whether the variants are `equal_variants`, to try the experiment machinery itself."""
    interleaved: bool = False
    """Whether each page of a unit is drawn from both variants by turns, instead of each unit having one of them; see
    `interleaving.team_draft`."""
    description: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, field="name")
        check_name(self.layer, field="layer")
        if not self.salt:
            object.__setattr__(self, "salt", self.name)
        check_name(self.salt, field="salt")
        if len(self.description) > MAX_DESCRIPTION_CHARS:
            raise DefinitionError(f"it has more than {MAX_DESCRIPTION_CHARS:,} characters", field="description")
        check_time(self.start, field="start")
        if self.end is not None:
            check_time(self.end, field="end")
            if self.end < self.start:
                raise DefinitionError(f"{self.end.isoformat()} is before the start", field="end")
        _check_traffic(self.traffic_bp)
        self._check_ramp()
        self._check_variants()

    @property
    def largest_traffic_bp(self) -> int:
        """The share of the layer's units that takes part in the end."""
        return self.ramp[-1].traffic_bp if self.ramp else self.traffic_bp

    @property
    def parameters(self) -> frozenset[Parameter]:
        """What any of its variants sets."""
        return frozenset[Parameter]().union(*(variant.settings.parameters for variant in self.variants))

    @property
    def encoder_ids(self) -> frozenset[str]:
        """The encoders that its variants name."""
        named = (variant.settings.encoder_id for variant in self.variants)
        return frozenset(encoder_id for encoder_id in named if encoder_id is not None)

    def runs_at(self, now: datetime) -> bool:
        """Return whether it has begun and not ended."""
        return self.start <= now and (self.end is None or now < self.end)

    def traffic_bp_at(self, now: datetime) -> int:
        """Return the share of the layer's units that takes part at a moment at which it runs."""
        done = [step.traffic_bp for step in self.ramp if step.at <= now]
        return done[-1] if done else self.traffic_bp

    def overlaps(self, other: Experiment) -> bool:
        """Return whether there is a moment at which both run."""
        ends = [one.end for one in (self, other) if one.end is not None]
        return not ends or max(self.start, other.start) < min(ends)

    def _check_ramp(self) -> None:
        if len(self.ramp) > MAX_RAMP_STEPS:
            raise DefinitionError(f"there are more than {MAX_RAMP_STEPS} steps", field="ramp")
        for place, step in enumerate(self.ramp):
            if step.at <= self.start or (self.end is not None and step.at >= self.end):
                raise DefinitionError("a step lies between start and end", field=f"ramp[{place}].at")
        steps = (RampStep(self.start, self.traffic_bp), *self.ramp)
        for place, (before, after) in enumerate(pairwise(steps)):
            if after.at <= before.at:
                raise DefinitionError("steps come one after the other", field=f"ramp[{place}].at")
            if after.traffic_bp <= before.traffic_bp:
                raise DefinitionError(
                    f"a ramp only grows, so that who is in stays in; {after.traffic_bp} is not above "
                    f"{before.traffic_bp}. To shrink, put the experiment anew with less traffic",
                    field=f"ramp[{place}].traffic_bp",
                )

    def _check_variants(self) -> None:
        if self.interleaved:
            self._check_pair()
        if not 2 <= len(self.variants) <= MAX_VARIANTS:
            raise DefinitionError(
                f"an experiment has 2 to {MAX_VARIANTS} variants, not {len(self.variants)}", field="variants"
            )
        names = [variant.name for variant in self.variants]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise DefinitionError(f"{name!r} stands twice", field=f"variants[{place}].name")
        total = sum(variant.share_bp for variant in self.variants)
        if total != WHOLE_BP:
            raise DefinitionError(
                f"the shares add up to {total} basis points ({total / WHOLE_BP:.2%}); they must be {WHOLE_BP} (100 %)",
                field="variants",
            )
        if self.is_aa:
            if self.variants != equal_variants(len(self.variants)):
                raise DefinitionError("the variants of an A/A experiment are a1, a2 and so on", field="variants")
        elif len({variant.settings for variant in self.variants}) == 1:
            raise DefinitionError("all variants do the same; say aa_variants if that is meant", field="variants")

    def _check_pair(self) -> None:
        if len(self.variants) != 2:
            raise DefinitionError(
                f"an interleaved experiment has exactly two variants, not {len(self.variants)}: the first is the "
                "control, and every page is drawn from both. To compare more, interleave each with the control in an "
                "experiment of its own",
                field="variants",
            )
        if any(variant.share_bp != HALF_BP for variant in self.variants):
            raise DefinitionError(
                "the variants of an interleaved experiment have no shares, since every page is drawn from both: leave "
                "the shares out, and say with traffic and ramp how many units get such pages",
                field="variants",
            )


def equal_variants(count: int) -> tuple[Variant, ...]:
    """Return the variants of an A/A experiment: `a1`, `a2` and so on, of shares as equal as can be."""
    if not 2 <= count <= MAX_VARIANTS:
        raise DefinitionError(f"an experiment has 2 to {MAX_VARIANTS} variants, not {count}", field="aa_variants")
    share, left = divmod(WHOLE_BP, count)
    return tuple(Variant(f"a{number + 1}", share + (number < left)) for number in range(count))


def check_name(name: str, *, field: str) -> None:
    """Raise `DefinitionError` unless it can name an experiment, a variant, a layer or a salt."""
    if not _NAME.fullmatch(name):
        raise DefinitionError(f"{name[:80]!r} is no name: {_NAME_RULE}", field=field)


def check_time(moment: datetime, *, field: str) -> None:
    """Raise `DefinitionError` unless the moment says its time zone."""
    if moment.tzinfo is None:
        raise DefinitionError(f"{moment.isoformat()} has no time zone; UTC is written with a Z at the end", field=field)


def _check_traffic(traffic_bp: int) -> None:
    if not 0 <= traffic_bp <= WHOLE_BP:
        raise DefinitionError(f"{traffic_bp} is not between 0 and {WHOLE_BP}", field="traffic_bp")
