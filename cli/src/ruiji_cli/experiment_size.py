"""`ruiji experiment size` and `calibrate`: what an experiment will need, and whether its statistics can be believed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ruiji_cli.console import OUT, bar
from ruiji_cli.event_options import EventsRoot, events_root
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DataFolder

app = typer.Typer()

_SHOWN_LIFTS = (0.5, 1.0, 2.0)
"""Multiples of the lift that was asked for, so that one sees what a smaller one would cost."""


@app.command()
def size(
    lift: Annotated[float | None, typer.Option(help="To be found by an A/B test; 0.1 is +10 %.")] = None,
    preference: Annotated[
        float | None,
        typer.Option(help="Or by an interleaved experiment: 0.1 stands for 55 wins to 45 losses."),
    ] = None,
    decided_share: Annotated[
        float | None,
        typer.Option(help="Of an interleaved experiment's units, those that decide; reports of past ones say."),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT", help="Learn from this past experiment in the events; needs --events."),
    ] = None,
    metric: Annotated[str, typer.Option(help="Of that experiment: ctr, cvr or purchases_per_unit.")] = "ctr",
    control: Annotated[str, typer.Option(help="Variant of that experiment to learn from.")] = "control",
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    rate: Annotated[
        float | None, typer.Option(help="Or without a log: the ratio today, such as a CTR of 0.02.")
    ] = None,
    events_per_unit: Annotated[
        float | None, typer.Option(help="And its denominator by unit over the experiment, such as 30 impressions.")
    ] = None,
    design_effect: Annotated[
        float, typer.Option(min=1.0, help="And how much larger the variance is since events of a unit are alike.")
    ] = 2.0,
    power: Annotated[float, typer.Option(min=0.01, max=0.9999, help="Chance of finding the lift.")] = 0.8,
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Chance of finding one where there is none.")
    ] = 0.05,
    control_share: Annotated[float, typer.Option(help="Of the units of control and variant together.")] = 0.5,
    variance_kept: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="By the pre-period; reports of past experiments say.")
    ] = 1.0,
) -> None:
    """Say how many units an experiment needs to find a lift, or an interleaved one to find a preference.

    From a past experiment:  ruiji experiment size --lift 0.05 --experiment wider-band --events FOLDER

    From figures:  ruiji experiment size --lift 0.05 --rate 0.02 --events-per-unit 30

    Interleaved:  ruiji experiment size --preference 0.1 --decided-share 0.3
    """
    from ruiji_experiments.analysis.sample_size import Plan, deviation_of_binary_events, units_needed

    if (lift is None) == (preference is None):
        raise UsageProblem("give either --lift, to be found by an A/B test, or --preference, by an interleaved one")
    if preference is not None:
        OUT.print(_interleaved_sizes(preference, decided_share, power, alpha))
        return
    if (experiment is None) == (rate is None):
        raise UsageProblem("give either --experiment, to learn from, or --rate and --events-per-unit")
    if experiment is not None:
        deviation = _deviation(events_root(data, events), experiment, control, metric)
    elif rate is None or events_per_unit is None:
        raise UsageProblem("--rate needs --events-per-unit, such as 30 impressions over the whole experiment")
    else:
        deviation = deviation_of_binary_events(rate, events_per_unit, design_effect)
    table = Table("lift", "units in control", "in the variant", "together")
    wanted = lift or 0.0
    for shown in [wanted * multiple for multiple in _SHOWN_LIFTS if multiple == 1 or wanted * multiple > -1]:
        plan = Plan(deviation, shown, power, alpha, control_share, variance_kept)
        of_control, of_variant = units_needed(plan)
        table.add_row(f"{plan.lift:+.1%}", f"{of_control:,}", f"{of_variant:,}", f"{of_control + of_variant:,}")
    table.caption = (
        f"power {power:.0%}, alpha {alpha:g}, one look; always-valid intervals need about 2 to 2.5 times as many"
    )
    OUT.print(table)


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option("--out", help="Markdown file for the results.")] = Path("calibration.md"),
    experiments: Annotated[int, typer.Option(min=20, help="Simulated A/A tests.")] = 2000,
    bootstrapped: Annotated[int, typer.Option(min=0, help="Of so many the bootstrap is computed as well.")] = 400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same page.")] = 0,
) -> None:
    """Simulate thousands of experiments whose truth is known, and count how often the statistics are right.

    Coverage of the intervals in A/A tests, looking once and every evening; power for planted lifts against the planned
    power; broken assignments that are caught; replay against truth; interleaving against A/B tests.
    """
    from ruiji_experiments.simulation.calibration import CalibrationSettings, calibration_page, steps_of

    settings = CalibrationSettings(experiments=experiments, bootstrapped=min(bootstrapped, experiments), seed=seed)
    with bar("Simulate", steps_of(settings)) as advance:
        page = calibration_page(settings, advance)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    OUT.print(f"written: {out}", soft_wrap=True)


def _interleaved_sizes(preference: float, decided_share: float | None, power: float, alpha: float) -> Table:
    from ruiji_experiments.interleaving.sample_size import InterleavedPlan, interleaved_units_needed

    if decided_share is None:
        raise UsageProblem(
            "--preference needs --decided-share, the share of units that tap more of one variant's items"
        )
    table = Table("preference", "units")
    for shown in [
        preference * multiple for multiple in _SHOWN_LIFTS if multiple == 1 or abs(preference * multiple) < 1
    ]:
        units = interleaved_units_needed(InterleavedPlan(shown, decided_share, power, alpha))
        table.add_row(f"{shown:+.2f}", f"{units:,}")
    table.caption = f"power {power:.0%}, alpha {alpha:g}, {decided_share:.0%} of the units decide, one look"
    return table


def _deviation(root: str, experiment: str, control: str, metric: str) -> float:
    from ruiji_experiments.analysis.planning import unit_deviation
    from ruiji_experiments.analysis.results import METRICS
    from ruiji_experiments.analysis.settings import AnalysisSettings

    chosen = [one for one in METRICS if one.name == metric]
    if not chosen:
        raise UsageProblem(f"--metric is one of {', '.join(one.name for one in METRICS)}, not {metric!r}")
    found = unit_deviation(root, AnalysisSettings(experiment, control), chosen[0])
    if not math.isfinite(found):
        raise UsageProblem(f"nothing of {metric} happened in {control}; learn from another metric or experiment")
    return found
