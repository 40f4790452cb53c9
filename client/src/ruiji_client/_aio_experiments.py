"""Experiments, in the client for asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from ruiji.v1.experiment_reports_pb2 import (
    ExperimentReport,
    GetReportRequest,
    GetReportResponse,
    ListReportsRequest,
    ListReportsResponse,
    PublishReportResponse,
)
from ruiji.v1.experiments_pb2 import (
    Experiment,
    GetExperimentRequest,
    GetExperimentResponse,
    ListExperimentRevisionsRequest,
    ListExperimentRevisionsResponse,
    ListExperimentsRequest,
    ListExperimentsResponse,
    PutExperimentRequest,
    PutExperimentResponse,
    RollBackExperimentRequest,
    RollBackExperimentResponse,
    StopExperimentRequest,
    StopExperimentResponse,
)

from ruiji_client._experiments import publish_report_request
from ruiji_client._settings import ClientSettings

if TYPE_CHECKING:
    import grpc.aio
    from ruiji.v1.experiments_pb2_grpc import ExperimentServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class AsyncExperimentCalls(ABC):
    """What a client can do about experiments; explained in `ExperimentCalls`."""

    _settings: ClientSettings
    _experiments: ExperimentServiceAsyncStub

    @abstractmethod
    async def _call(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        default_s: float,
    ) -> Response: ...

    async def put_experiment(
        self,
        experiment: Experiment,
        *,
        author: str,
        reason: str,
        expected_revision: int | None = None,
        validate_only: bool = False,
        timeout_s: float | None = None,
    ) -> PutExperimentResponse:
        """Put an experiment; see `RuijiClient.put_experiment`."""
        request = PutExperimentRequest(
            experiment=experiment,
            author=author,
            reason=reason,
            expected_revision=expected_revision,
            validate_only=validate_only,
        )
        return await self._call(self._experiments.PutExperiment, request, timeout_s, self._default_s())

    async def get_experiment(self, name: str, *, timeout_s: float | None = None) -> GetExperimentResponse:
        """Return an experiment as it is now."""
        request = GetExperimentRequest(name=name)
        return await self._call(self._experiments.GetExperiment, request, timeout_s, self._default_s())

    async def list_experiments(self, *, timeout_s: float | None = None) -> ListExperimentsResponse:
        """Return all experiments, by name."""
        request = ListExperimentsRequest()
        return await self._call(self._experiments.ListExperiments, request, timeout_s, self._default_s())

    async def list_experiment_revisions(
        self, name: str | None = None, *, limit: int | None = None, timeout_s: float | None = None
    ) -> ListExperimentRevisionsResponse:
        """Return what was done to experiments, newest first."""
        request = ListExperimentRevisionsRequest(name=name or "", limit=limit)
        return await self._call(self._experiments.ListExperimentRevisions, request, timeout_s, self._default_s())

    async def roll_back_experiment(
        self,
        name: str,
        *,
        from_revision: int,
        author: str,
        reason: str,
        to_revision: int | None = None,
        timeout_s: float | None = None,
    ) -> RollBackExperimentResponse:
        """Put back the definition before; see `RuijiClient.roll_back_experiment`."""
        request = RollBackExperimentRequest(
            name=name, from_revision=from_revision, to_revision=to_revision or 0, author=author, reason=reason
        )
        return await self._call(self._experiments.RollBackExperiment, request, timeout_s, self._default_s())

    async def stop_experiment(
        self, name: str, *, author: str, reason: str, timeout_s: float | None = None
    ) -> StopExperimentResponse:
        """End an experiment now; does nothing if it has ended."""
        request = StopExperimentRequest(name=name, author=author, reason=reason)
        return await self._call(self._experiments.StopExperiment, request, timeout_s, self._default_s())

    async def publish_report(
        self,
        name: str,
        report: ExperimentReport,
        *,
        author: str,
        request_id: str | None = None,
        timeout_s: float | None = None,
    ) -> PublishReportResponse:
        """Publish what a report found; see `RuijiClient.publish_report`."""
        request = publish_report_request(name, report, author, request_id)
        return await self._call(self._experiments.PublishReport, request, timeout_s, self._default_s())

    async def get_report(
        self, name: str, *, number: int | None = None, timeout_s: float | None = None
    ) -> GetReportResponse:
        """Return a report of an experiment; without a number the latest."""
        request = GetReportRequest(name=name, number=number or 0)
        return await self._call(self._experiments.GetReport, request, timeout_s, self._default_s())

    async def list_reports(
        self,
        name: str | None = None,
        *,
        latest_only: bool = False,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> ListReportsResponse:
        """Return reports, newest first; see `RuijiClient.list_reports`."""
        request = ListReportsRequest(name=name or "", latest_only=latest_only, limit=limit)
        return await self._call(self._experiments.ListReports, request, timeout_s, self._default_s())

    def _default_s(self) -> float:
        return self._settings.deadlines.experiments_s
