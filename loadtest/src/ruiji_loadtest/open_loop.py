"""The open-loop load test as a command: `python -m ruiji_loadtest.open_loop --help`.

Programs call `ruiji_loadtest.generator.run_open_loop` and `ruiji_loadtest.saturation.find_saturation` instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Column, Table
from ruiji_client import ClientSettings, RuijiClientError

from ruiji_loadtest.generator import Arrivals, Load, arrival_times, run_open_loop
from ruiji_loadtest.popularity import ItemIdsError, read_item_ids
from ruiji_loadtest.report import OpenLoopReport, SaturationReport, to_json
from ruiji_loadtest.saturation import SaturationSearch, find_saturation

_OUT = Console()
_ERR = Console(stderr=True)


def main(
    target: Annotated[str, typer.Argument(help="Server to ask, as host:port, in plaintext.")],
    item_ids: Annotated[Path, typer.Option(help="File of item ids to ask for, one a line.")],
    rate: Annotated[float, typer.Option(help="Requests a second; with --saturation, where to start.")] = 100.0,
    duration: Annotated[float, typer.Option(help="Seconds that are measured, of each step.")] = 10.0,
    warmup: Annotated[float, typer.Option(help="Seconds before that, which do not count.")] = 1.0,
    arrivals: Annotated[Arrivals, typer.Option(help="How requests are spread over time.")] = Arrivals.POISSON,
    connections: Annotated[int, typer.Option(help="TCP connections; each reaches one server process.")] = 4,
    page_size: Annotated[int, typer.Option(help="Items on a page.")] = 20,
    zipf_exponent: Annotated[float, typer.Option(help="Skew of the items' popularity; 0 for none.")] = 1.0,
    timeout: Annotated[float, typer.Option(help="Deadline of a request in seconds; missing it is an error.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Of arrival times and items.")] = 0,
    max_p99_ms: Annotated[float | None, typer.Option(help="Fail, or count as too much, above this p99.")] = None,
    saturation: Annotated[bool, typer.Option("--saturation", help="Find the highest rate that is sustained.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Ask for similar items at a rate that does not wait for answers, and report latencies from when each was due.

    Exits with 1 if any request failed, if nothing was answered, or if the p99 is above its limit.

    Example: python -m ruiji_loadtest.open_loop localhost:50051 --item-ids ids.txt --rate 500 --max-p99-ms 50
    """
    try:
        ids = read_item_ids(item_ids)
        load = Load(
            client=ClientSettings(target),
            rate_per_s=rate,
            duration_s=duration,
            warmup_s=warmup,
            arrivals=arrivals,
            connections=connections,
            page_size=page_size,
            zipf_exponent=zipf_exponent,
            timeout_s=timeout,
            seed=seed,
        )
        if saturation:
            _saturate(load, ids, SaturationSearch(max_p99_ms=max_p99_ms), as_json=as_json)
        else:
            _run(load, ids, max_p99_ms, as_json=as_json)
    except (ItemIdsError, ValueError) as error:
        _stop(str(error), code=2)
    except RuijiClientError as error:
        _stop(f"{target} does not answer: {error}", code=1)


def _run(load: Load, ids: tuple[str, ...], max_p99_ms: float | None, *, as_json: bool) -> None:
    # Drawn seldom, for it takes its time from the generator.
    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=_ERR, refresh_per_second=2
    ) as progress:
        bar = progress.add_task("", total=len(arrival_times(load)))
        report = run_open_loop(load, ids, lambda sent: progress.advance(bar, sent))
    if as_json:
        typer.echo(to_json(report))
    else:
        _OUT.print(_table([report]))
    _warn(report)
    if failures := report.failures(max_p99_ms=max_p99_ms):
        _stop("; ".join(failures), code=1)


def _saturate(load: Load, ids: tuple[str, ...], search: SaturationSearch, *, as_json: bool) -> None:
    def tell(step: OpenLoopReport) -> None:
        verdict = "sustained" if search.is_sustained(step) else "too much"
        _ERR.print(f"{step.offered_per_s:.0f} requests/s offered, {step.answered_per_s:.0f} answered: {verdict}")

    report: SaturationReport = find_saturation(load, ids, search, tell)
    if as_json:
        typer.echo(to_json(report))
    else:
        _OUT.print(_table(sorted(report.steps, key=lambda step: step.offered_per_s)))
    if report.sustained is None:
        _stop(f"not even {load.rate_per_s:g} requests/s are sustained; start lower with --rate", code=1)
    _warn(report.sustained)
    bound = " or more; the generator could do no more" if report.generator_was_the_limit else ""
    _ERR.print(f"Sustained: {report.sustained.offered_per_s:.0f} requests/s{bound}")


def _table(reports: list[OpenLoopReport]) -> Table:
    names = ("offered/s", "answered/s", "errors", "p50", "p90", "p99", "p99.9", "late", "CPU")
    columns = [Column(name, justify="right", no_wrap=True) for name in names]
    caption = "Latency in ms, from when each was due; late: p99 of sending, in ms; CPU: cores of the generator"
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False, caption=caption)
    for report in reports:
        latency, lag = report.latency_ms, report.send_lag_ms
        table.add_row(
            f"{report.offered_per_s:.0f}",
            f"{report.answered_per_s:.0f}",
            str(sum(report.errors.values())),
            *(["-"] * 4 if latency is None else _ms(latency.p50, latency.p90, latency.p99, latency.p99_9)),
            *(["-"] if lag is None else _ms(lag.p99)),
            f"{report.generator_cpu:.2f}",
        )
    return table


def _ms(*values: float) -> list[str]:
    return [f"{value:.1f}" for value in values]


def _warn(report: OpenLoopReport) -> None:
    if report.generator_was_the_limit:
        _ERR.print("[yellow]The generator had no time to spare: the rate is its own, not the server's.")
    elif report.generator_was_late:
        _ERR.print("[yellow]Requests left late: much of the latency is the generator's, or of the machine it shares.")


def _stop(message: str, *, code: int) -> NoReturn:
    _ERR.print(f"[red]Load test failed:[/] {message}", highlight=False)
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
