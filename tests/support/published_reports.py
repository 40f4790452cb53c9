"""Experiments in every state, with what reports found of them, for pages that show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ruiji_client import (
    AssignmentCheck,
    Estimate,
    Experiment,
    ExperimentReport,
    GuardrailReport,
    GuardrailState,
    ImpressionSource,
    MeasureReport,
    RuijiClient,
    Variant,
    VariantReport,
)

END = datetime(2026, 11, 20, 6, tzinfo=UTC)
HOSTILE_AUTHOR = "<b>Ada</b> & co"
PASSED, VIOLATED, UNDECIDED = (
    GuardrailState.GUARDRAIL_STATE_PASSED,
    GuardrailState.GUARDRAIL_STATE_VIOLATED,
    GuardrailState.GUARDRAIL_STATE_UNDECIDED,
)


def estimate(value: float, half: float | None = None) -> Estimate:
    return Estimate(value=value) if half is None else Estimate(value=value, low=value - half, high=value + half)


def measured(
    name: str, rate: float, lift: float | None = None, half: float = 0.0, every: float | None = None
) -> MeasureReport:
    """Return a measure; `every` is half the width of the interval of every look."""
    message = MeasureReport(measure=name, rate=estimate(rate, rate / 20))
    if lift is not None:
        message.lift.CopyFrom(estimate(lift, half))
        message.p_value = 0.0001 if abs(lift) > half else 0.2345
    if lift is not None and every is not None:
        message.always_valid_lift.CopyFrom(estimate(lift, every))
        message.always_valid_p_value = 0.004 if abs(lift) > every else 0.71
    return message


def guarded(name: str, state: GuardrailState, harm: float | None = None, margin: float = 0.1) -> GuardrailReport:
    return GuardrailReport(
        guardrail=name, state=state, margin=margin, harm=None if harm is None else estimate(harm, 0.03)
    )


def a_report(*variants: VariantReport, p_value: float = 0.62) -> ExperimentReport:
    return ExperimentReport(
        control=variants[0].variant,
        events_start=END - timedelta(days=12),
        events_end=END,
        source=ImpressionSource.IMPRESSION_SOURCE_CLIENT,
        confidence=0.95,
        assignment=AssignmentCheck(p_value=p_value, mismatch=p_value < 0.001, shares_planned=True),
        variants=variants,
    )


NARROW_BAND = a_report(
    VariantReport(
        variant="control",
        units=48_210,
        measures=[measured("ctr", 0.0213), measured("cvr", 0.0402), measured("purchases_per_unit", 0.0312)],
    ),
    VariantReport(
        variant="narrow",
        units=48_377,
        measures=[
            measured("ctr", 0.0229, 0.0751, 0.021, 0.048),
            measured("cvr", 0.0411, 0.0224, 0.041, 0.095),
            measured("purchases_per_unit", 0.0341, 0.093, 0.048),
        ],
        guardrails=[
            guarded("latency p50", PASSED, -0.012),
            guarded("latency p95", PASSED, 0.021, 0.2),
            guarded("short pages", UNDECIDED, 0.0008, 0.005),
            guarded("errors", UNDECIDED, None, 0.002),
        ],
    ),
)
WEIGHTS = a_report(
    VariantReport(variant="control", units=9_000, measures=[measured("ctr", 0.02)]),
    VariantReport(
        variant="some-category-weight-with-a-long-name",
        units=9_013,
        measures=[measured("ctr", 0.0174, -0.13, 0.04, 0.09), measured("bookmarks", 0.3)],
        guardrails=[guarded("latency p95", VIOLATED, 0.34, 0.2)],
    ),
    VariantReport(variant="most", units=7_450, measures=[measured("ctr", 0.0205, 0.026, 0.05, 0.9)]),
    p_value=2.1e-40,
)


def begin_experiments(target: str) -> None:
    """Begin five experiments: with a good report, with a bad one, without any, interleaved, and one that is to come."""
    half = {"share_bp": 5_000}
    with RuijiClient(target) as client:

        def put(author: str = "The pricing team", reason: str = "Shoppers said so", **fields: object) -> None:
            client.put_experiment(Experiment(**fields), author=author, reason=reason)  # type: ignore[arg-type]

        put(
            name="narrow-band",
            description="Are nearer prices liked better?",
            variants=[Variant(name="control", **half), Variant(name="narrow", max_price_ratio=1.2, **half)],
        )
        put(
            name="weights",
            layer="weights",
            variants=[
                Variant(name="control", share_bp=3_400),
                Variant(name="some-category-weight-with-a-long-name", share_bp=3_300, category_weight=0.2),
                Variant(name="most", share_bp=3_300, category_weight=0.9),
            ],
        )
        put(
            name="quiet",
            layer="quiet",
            variants=[Variant(name="control", **half), Variant(name="more", candidates=500, **half)],
        )
        put(name="side-by-side", layer="sides", interleaved=True, aa_variants=2)
        put(name="soon", layer="soon", aa_variants=2, start=datetime.now(UTC) + timedelta(days=30))
        client.publish_report("narrow-band", NARROW_BAND, author="ruiji experiment report")
        client.publish_report("weights", WEIGHTS, author=HOSTILE_AUTHOR)
