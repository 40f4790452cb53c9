"""Experiments, in the blocking client."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from ruiji.v1.experiment_reports_pb2 import (
    ExperimentReport,
    GetReportRequest,
    GetReportResponse,
    ListReportsRequest,
    ListReportsResponse,
    PublishReportRequest,
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

from ruiji_client._settings import ClientSettings

if TYPE_CHECKING:
    import grpc
    from ruiji.v1.experiments_pb2_grpc import ExperimentServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class ExperimentCalls(ABC):
    """What a client can do about experiments."""

    _settings: ClientSettings
    _experiments: ExperimentServiceStub

    @abstractmethod
    def _call(
        self,
        rpc: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        default_s: float,
    ) -> Response: ...

    def put_experiment(
        self,
        experiment: Experiment,
        *,
        author: str,
        reason: str,
        expected_revision: int | None = None,
        validate_only: bool = False,
        timeout_s: float | None = None,
    ) -> PutExperimentResponse:
        """Put an experiment, or another definition of one that is there; in force within a second.

        Args:
            experiment: its definition.
            author: who asks for it.
            reason: why.
            expected_revision: what must be in force: 0 for an experiment that must be new, else its revision; None
                for whatever is.
            validate_only: only check it, and write nothing.
            timeout_s: None takes `Deadlines.experiments_s`, as everywhere below.
        """
        request = PutExperimentRequest(
            experiment=experiment,
            author=author,
            reason=reason,
            expected_revision=expected_revision,
            validate_only=validate_only,
        )
        return self._call(self._experiments.PutExperiment, request, timeout_s, self._default_s())

    def get_experiment(self, name: str, *, timeout_s: float | None = None) -> GetExperimentResponse:
        """Return an experiment as it is now."""
        request = GetExperimentRequest(name=name)
        return self._call(self._experiments.GetExperiment, request, timeout_s, self._default_s())

    def list_experiments(self, *, timeout_s: float | None = None) -> ListExperimentsResponse:
        """Return all experiments, those that ended included, by name."""
        request = ListExperimentsRequest()
        return self._call(self._experiments.ListExperiments, request, timeout_s, self._default_s())

    def list_experiment_revisions(
        self, name: str | None = None, *, limit: int | None = None, timeout_s: float | None = None
    ) -> ListExperimentRevisionsResponse:
        """Return what was done to experiments, newest first.

        Args:
            name: to this one only; None means all.
            limit: how many at most, up to 1,000; None takes the server's default of 50.
            timeout_s: see `put_experiment`.
        """
        request = ListExperimentRevisionsRequest(name=name or "", limit=limit)
        return self._call(self._experiments.ListExperimentRevisions, request, timeout_s, self._default_s())

    def roll_back_experiment(
        self,
        name: str,
        *,
        from_revision: int,
        author: str,
        reason: str,
        to_revision: int | None = None,
        timeout_s: float | None = None,
    ) -> RollBackExperimentResponse:
        """Put back the definition that an experiment had before.

        Args:
            name: which.
            from_revision: the revision in force, which is to be undone; a repeated call undoes it once.
            author: who asks for it.
            reason: why.
            to_revision: what to return to; None takes the one before.
            timeout_s: see `put_experiment`.
        """
        request = RollBackExperimentRequest(
            name=name, from_revision=from_revision, to_revision=to_revision or 0, author=author, reason=reason
        )
        return self._call(self._experiments.RollBackExperiment, request, timeout_s, self._default_s())

    def stop_experiment(
        self, name: str, *, author: str, reason: str, timeout_s: float | None = None
    ) -> StopExperimentResponse:
        """End an experiment now; does nothing if it has ended."""
        request = StopExperimentRequest(name=name, author=author, reason=reason)
        return self._call(self._experiments.StopExperiment, request, timeout_s, self._default_s())

    def publish_report(
        self,
        name: str,
        report: ExperimentReport,
        *,
        author: str,
        request_id: str | None = None,
        timeout_s: float | None = None,
    ) -> PublishReportResponse:
        """Publish what a report found, for whoever looks at the experiment.

        Args:
            name: the experiment.
            report: what was found.
            author: who publishes it.
            request_id: a repeated call with the same one publishes nothing. None makes one that all attempts of this
                call share.
            timeout_s: see `put_experiment`.
        """
        request = publish_report_request(name, report, author, request_id)
        return self._call(self._experiments.PublishReport, request, timeout_s, self._default_s())

    def get_report(self, name: str, *, number: int | None = None, timeout_s: float | None = None) -> GetReportResponse:
        """Return a report of an experiment; without a number the latest."""
        request = GetReportRequest(name=name, number=number or 0)
        return self._call(self._experiments.GetReport, request, timeout_s, self._default_s())

    def list_reports(
        self,
        name: str | None = None,
        *,
        latest_only: bool = False,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> ListReportsResponse:
        """Return reports, newest first.

        Args:
            name: of this experiment only; None means all.
            latest_only: only the latest of each experiment.
            limit: how many at most, up to 1,000; None takes the server's default of 50.
            timeout_s: see `put_experiment`.
        """
        request = ListReportsRequest(name=name or "", latest_only=latest_only, limit=limit)
        return self._call(self._experiments.ListReports, request, timeout_s, self._default_s())

    def _default_s(self) -> float:
        return self._settings.deadlines.experiments_s


def publish_report_request(
    name: str, report: ExperimentReport, author: str, request_id: str | None
) -> PublishReportRequest:
    """Return the request; None makes a request id."""
    return PublishReportRequest(
        name=name, report=report, author=author, request_id=str(uuid.uuid4()) if request_id is None else request_id
    )
