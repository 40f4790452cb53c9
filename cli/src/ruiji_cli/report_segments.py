"""By what `ruiji experiment report` divides requests."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruiji_experiments.analysis.segments import Segmentation
    from ruiji_experiments.definition.model import Experiment


class Segment(StrEnum):
    """What divides; each by the item that was looked at."""

    CATEGORY = "category"
    PRICE = "price"
    TARGET = "target"


_DEFAULT = (Segment.CATEGORY, Segment.PRICE)
_PRICE_BANDS = 4


def segmentations(
    wanted: Sequence[Segment] | None, items: Path | None, category: str, price: str, plan: Experiment | None
) -> list[Segmentation]:
    """Return how to divide requests.

    Args:
        wanted: by what; None or nothing for category and price, if there are items.
        items: table of the items.
        category: its column of categories.
        price: its column of prices.
        plan: the experiment's definition, whose target divides.

    Raises:
        UsageProblem: something that is needed for it was not given.
    """
    from ruiji_experiments.analysis.segments import Segmentation

    if items is None:
        if wanted:
            raise UsageProblem("--segment needs --items, the table that says each item's category and price")
        return []
    found = []
    for segment in dict.fromkeys(wanted or _DEFAULT):
        match segment:
            case Segment.CATEGORY:
                found.append(Segmentation("category", items, category))
            case Segment.PRICE:
                found.append(Segmentation("price band", items, price, bands=_PRICE_BANDS))
            case Segment.TARGET:
                if plan is None or not plan.target.categories:
                    raise UsageProblem(
                        "--segment target needs --definition, the file of an experiment with a target of categories"
                    )
                found.append(Segmentation("target", items, category, prefixes=plan.target.categories))
    return found
