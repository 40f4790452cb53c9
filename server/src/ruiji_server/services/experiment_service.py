"""`ExperimentService`: experiments are put, read, stopped and rolled back, and what was found of them is published."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from ruiji.v1 import experiment_reports_pb2, experiments_pb2, experiments_pb2_grpc
from ruiji_experiments.definition.model import Experiment

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.experiment_messages import experiment_from, revision_message, status_message
from ruiji_server.services.failures import Context, rpc
from ruiji_server.services.report_messages import check_publication, published_message, report_to_json
from ruiji_server.services.serving import ServingGenerations
from ruiji_server.services.variants import RunningExperiments
from ruiji_server.store.engine import Database
from ruiji_server.store.experiment_changes import Change, put_experiment, roll_back_experiment, stop_experiment
from ruiji_server.store.experiment_reports import experiment_report, list_reports, publish_report
from ruiji_server.store.experiments import ExperimentRevision, experiment, experiment_history, experiments

_DEFAULT_HISTORY: Final = 50
_MAX_HISTORY: Final = 1_000


class ExperimentService(experiments_pb2_grpc.ExperimentServiceServicer):
    """Experiments over gRPC."""

    def __init__(
        self,
        database: Database,
        generations: GenerationDirectory,
        serving: ServingGenerations,
        running: RunningExperiments,
    ) -> None:
        """Prepare the service.

        Args:
            database: where experiments are kept.
            generations: tells which encoders have a generation.
            serving: tells which of them this server answers by.
            running: told of each change made here, so that this server has it at once.
        """
        self._database = database
        self._generations = generations
        self._serving = serving
        self._running = running

    @rpc
    async def PutExperiment(  # noqa: N802  (the contract's name)
        self, request: experiments_pb2.PutExperimentRequest, _context: Context
    ) -> experiments_pb2.PutExperimentResponse:
        """Put an experiment, or check it alone."""
        change = _change(request)

        def definition(before: Experiment | None) -> Experiment:
            return experiment_from(request.experiment, change.at if before is None else before.start)

        outcome = await asyncio.to_thread(
            put_experiment,
            self._database,
            request.experiment.name,
            definition,
            change,
            await self._published(),
            expected_revision=request.expected_revision if request.HasField("expected_revision") else None,
            validate_only=request.validate_only,
        )
        await self._running.refresh()
        return experiments_pb2.PutExperimentResponse(status=self._status(outcome.revision), changed=outcome.changed)

    @rpc
    async def GetExperiment(  # noqa: N802
        self, request: experiments_pb2.GetExperimentRequest, _context: Context
    ) -> experiments_pb2.GetExperimentResponse:
        """Read one."""
        revision = await asyncio.to_thread(experiment, self._database, request.name)
        return experiments_pb2.GetExperimentResponse(status=self._status(revision))

    @rpc
    async def ListExperiments(  # noqa: N802
        self, _request: experiments_pb2.ListExperimentsRequest, _context: Context
    ) -> experiments_pb2.ListExperimentsResponse:
        """Read all."""
        revisions = await asyncio.to_thread(experiments, self._database)
        return experiments_pb2.ListExperimentsResponse(experiments=map(self._status, revisions))

    @rpc
    async def ListExperimentRevisions(  # noqa: N802
        self, request: experiments_pb2.ListExperimentRevisionsRequest, _context: Context
    ) -> experiments_pb2.ListExperimentRevisionsResponse:
        """Read what was done."""
        revisions = await asyncio.to_thread(experiment_history, self._database, _limit(request), request.name or None)
        return experiments_pb2.ListExperimentRevisionsResponse(revisions=map(revision_message, revisions))

    @rpc
    async def RollBackExperiment(  # noqa: N802
        self, request: experiments_pb2.RollBackExperimentRequest, _context: Context
    ) -> experiments_pb2.RollBackExperimentResponse:
        """Put back what was before."""
        change = _change(request)
        if request.from_revision < 1:
            raise InvalidArgument(
                Reason.EXPERIMENT_REVISION_UNKNOWN,
                "say which revision is in force, so that nobody else's change is undone",
                field="from_revision",
            )
        outcome = await asyncio.to_thread(
            roll_back_experiment,
            self._database,
            request.name,
            change,
            await self._published(),
            from_revision=request.from_revision,
            to_revision=request.to_revision or None,
        )
        await self._running.refresh()
        return experiments_pb2.RollBackExperimentResponse(
            status=self._status(outcome.revision), changed=outcome.changed
        )

    @rpc
    async def StopExperiment(  # noqa: N802
        self, request: experiments_pb2.StopExperimentRequest, _context: Context
    ) -> experiments_pb2.StopExperimentResponse:
        """End one."""
        outcome = await asyncio.to_thread(stop_experiment, self._database, request.name, _change(request))
        await self._running.refresh()
        return experiments_pb2.StopExperimentResponse(status=self._status(outcome.revision), changed=outcome.changed)

    @rpc
    async def PublishReport(  # noqa: N802
        self, request: experiment_reports_pb2.PublishReportRequest, _context: Context
    ) -> experiment_reports_pb2.PublishReportResponse:
        """Keep a report."""
        check_publication(request)
        publication = await asyncio.to_thread(
            publish_report,
            self._database,
            request.name,
            report_to_json(request.report),
            [variant.variant for variant in request.report.variants],
            author=request.author,
            request_id=request.request_id,
            now=datetime.now(UTC),
        )
        return experiment_reports_pb2.PublishReportResponse(
            report=published_message(publication.report), replayed=publication.replayed
        )

    @rpc
    async def GetReport(  # noqa: N802
        self, request: experiment_reports_pb2.GetReportRequest, _context: Context
    ) -> experiment_reports_pb2.GetReportResponse:
        """Read one report."""
        report = await asyncio.to_thread(experiment_report, self._database, request.name, request.number or None)
        return experiment_reports_pb2.GetReportResponse(report=published_message(report))

    @rpc
    async def ListReports(  # noqa: N802
        self, request: experiment_reports_pb2.ListReportsRequest, _context: Context
    ) -> experiment_reports_pb2.ListReportsResponse:
        """Read reports, newest first."""
        reports = await asyncio.to_thread(
            list_reports, self._database, _limit(request), request.name or None, latest_only=request.latest_only
        )
        return experiment_reports_pb2.ListReportsResponse(reports=map(published_message, reports))

    async def _published(self) -> set[str]:
        return set(await asyncio.to_thread(self._generations.published))

    def _status(self, revision: ExperimentRevision) -> experiments_pb2.ExperimentStatus:
        serving = {one.encoder_id for one, _ in self._serving.all()}
        return status_message(revision, datetime.now(UTC), serving)


def _change(
    request: experiments_pb2.PutExperimentRequest
    | experiments_pb2.RollBackExperimentRequest
    | experiments_pb2.StopExperimentRequest,
) -> Change:
    return Change(request.author, request.reason, datetime.now(UTC))


def _limit(
    request: experiments_pb2.ListExperimentRevisionsRequest | experiment_reports_pb2.ListReportsRequest,
) -> int:
    limit = request.limit if request.HasField("limit") else _DEFAULT_HISTORY
    if not 1 <= limit <= _MAX_HISTORY:
        raise InvalidArgument(
            Reason.PAGE_SIZE_OUT_OF_RANGE,
            f"limit is {limit}; it must be between 1 and {_MAX_HISTORY}",
            field="limit",
        )
    return limit
