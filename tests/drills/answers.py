"""Whether a serving installation answers as a clean rebuild of its store would."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ruiji_client import RuijiClient, RuijiClientError
from ruiji_server.columns.live import LiveColumns
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Query
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.store.feed import FeedReader

from tests.drills.installation import Installation
from tests.support.catalogues import SilentBuild

PAGE_SIZE = 20
_SAME_SCORE = 2e-6
"""Scores that differ by less are the same number, summed up in another order: a changed item is compared in a product
of another shape than one of the generation."""
_PATIENCE_S = 60.0

Page = list[tuple[str, float]]


@dataclass(frozen=True)
class Comparison:
    """Pages of a server beside those of a clean rebuild."""

    pages: int
    differences: tuple[str, ...]


def compare_answers(installation: Installation, client: RuijiClient, *, sample: int, seed: int) -> Comparison:
    """Build the store's index anew elsewhere and compare pages; nobody but embedding workers may write meanwhile.

    A server may be a moment behind, so differences count only if they stay while the store does not change.
    """
    feed = FeedReader(installation.database)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        before = feed.last_position()
        wanted = rebuilt_pages(installation, sample=sample, seed=seed)
        differences = _differences(wanted, client)
        # Where an embedding came meanwhile, the two need not be the same.
        if (not differences and feed.last_position() == before) or time.monotonic() > deadline:
            return Comparison(len(wanted), tuple(differences))
        installation.tend()


def rebuilt_pages(installation: Installation, *, sample: int, seed: int) -> dict[str, Page]:
    """Return the pages of some embedded items, from a generation that is built for this alone."""
    with tempfile.TemporaryDirectory(prefix="ruiji-rebuild-") as folder:
        directory = GenerationDirectory(Path(folder))
        settings = BuildSettings(recall_sample=20, recall_floor=0.0)
        build_generation(installation.database, installation.encoder_id, directory, settings, SilentBuild())
        generation = directory.open_current()
        live = LiveColumns(generation.columns)
        recommender = Recommender(live, generation.index)
        rows = np.random.default_rng(seed).permutation(len(generation.columns))[:sample]
        pages: dict[str, Page] = {}
        for row in rows.tolist():
            query = Query(
                vector=live.embedding(row),
                page_size=PAGE_SIZE,
                policy=RankingPolicy(),
                price=live.price(row),
                category_path=live.category_path(row),
                row=row,
            )
            page = recommender.recommend(query)
            scores = page.scores.tolist()
            pages[live.item_id(row)] = [
                (live.item_id(found), score) for found, score in zip(page.rows.tolist(), scores, strict=True)
            ]
        return pages


def _differences(wanted: dict[str, Page], client: RuijiClient) -> list[str]:
    found: list[str] = []
    for item_id, page in wanted.items():
        try:
            answer = client.similar_items(item_id=item_id, page_size=PAGE_SIZE, timeout_s=10.0)
        except RuijiClientError as error:
            found.append(f"{item_id}: {error}")
            continue
        served = [(item.item_id, item.score) for item in answer.items]
        if not same_page(page, served):
            found.append(f"{item_id}: rebuilt {page}, served {served}")
    return found


def same_page(one: Page, other: Page) -> bool:
    """Return whether two pages are the same but for the order of items whose scores are the same."""
    if len(one) != len(other):
        return False
    scores = np.array([[a[1], b[1]] for a, b in zip(one, other, strict=True)]).reshape(-1, 2)
    if np.abs(scores[:, 0] - scores[:, 1]).max(initial=0.0) > _SAME_SCORE:
        return False
    of_other = dict(other)
    last = one[-1][1] if one else 0.0
    # At the end of a page an item of the same score may stand in for another.
    return all(
        abs(of_other.get(item_id, last) - score) <= _SAME_SCORE and (item_id in of_other or score - last <= _SAME_SCORE)
        for item_id, score in one
    )
