"""`EventService`: what people saw and did, durable before it is acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter

from ruiji.v1 import common_pb2, events_pb2, events_pb2_grpc
from ruiji_events.units import UnitHasher

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, NotReady, Reason
from ruiji_server.events.intake import EventIntake, Outcome, OutcomeKind, Prepared, Refused
from ruiji_server.services import metrics
from ruiji_server.services.event_messages import event_from
from ruiji_server.services.failures import Context, error_detail, rpc

_KIND = {
    OutcomeKind.ACCEPTED: events_pb2.EventOutcome.KIND_ACCEPTED,
    OutcomeKind.DUPLICATE: events_pb2.EventOutcome.KIND_DUPLICATE,
    OutcomeKind.REJECTED: events_pb2.EventOutcome.KIND_REJECTED,
}


class EventService(events_pb2_grpc.EventServiceServicer):
    """Events over gRPC."""

    def __init__(self, intake: EventIntake | None, units: UnitHasher | None) -> None:
        """Prepare the service.

        Args:
            intake: records events; None refuses them.
            units: hashes ids of units; needed with an intake.
        """
        self._intake = intake
        self._units = units

    @rpc
    async def RecordEvents(  # noqa: N802  (the contract's name)
        self, request: events_pb2.RecordEventsRequest, _context: Context
    ) -> events_pb2.RecordEventsResponse:
        """Record a batch, durably, before answering."""
        if self._intake is None or self._units is None:
            raise NotReady(
                Reason.EVENTS_NOT_KEPT, "this server was started without --events and keeps no events; ask its operator"
            )
        if not request.events:
            raise InvalidArgument(Reason.BATCH_EMPTY, "the batch has no events", field="events")
        if len(request.events) > limits.MAX_BATCH_EVENTS:
            raise InvalidArgument(
                Reason.BATCH_TOO_LARGE,
                f"the batch has {len(request.events)} events; at most {limits.MAX_BATCH_EVENTS} are taken",
                field="events",
            )
        batch = await asyncio.to_thread(_prepare_all, request, self._intake, self._units)
        outcomes = await self._intake.record(batch)
        for kind, number in Counter(outcome.kind for outcome in outcomes).items():
            metrics.observe_events(kind, number)
        return events_pb2.RecordEventsResponse(outcomes=[_outcome_message(outcome) for outcome in outcomes])


def _prepare_all(
    request: events_pb2.RecordEventsRequest, intake: EventIntake, units: UnitHasher
) -> list[Prepared | Refused]:
    return [_prepare(message, intake, units) for message in request.events]


def _prepare(message: events_pb2.Event, intake: EventIntake, units: UnitHasher) -> Prepared | Refused:
    try:
        return intake.prepare(event_from(message, units))
    except InvalidArgument as error:
        return Refused(message.event_id, error)


def _outcome_message(outcome: Outcome) -> events_pb2.EventOutcome:
    error: common_pb2.ErrorDetail | None = None if outcome.error is None else error_detail(outcome.error)
    return events_pb2.EventOutcome(event_id=outcome.event_id, kind=_KIND[outcome.kind], error=error)
