"""p-values that allow for how many were computed, by statsmodels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from statsmodels.stats.multitest import multipletests

if TYPE_CHECKING:
    from collections.abc import Sequence

Correction = Literal["holm", "bh"]
"""`holm` bounds the chance of any false finding; `bh` (Benjamini and Hochberg) the share of findings that are false."""

_STATSMODELS = {"holm": "holm", "bh": "fdr_bh"}


def corrected(p_values: Sequence[float | None], correction: Correction) -> list[float | None]:
    """Return corrected p-values in the same order; what could not be computed (None) does not count."""
    known = [p_value for p_value in p_values if p_value is not None]
    if not known:
        return list(p_values)
    adjusted = iter(multipletests(known, method=_STATSMODELS[correction])[1].tolist())
    return [None if p_value is None else next(adjusted) for p_value in p_values]
