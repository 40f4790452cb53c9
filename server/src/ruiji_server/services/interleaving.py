"""Interleaved answers: both variants' pages are worked out, and one page is drawn from them.

The two pages are worked out one after the other, in the one turn of the event loop that a plain page takes: ranking is
arithmetic that holds the interpreter, so nothing would be gained by threads. Both are under the caller's one deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ruiji.v1 import recommendation_pb2
from ruiji_experiments.interleaving.team_draft import NEITHER, draft_coins

from ruiji_server.events.impressions import ServedPage
from ruiji_server.ranking.interleaving import interleave
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Page
from ruiji_server.services import experiment_metrics
from ruiji_server.services.serving import Serving
from ruiji_server.services.wire import add_named_items

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contender:
    """One variant of an interleaved experiment, as it would answer a request."""

    variant: str
    serving: Serving
    policy: RankingPolicy


@dataclass(frozen=True, slots=True)
class Contest:
    """An interleaved experiment that a request takes part in."""

    experiment: str
    salt: str
    """Of the coins."""
    contenders: tuple[Contender, Contender]


def interleaved_answer(
    contest: Contest, served: ServedPage, page_size: int, page_of: Callable[[Contender], Page]
) -> recommendation_pb2.SimilarItemsResponse | None:
    """Answer by both variants, and note in `served` what its log wants to know.

    Args:
        contest: the experiment.
        served: names the answer, and the other experiments that the request takes part in.
        page_size: how many items were asked for.
        page_of: works out a variant's page.

    Returns:
        The answer; None if either variant's page could not be worked out. The request then takes no part in the
        experiment, whichever variant it was, and is to be answered as if there were no such experiment.
    """
    first, second = contest.contenders
    try:
        pages = (page_of(first), page_of(second))
    except Exception:  # noqa: BLE001  (whatever a variant on trial does wrong, the request has an answer)
        experiment_metrics.observe_left_out(contest.experiment, "variant_failed")
        _LOG.exception("experiment %s has no page of both variants; answered without it", contest.experiment)
        return None
    ids = (first.serving.live.item_ids_utf8(pages[0].rows), second.serving.live.item_ids_utf8(pages[1].rows))
    page = interleave(pages, ids, page_size, draft_coins(contest.salt, served.request_id))
    manifests = [contender.serving.generation.manifest for contender in contest.contenders]
    label = recommendation_pb2.VariantAssignment(experiment=contest.experiment, interleaved=True)
    served.variants = (*served.variants, label)
    answer = recommendation_pb2.SimilarItemsResponse(
        generation_id=_common(manifest.generation_id for manifest in manifests),
        encoder_id=_common(manifest.encoder_id for manifest in manifests),
        catalogue_exhausted=page.exhausted,
        request_id=served.request_id,
        variants=served.variants,
    )
    add_named_items(answer, page, page.item_ids)
    for item, team in zip(answer.items, page.teams, strict=True):
        if team != NEITHER:
            item.team = contest.contenders[team].variant
    served.page, served.answer = page, answer
    experiment_metrics.observe_request(contest.experiment, f"{first.variant}+{second.variant}")
    return answer


def _common(names: Iterable[str]) -> str:
    """Return what all are named; empty if they differ."""
    name, *others = set(names)
    return "" if others else name
