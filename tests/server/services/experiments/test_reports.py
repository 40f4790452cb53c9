"""Reports of experiments over gRPC: what is published is read back, and what contradicts itself is refused."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruiji_client import (
    AssignmentCheck,
    AsyncRuijiClient,
    Estimate,
    Experiment,
    ExperimentReport,
    GuardrailReport,
    GuardrailState,
    ImpressionSource,
    InvalidArgumentError,
    MeasureReport,
    NotFoundError,
    Variant,
    VariantReport,
)
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.report_messages import published_message, report_to_json
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.experiment_reports import StoredReport, publish_report

from tests.support.services import served

START = datetime(2026, 11, 1, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden" / "experiment-report-1.json"
LATER = '{"control": "control", "confidence": 0.9, "promise": {"of": "a later release"}}'


def a_report() -> ExperimentReport:
    """Everything that a report can say."""
    lift = Estimate(value=0.05, low=0.01, high=0.09)
    return ExperimentReport(
        control="control",
        events_start=START,
        events_end=datetime(2026, 11, 15, tzinfo=UTC),
        source=ImpressionSource.IMPRESSION_SOURCE_CLIENT,
        confidence=0.95,
        assignment=AssignmentCheck(p_value=0.4, shares_planned=True),
        variants=[
            VariantReport(
                variant="control",
                units=1_000,
                measures=[MeasureReport(measure="ctr", rate=Estimate(value=0.02, low=0.019, high=0.021))],
            ),
            VariantReport(
                variant="wide",
                units=1_010,
                measures=[
                    MeasureReport(
                        measure="ctr",
                        rate=Estimate(value=0.021, low=0.02, high=0.022),
                        lift=lift,
                        p_value=0.014,
                        always_valid_lift=Estimate(value=0.05, low=-0.02, high=0.12),
                        always_valid_p_value=0.3,
                    ),
                    MeasureReport(measure="cvr", rate=Estimate(value=0.0)),
                ],
                guardrails=[
                    GuardrailReport(
                        guardrail="latency p95",
                        state=GuardrailState.GUARDRAIL_STATE_VIOLATED,
                        harm=Estimate(value=0.4, low=0.3, high=0.5),
                        margin=0.2,
                    ),
                    GuardrailReport(guardrail="errors", state=GuardrailState.GUARDRAIL_STATE_UNDECIDED, margin=0.002),
                ],
            ),
        ],
    )


@pytest.fixture
def database(tmp_path: Path):
    database = open_database(f"sqlite:///{tmp_path / 'store.sqlite'}", create=True)
    yield database
    database.close()


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[AsyncRuijiClient]:
    """Of a server with one experiment."""
    variants = [Variant(name="control", share_bp=5_000), Variant(name="wide", share_bp=5_000, max_price_ratio=3.0)]
    async with served(database, GenerationDirectory(tmp_path / "generations")) as client:
        await client.put_experiment(Experiment(name="band", variants=variants), author="ada", reason="to see")
        yield client


async def test_a_report_is_read_back_as_it_was_published(client):
    published = (await client.publish_report("band", a_report(), author="ada")).report
    assert (published.experiment, published.author, published.report) == ("band", "ada", a_report())
    assert abs(published.published_at.ToDatetime(UTC) - datetime.now(UTC)).total_seconds() < 600
    assert (await client.get_report("band")).report == published
    assert (await client.get_report("band", number=published.number)).report == published
    assert list((await client.list_reports()).reports) == [published]


async def test_a_repeated_call_publishes_nothing(client):
    first = await client.publish_report("band", a_report(), author="ada", request_id="a")
    again = await client.publish_report("band", a_report(), author="ada", request_id="a")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.report == first.report
    # Calls that name none are reports of their own.
    await client.publish_report("band", a_report(), author="ada")
    assert len((await client.list_reports("band")).reports) == 2
    assert len((await client.list_reports(latest_only=True)).reports) == 1


async def test_what_is_not_there_is_named(client):
    refusals = []
    for call in (
        client.publish_report("nobody", a_report(), author="ada"),
        client.get_report("nobody"),
        client.list_reports("nobody"),
        client.get_report("band"),
    ):
        with pytest.raises(NotFoundError) as caught:
            await call
        refusals.append((caught.value.reason, caught.value.field))
    assert refusals == [("EXPERIMENT_NOT_FOUND", "name")] * 3 + [("EXPERIMENT_REPORT_NOT_FOUND", "name")]


REFUSED: dict[str, Callable[[ExperimentReport], object]] = {
    "report.variants": lambda report: report.ClearField("variants"),
    "report.variants[1].variant": lambda report: setattr(report.variants[1], "variant", "control"),
    "report.variants[0].variant": lambda report: setattr(report.variants[0], "variant", ""),
    "report.control": lambda report: setattr(report, "control", "narrow"),
    "report.events_start": lambda report: report.ClearField("events_start"),
    "report.events_end": lambda report: report.events_end.CopyFrom(report.events_start),
    "report.source": lambda report: report.ClearField("source"),
    "report.confidence": lambda report: setattr(report, "confidence", 95.0),
    "report.assignment": lambda report: report.ClearField("assignment"),
    "report.assignment.p_value": lambda report: setattr(report.assignment, "p_value", math.nan),
    "report.variants[1].units": lambda report: setattr(report.variants[1], "units", -1),
    "report.variants[1].measures[1].measure": lambda report: setattr(report.variants[1].measures[1], "measure", "ctr"),
    "report.variants[1].measures[0].lift": lambda report: setattr(report.variants[1].measures[0].lift, "low", 0.06),
    "report.variants[1].measures[0].rate": lambda report: report.variants[1].measures[0].rate.ClearField("high"),
    "report.variants[1].measures[0].always_valid_lift": lambda report: setattr(
        report.variants[1].measures[0].always_valid_lift, "high", math.inf
    ),
    "report.variants[1].measures[0].p_value": lambda report: setattr(report.variants[1].measures[0], "p_value", 1.1),
    "report.variants[1].measures": lambda report: report.variants[1].measures.extend(
        MeasureReport(measure=str(number)) for number in range(19)
    ),
    "report.variants[1].guardrails[0].state": lambda report: report.variants[1].guardrails[0].ClearField("state"),
    "report.variants[1].guardrails[0].margin": lambda report: report.variants[1].guardrails[0].ClearField("margin"),
    "report.variants[1].guardrails[0].harm": lambda report: setattr(
        report.variants[1].guardrails[0].harm, "value", math.nan
    ),
}


async def test_a_report_that_contradicts_itself_is_refused_with_the_field(client):
    for field, spoil in REFUSED.items():
        report = a_report()
        spoil(report)
        with pytest.raises(InvalidArgumentError) as caught:
            await client.publish_report("band", report, author="ada")
        assert (caught.value.reason, caught.value.field) == ("EXPERIMENT_REPORT_INVALID", field), field
    assert not (await client.list_reports()).reports


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({"author": " "}, "EXPERIMENT_REPORT_INVALID", "author"),
        ({"author": "a" * 65}, "EXPERIMENT_REPORT_INVALID", "author"),
        ({"request_id": ""}, "REQUEST_ID_INVALID", "request_id"),
    ],
)
async def test_who_publishes_says_who_and_names_the_call(client, options, reason, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.publish_report("band", a_report(), **{"author": "ada"} | options)
    assert (caught.value.reason, caught.value.field) == (reason, field)


@pytest.mark.parametrize("limit", [0, 1_001])
async def test_a_limit_out_of_range_is_refused(client, limit):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.list_reports(limit=limit)
    assert caught.value.field == "limit"


def test_a_report_of_the_first_release_is_still_read():
    stored = StoredReport(7, "band", GOLDEN.read_text(encoding="utf-8"), "ada", START)
    message = published_message(stored)
    assert message.report == a_report()
    assert report_to_json(message.report) + "\n" == GOLDEN.read_text(encoding="utf-8")


async def test_what_a_later_release_published_is_read_as_far_as_it_is_known(client, database):
    publish_report(database, "band", LATER, ["control"], author="bob", request_id="r", now=START)
    assert (await client.get_report("band")).report.report == ExperimentReport(control="control", confidence=0.9)
