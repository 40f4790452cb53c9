"""What a shopper likes, and what follows from it for one page.

    tap      P(item at position k) = k^-bias * logistic(mood + eagerness * match - thrift * max(0, ln(p / q)))
    purchase P(tapped item)        = logistic(resolve + eagerness * match - thrift * max(0, ln(p / q)))

match is the share of the shopper's attention, 0 to 1, that goes to attributes in which the item is like the one looked
at; p and q are the two prices. Examination that falls with the position is the position-based model of Craswell et al.,
An Experimental Comparison of Click Position-Bias Models (WSDM 2008); everything else is ours, chosen to give rates of
the size that marketplaces see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ruiji_experiments.shoppers.listings import Listing


@dataclass(frozen=True, slots=True)
class TasteSettings:
    """How shoppers differ, and how they behave on average."""

    attention: tuple[float, float, float, float] = (4.0, 2.0, 2.0, 1.0)
    """Dirichlet parameters of the attention to kind (category leaf), colour, pattern and style."""
    mood: tuple[float, float] = (-4.2, 0.6)
    """Mean and standard deviation, over shoppers, of the log-odds of a tap on what does not match at all."""
    eagerness: tuple[float, float] = (2.2, 0.4)
    """Mean and standard deviation of how much a full match adds to them."""
    thrift: tuple[float, float] = (1.0, 0.5)
    """Median and log standard deviation of how much a price e times as high takes from them."""
    resolve: float = -3.0
    """Log-odds of a purchase of what was tapped and does not match at all."""
    position_bias: float = 0.6
    """Exponent of the fall of attention with the position; 0 for none."""


@dataclass(frozen=True, slots=True)
class Tastes:
    """One shopper's, latent: nobody but the simulation knows them."""

    attention: NDArray[np.float64]
    """To kind, colour, pattern and style; shape (4,), sums up to 1."""
    mood: float
    eagerness: float
    thrift: float
    resolve: float
    position_bias: float

    @classmethod
    def draw(cls, rng: np.random.Generator, settings: TasteSettings) -> Tastes:
        """Return the tastes of one shopper."""
        return cls(
            attention=rng.dirichlet(settings.attention),
            mood=float(rng.normal(*settings.mood)),
            eagerness=float(rng.normal(*settings.eagerness)),
            thrift=float(settings.thrift[0] * rng.lognormal(0.0, settings.thrift[1])),
            resolve=settings.resolve,
            position_bias=settings.position_bias,
        )

    def tap_probabilities(self, looked_at: Listing, page: Sequence[Listing]) -> NDArray[np.float64]:
        """Return the probability of a tap on each item of a page, shape (items,)."""
        examined = np.arange(1, len(page) + 1, dtype=np.float64) ** -self.position_bias
        return examined * _logistic(self.mood + self._pull(looked_at, page))

    def purchase_probabilities(self, looked_at: Listing, page: Sequence[Listing]) -> NDArray[np.float64]:
        """Return the probability that each item is bought once it is tapped, shape (items,)."""
        return _logistic(self.resolve + self._pull(looked_at, page))

    def _pull(self, looked_at: Listing, page: Sequence[Listing]) -> NDArray[np.float64]:
        matches = np.array([_alike(looked_at, item) for item in page], dtype=np.float64).reshape(-1, 4)
        ratios = np.array([item.price_minor / looked_at.price_minor for item in page], dtype=np.float64)
        return self.eagerness * (matches @ self.attention) - self.thrift * np.maximum(0.0, np.log(ratios))


def _alike(one: Listing, other: Listing) -> tuple[bool, bool, bool, bool]:
    same_kind = one.category_path == other.category_path
    # A shape means something within its kind only.
    return same_kind, one.colour == other.colour, one.pattern == other.pattern, same_kind and one.style == other.style


def _logistic(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-log_odds))
