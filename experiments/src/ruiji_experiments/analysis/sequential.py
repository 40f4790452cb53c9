"""Intervals that hold at every look, however often one looks and whenever one stops.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas ("Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 2024) with a normal mixture, which is also the mixture
sequential probability ratio test (Robbins 1970; Johari, Koomen, Pekelis and Walsh, "Always valid inference: continuous
monitoring of A/B tests", 2022). For an estimate with variance V now, and a mixture of standard
deviation tau, chosen before the data:

    half width = sqrt( 2 V (V + tau^2) / tau^2 * (log(1 / alpha) + log((V + tau^2) / V) / 2) )

    likelihood ratio = sqrt(V / (V + tau^2)) * exp( tau^2 * estimate^2 / (2 V (V + tau^2)) ),   p = min(1, 1 / ratio)

Any tau is safe. The interval is narrowest, against that of one look, where tau is about 2.8 standard errors: 3.0 of
them to each side. At ten times that tau it is 3.6, at a tenth 9.1. It holds
when what comes in between two looks is news: successive estimates behave like a random walk on the clock 1 / V. That is
so for new units and for units that come back alike. It is asymptotic: the first looks need enough events.
"""

from __future__ import annotations

import numpy as np

from ruiji_experiments.analysis.ratio import Floats


def always_valid_half_width(variance: Floats, mixture_deviation: float, confidence: float) -> Floats:
    """Return half the width of the interval around an estimate, shape (...).

    Args:
        variance: of the estimate now, shape (...).
        mixture_deviation: tau, in the unit of the estimate, above 0.
        confidence: of all looks together, such as 0.95.
    """
    mixture = mixture_deviation**2
    log_spread = np.log((variance + mixture) / variance) / 2 - np.log1p(-confidence)
    return np.asarray(np.sqrt(2 * variance * (variance + mixture) / mixture * log_spread))


def always_valid_p_value(estimate: Floats, variance: Floats, mixture_deviation: float) -> Floats:
    """Return the p-value of the true value being 0, shape (...); a test may stop as soon as it is below alpha."""
    mixture = mixture_deviation**2
    log_ratio = np.log(variance / (variance + mixture)) / 2
    log_ratio = log_ratio + mixture * estimate**2 / (2 * variance * (variance + mixture))
    return np.asarray(np.exp(-np.maximum(log_ratio, 0)))
