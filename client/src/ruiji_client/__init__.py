"""A thin typed client for Ruiji, visually similar item recommendation.

    from ruiji_client import RuijiClient

    with RuijiClient("localhost:50051") as client:
        for item in client.similar_items(item_id="A-1001", page_size=10).items:
            ...

It adds to the generated stubs what every caller would otherwise write: a deadline on each call, retries where the
contract calls them safe, TLS and a token, and exceptions with the server's reason. Answers are the contract's own
messages, unchanged.
"""

from ruiji.v1.catalog_pb2 import (
    Category,
    DeleteItemsResponse,
    EmbeddingStatus,
    FoundItem,
    GetItemResponse,
    Item,
    ItemState,
    ListCategoriesResponse,
    SearchItemsResponse,
    UpsertItemsResponse,
    UpsertOutcome,
)
from ruiji.v1.common_pb2 import ErrorDetail, Price
from ruiji.v1.events_pb2 import Event, EventOutcome, RecordEventsResponse
from ruiji.v1.experiment_reports_pb2 import (
    AssignmentCheck,
    Estimate,
    ExperimentReport,
    GuardrailReport,
    GuardrailState,
    ImpressionSource,
    MeasureReport,
    PublishedReport,
    VariantReport,
)
from ruiji.v1.experiments_pb2 import (
    Experiment,
    ExperimentRevision,
    ExperimentStage,
    ExperimentStatus,
    ExperimentTarget,
    RampStep,
    Variant,
)
from ruiji.v1.operations_pb2 import EncoderStatus, StatusResponse
from ruiji.v1.recommendation_pb2 import (
    DroppedItem,
    InfoResponse,
    SimilarItem,
    SimilarItemsBatchResponse,
    SimilarItemsOutcome,
    SimilarItemsResponse,
    VariantAssignment,
)

from ruiji_client._aio import AsyncRuijiClient
from ruiji_client._client import RuijiClient
from ruiji_client._errors import (
    AbortedError,
    AlreadyExistsError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RuijiClientError,
    UnauthenticatedError,
    UnavailableError,
)
from ruiji_client._events import impression_event, purchase_event, tap_event
from ruiji_client._settings import ClientSettings, Connection, Deadlines, Retries, Tls

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AssignmentCheck",
    "AsyncRuijiClient",
    "Category",
    "ClientSettings",
    "Connection",
    "DeadlineExceededError",
    "Deadlines",
    "DeleteItemsResponse",
    "DroppedItem",
    "EmbeddingStatus",
    "EncoderStatus",
    "ErrorDetail",
    "Estimate",
    "Event",
    "EventOutcome",
    "Experiment",
    "ExperimentReport",
    "ExperimentRevision",
    "ExperimentStage",
    "ExperimentStatus",
    "ExperimentTarget",
    "FailedPreconditionError",
    "FoundItem",
    "GetItemResponse",
    "GuardrailReport",
    "GuardrailState",
    "ImpressionSource",
    "InfoResponse",
    "InternalError",
    "InvalidArgumentError",
    "Item",
    "ItemState",
    "ListCategoriesResponse",
    "MeasureReport",
    "NotFoundError",
    "PermissionDeniedError",
    "Price",
    "PublishedReport",
    "RampStep",
    "RecordEventsResponse",
    "ResourceExhaustedError",
    "Retries",
    "RuijiClient",
    "RuijiClientError",
    "SearchItemsResponse",
    "SimilarItem",
    "SimilarItemsBatchResponse",
    "SimilarItemsOutcome",
    "SimilarItemsResponse",
    "StatusResponse",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "UpsertItemsResponse",
    "UpsertOutcome",
    "Variant",
    "VariantAssignment",
    "VariantReport",
    "impression_event",
    "purchase_event",
    "tap_event",
]
