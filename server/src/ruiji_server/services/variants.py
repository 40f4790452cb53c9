"""Which variants of experiments a request gets, and what that changes about its answer.

Whether a request takes part in an experiment never depends on the variant that it would get, or the variants could not
be compared: a request that sets itself what any variant of the experiment sets, or an item that any variant's encoder
has not embedded, is in none of them. What the request sets always holds.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ruiji.v1 import recommendation_pb2
from ruiji_experiments.assignment import Asker, Assigner
from ruiji_experiments.definition.model import Parameter, Settings
from ruiji_experiments.errors import RuijiExperimentsError

from ruiji_server.domain.errors import InvalidArgument, Reason, Unavailable
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.services import experiment_metrics
from ruiji_server.services.interleaving import Contender, Contest
from ruiji_server.services.outage import Outage
from ruiji_server.services.serving import Serving, ServingGenerations
from ruiji_server.store.engine import Database
from ruiji_server.store.experiments import experiments, newest_revision

_LOG = logging.getLogger(__name__)

_NONE: Final = -1
"""Of no revision, so that a store without experiments is read once too."""


@dataclass(frozen=True, slots=True)
class Part:
    """How a request is answered because of the experiments that it takes part in."""

    serving: Serving
    policy: RankingPolicy
    variants: Sequence[recommendation_pb2.VariantAssignment] = ()
    contest: Contest | None = None
    """The interleaved experiment among them; the rest holds for both of its variants, and without it."""


@dataclass(frozen=True, slots=True)
class _Needs:
    """What an experiment sets in any variant, worked out once."""

    parameters: frozenset[Parameter]
    encoder_ids: frozenset[str]


class RunningExperiments:
    """The experiments in force, followed while serving. Use it in one event loop."""

    def __init__(
        self, database: Database, serving: ServingGenerations, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Know of no experiment yet; `refresh` looks.

        Args:
            database: where they are kept.
            serving: the generations by which variants answer.
            clock: the time now, aware.
        """
        self._database = database
        self._serving = serving
        self._clock = clock
        self._outage = Outage(_LOG, "changes of experiments")
        self._revision = _NONE
        self._assigner = Assigner(())
        self._settings: dict[str, Settings] = {}
        self._needs: dict[str, _Needs] = {}
        self.any = False
        """Whether there is an experiment at all."""
        self._when_changed: list[Callable[[], None]] = []

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Have somebody told whenever other experiments are in force."""
        self._when_changed.append(tell)

    async def refresh(self) -> None:
        """Take up what was put, stopped or rolled back. While the store is away, what was in force goes on."""
        try:
            revision = await asyncio.to_thread(newest_revision, self._database)
            changed = revision != self._revision
            kept = await asyncio.to_thread(experiments, self._database) if changed else []
            placed = [one.placed for one in kept]
            self._outage.succeeded()
            if not changed:
                return
        except Unavailable as error:
            self._outage.failed(error.message)
            return
        except (RuijiExperimentsError, ValueError):
            # Written by a later release that shares the store; this one goes on with what it could read.
            self._revision = revision
            _LOG.exception("experiments up to revision %d cannot be read", revision)
            return
        self._revision = revision
        self._assigner = Assigner(placed)
        self._settings = {
            f"{one.experiment.name}/{variant.name}": variant.settings
            for one in placed
            for variant in one.experiment.variants
        }
        self._needs = {
            one.experiment.name: _Needs(one.experiment.parameters, one.experiment.encoder_ids) for one in placed
        }
        self.any = bool(placed)
        for tell in self._when_changed:
            tell()
        experiment_metrics.observe_revision(revision)
        if revision:
            _LOG.info("experiments up to revision %d are in force", revision)

    def forced_settings(self, variant: str) -> Settings:
        """Return what a variant does that a request asks for by name.

        Raises:
            InvalidArgument: there is no such variant.
        """
        settings = self._settings.get(variant)
        if settings is None:
            raise InvalidArgument(
                Reason.VARIANT_UNKNOWN,
                f"there is no variant {variant[:130]!r}; it is written as experiment/variant, and "
                "`ruiji experiment list` shows them",
                field="variant",
            )
        return settings

    def take_part(
        self,
        request: recommendation_pb2.SimilarItemsRequest,
        asker: Asker,
        serving: Serving,
        policy: RankingPolicy,
    ) -> Part:
        """Return how a request is answered.

        Args:
            request: what is asked.
            asker: who asks, what about.
            serving: what would answer without any experiment.
            policy: the ranking without any, the request's departures from it included.
        """
        encoder_id, labels, interleaved = None, [], None
        for assignment in self._assigner.assign(asker, self._clock()):
            experiment, variant = assignment.experiment, assignment.variant
            hindrance = self._hindrance(self._needs[experiment.name], request, serving)
            if variant is None and request.explain:
                # An explanation is of one page.
                hindrance = "explained"
            if hindrance is not None:
                experiment_metrics.observe_left_out(experiment.name, hindrance)
                continue
            if variant is None:
                # The only one: no two run at the same time but in one layer, and of a layer a unit is in one.
                interleaved = experiment
                continue
            encoder_id = variant.settings.encoder_id or encoder_id
            policy = with_settings(policy, variant.settings, request.ranking)
            labels.append(_label(experiment.name, variant.name))
            experiment_metrics.observe_request(experiment.name, variant.name)
        chosen = self._serving_of(encoder_id, serving)
        if interleaved is None:
            return Part(chosen, policy, labels)
        first, second = (
            Contender(
                one.name,
                self._serving_of(one.settings.encoder_id, chosen),
                with_settings(policy, one.settings, request.ranking),
            )
            for one in interleaved.variants
        )
        return Part(chosen, policy, labels, Contest(interleaved.name, interleaved.salt, (first, second)))

    def _serving_of(self, encoder_id: str | None, default: Serving) -> Serving:
        # `_hindrance` has looked, and nothing was awaited since.
        return default if encoder_id is None else self._serving.get(encoder_id) or default

    def _hindrance(
        self, needs: _Needs, request: recommendation_pb2.SimilarItemsRequest, serving: Serving
    ) -> str | None:
        """Return why a request takes no part in an experiment, whichever variant it would get."""
        parameters, ranking = needs.parameters, request.ranking
        if (Parameter.MAX_PRICE_RATIO in parameters and ranking.HasField("max_price_ratio")) or (
            Parameter.CATEGORY_WEIGHT in parameters and ranking.HasField("category_weight")
        ):
            return "set_by_request"
        if Parameter.ENCODER not in parameters:
            return None
        if request.encoder_id:
            return "set_by_request"
        if not request.item_id:
            return "not_by_item"
        named = [self._serving.get(encoder_id) for encoder_id in needs.encoder_ids]
        if None in named:
            return "encoder_not_serving"
        if any(one is not None and one.live.row_of(request.item_id) is None for one in (serving, *named)):
            return "item_not_embedded"
        return None


def with_settings(
    policy: RankingPolicy, settings: Settings, overrides: recommendation_pb2.RankingOverrides
) -> RankingPolicy:
    """Return a ranking policy with what a variant sets, except where the request sets it itself."""
    ratio, weight, candidates = settings.max_price_ratio, settings.category_weight, settings.candidates
    return RankingPolicy(
        max_price_ratio=policy.max_price_ratio if ratio is None or overrides.HasField("max_price_ratio") else ratio,
        category_weight=policy.category_weight if weight is None or overrides.HasField("category_weight") else weight,
        candidates=policy.candidates if candidates is None else candidates,
    )


def forced_label(variant: str) -> recommendation_pb2.VariantAssignment:
    """Return what an answer says of a variant that the request asked for by name, "experiment/variant"."""
    experiment, _, name = variant.partition("/")
    return recommendation_pb2.VariantAssignment(experiment=experiment, variant=name, forced=True)


@functools.lru_cache(maxsize=1024)
def _label(experiment: str, variant: str) -> recommendation_pb2.VariantAssignment:
    return recommendation_pb2.VariantAssignment(experiment=experiment, variant=variant)
