"""Chance in the order of served pages, so that their log can answer for other rankings later.

Which pages are shuffled, and with what probability each item came to its place, is `ruiji_experiments`'; see there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ruiji_experiments.replay.exploration import Exploration, explore

from ruiji_server.ranking.query import Page


class Explorer:
    """Orders pages anew, a share of them. For one thread."""

    def __init__(self, exploration: Exploration, seed: int | None = None) -> None:
        """Prepare.

        Args:
            exploration: how much chance.
            seed: of the draws; different in each process by default.
        """
        self._exploration = exploration
        self._rng = np.random.default_rng(seed)

    def explored(self, page: Page) -> Page:
        """Return the page in an order that was drawn, mostly its own, with the propensities of that order."""
        order, propensities = explore(len(page.rows), self._exploration, self._rng)
        ratios, similarities = page.price_ratios, page.category_similarities
        return replace(
            page,
            rows=page.rows[order],
            scores=page.scores[order],
            cosines=page.cosines[order],
            price_ratios=None if ratios is None else ratios[order],
            category_similarities=None if similarities is None else similarities[order],
            propensities=propensities,
        )
