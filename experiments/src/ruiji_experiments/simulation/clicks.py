"""Pages that are tapped by a known law, so that every policy's true CTR can be computed: what replay is proven against.

An item is tapped if it is looked at, which depends on its position alone, and if it attracts, which depends on the
item:

    P(tap) = 1 / position^bias * sigmoid(a + b * cosine + c * category_similarity + noise of the item)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.replay.exploration import Exploration, explore, propensities
from ruiji_experiments.replay.logged import LoggedPages
from ruiji_experiments.replay.target import positions_by_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_experiments.analysis.ratio import Floats


@dataclass(frozen=True, slots=True)
class ClickModel:
    """How people tap."""

    bias: float = 0.8
    """0 looks at every position alike."""
    constant: float = -3.0
    """a."""
    of_cosine: float = 2.0
    """b."""
    of_category: float = 1.5
    """c."""
    noise: float = 0.8
    """Standard deviation of what the log does not know of an item."""


@dataclass(frozen=True, slots=True)
class SimulatedPages:
    """Pages with what is true of them."""

    logged: LoggedPages
    """As a log has them."""
    attraction: Floats
    """Of each item to whoever looks at it, shape (items,)."""
    model: ClickModel
    """How they were tapped."""

    def true_ctr(self, target: NDArray[np.int64], positions: int) -> float:
        """Return a policy's CTR over the first positions, exactly; `target` as for `replaying.replay`."""
        wanted = (target >= 1) & (target <= positions)
        return float((self.attraction[wanted] / target[wanted] ** self.model.bias).mean())


def simulate_pages(
    pages: int,
    exploration: Exploration,
    rng: np.random.Generator,
    *,
    length: int = 10,
    pages_per_unit: int = 4,
    model: ClickModel | None = None,
) -> SimulatedPages:
    """Rank random items by cosine, explore, and tap.

    Args:
        pages: how many.
        exploration: chance in their order.
        rng: draws.
        length: items on each.
        pages_per_unit: seen by one unit, one after the other.
        model: how people tap.
    """
    model = model or ClickModel()
    cosine = np.sort(rng.uniform(0.2, 0.95, (pages, length)), axis=1)[:, ::-1]
    category = rng.choice([0.0, 0.5, 1.0], (pages, length), p=[0.3, 0.4, 0.3])
    logit = model.constant + model.of_cosine * cosine + model.of_category * category
    attraction = 1 / (1 + np.exp(-logit - rng.normal(0, model.noise, (pages, length))))

    orders = np.stack([explore(length, exploration, rng)[0] for _ in range(pages)])
    chances = np.stack([propensities(order, exploration) for order in orders])
    position = np.arange(1, length + 1)

    def shown(values: NDArray[np.float64]) -> Floats:
        return np.take_along_axis(values, orders, axis=1).ravel()

    looked = np.tile(1 / position**model.bias, pages)
    tapped = rng.random(pages * length) < shown(attraction) * looked
    return SimulatedPages(
        LoggedPages(
            page=np.repeat(np.arange(pages), length),
            unit=np.repeat(np.arange(pages) // pages_per_unit, length),
            item=np.char.add("i-", shown(np.tile(np.arange(float(length)), (pages, 1))).astype(np.int64).astype(str)),
            position=np.tile(position, pages),
            propensity=chances.ravel().astype(np.float64),
            tapped=tapped.astype(np.float64),
            features={
                "cosine": shown(cosine),
                "category_similarity": shown(category),
                "price_ratio": np.ones(pages * length),
            },
        ),
        shown(attraction),
        model,
    )


def as_served(pages: LoggedPages) -> NDArray[np.int64]:
    """Return where items would stand without exploration, shape (items,)."""
    return positions_by_score(pages, pages.features["cosine"], np.ones(len(pages.page), bool))
