"""Everything that can go wrong for a caller, and which gRPC status each failure becomes.

    RuijiError
      InvalidArgument        INVALID_ARGUMENT      the request is at fault; names the field
      ItemNotFound           NOT_FOUND
      ExperimentNotFound     NOT_FOUND
      ReportNotFound         NOT_FOUND
      AlreadyExists          ALREADY_EXISTS        what should be new is there
      ChangedMeanwhile       ABORTED               somebody else changed it; read it again
      NotReady               FAILED_PRECONDITION   something is not in the state that the call needs
      Overloaded             RESOURCE_EXHAUSTED    a limit of the installation; not worth an immediate retry
      Unavailable            UNAVAILABLE           something behind the server is away; worth a retry

`STATUS_NAMES` is the one table; the gRPC layer looks codes up by name, so that nothing below it imports grpc.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Stable names of failures. Callers branch on them: never rename one."""

    BATCH_EMPTY = "BATCH_EMPTY"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    CATEGORY_PATH_INVALID = "CATEGORY_PATH_INVALID"
    CATEGORY_WEIGHT_OUT_OF_RANGE = "CATEGORY_WEIGHT_OUT_OF_RANGE"
    CURRENCY_UNKNOWN = "CURRENCY_UNKNOWN"
    DUPLICATE_ITEM_ID = "DUPLICATE_ITEM_ID"
    EMBEDDINGS_UNDER_WAY = "EMBEDDINGS_UNDER_WAY"
    EMBEDDING_DIMENSIONS = "EMBEDDING_DIMENSIONS"
    EMBEDDING_FAILED = "EMBEDDING_FAILED"
    EMBEDDING_NOT_FINITE = "EMBEDDING_NOT_FINITE"
    EMBEDDING_PENDING = "EMBEDDING_PENDING"
    EMBEDDING_ZERO = "EMBEDDING_ZERO"
    ENCODER_IN_EXPERIMENT = "ENCODER_IN_EXPERIMENT"
    ENCODER_MISMATCH = "ENCODER_MISMATCH"
    ENCODER_RETIRED = "ENCODER_RETIRED"
    ENCODER_UNAVAILABLE = "ENCODER_UNAVAILABLE"
    ENCODER_UNKNOWN = "ENCODER_UNKNOWN"
    ENCODER_WITHOUT_GENERATION = "ENCODER_WITHOUT_GENERATION"
    EVENTS_NOT_KEPT = "EVENTS_NOT_KEPT"
    EVENT_FROM_FUTURE = "EVENT_FROM_FUTURE"
    EVENT_ID_INVALID = "EVENT_ID_INVALID"
    EVENT_KIND_MISSING = "EVENT_KIND_MISSING"
    EVENT_TIME_MISSING = "EVENT_TIME_MISSING"
    EVENT_TOO_OLD = "EVENT_TOO_OLD"
    EVENT_VALUE_INVALID = "EVENT_VALUE_INVALID"
    EXPLANATION_OUT_OF_RANGE = "EXPLANATION_OUT_OF_RANGE"
    EXPERIMENT_CHANGED = "EXPERIMENT_CHANGED"
    EXPERIMENT_CHANGE_UNEXPLAINED = "EXPERIMENT_CHANGE_UNEXPLAINED"
    EXPERIMENT_EXISTS = "EXPERIMENT_EXISTS"
    EXPERIMENT_INTERLEAVING_TAKEN = "EXPERIMENT_INTERLEAVING_TAKEN"
    EXPERIMENT_INVALID = "EXPERIMENT_INVALID"
    EXPERIMENT_LAYER_FULL = "EXPERIMENT_LAYER_FULL"
    EXPERIMENT_NOTHING_BEFORE = "EXPERIMENT_NOTHING_BEFORE"
    EXPERIMENT_NOT_FOUND = "EXPERIMENT_NOT_FOUND"
    EXPERIMENT_PARAMETER_TAKEN = "EXPERIMENT_PARAMETER_TAKEN"
    EXPERIMENT_REPORT_INVALID = "EXPERIMENT_REPORT_INVALID"
    EXPERIMENT_REPORT_NOT_FOUND = "EXPERIMENT_REPORT_NOT_FOUND"
    EXPERIMENT_REVISION_UNKNOWN = "EXPERIMENT_REVISION_UNKNOWN"
    EXPERIMENT_SALT_TAKEN = "EXPERIMENT_SALT_TAKEN"
    EXPERIMENT_STARTED = "EXPERIMENT_STARTED"
    GENERATION_UNAVAILABLE = "GENERATION_UNAVAILABLE"
    IMPRESSION_INVALID = "IMPRESSION_INVALID"
    ITEM_ID_INVALID = "ITEM_ID_INVALID"
    ITEM_NOT_FOUND = "ITEM_NOT_FOUND"
    ITEM_STATE_INVALID = "ITEM_STATE_INVALID"
    JOURNAL_BUSY = "JOURNAL_BUSY"
    JOURNAL_FAILED = "JOURNAL_FAILED"
    JOURNAL_FULL = "JOURNAL_FULL"
    PAGE_SIZE_OUT_OF_RANGE = "PAGE_SIZE_OUT_OF_RANGE"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"  # noqa: S105  (no password)
    PICTURE_ADDRESS_REFUSED = "PICTURE_ADDRESS_REFUSED"
    PICTURE_MISSING = "PICTURE_MISSING"
    PICTURE_REFUSED = "PICTURE_REFUSED"
    PICTURE_TOO_LARGE = "PICTURE_TOO_LARGE"
    PICTURE_TOO_MANY_PIXELS = "PICTURE_TOO_MANY_PIXELS"
    PICTURE_UNREACHABLE = "PICTURE_UNREACHABLE"
    PICTURE_UNREADABLE = "PICTURE_UNREADABLE"
    PICTURE_URI_INVALID = "PICTURE_URI_INVALID"
    POSITION_INVALID = "POSITION_INVALID"
    PRICE_MISSING = "PRICE_MISSING"
    PRICE_OUT_OF_RANGE = "PRICE_OUT_OF_RANGE"
    PRICE_RATIO_OUT_OF_RANGE = "PRICE_RATIO_OUT_OF_RANGE"
    QUERY_MISSING = "QUERY_MISSING"
    REQUEST_ID_INVALID = "REQUEST_ID_INVALID"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    REQUEST_UNREADABLE = "REQUEST_UNREADABLE"
    SEARCH_TEXT_INVALID = "SEARCH_TEXT_INVALID"
    STORE_FULL = "STORE_FULL"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    TARGETING_INVALID = "TARGETING_INVALID"
    TITLE_INVALID = "TITLE_INVALID"
    TITLE_TOO_LONG = "TITLE_TOO_LONG"
    TOO_MANY_EXCLUDED_ITEMS = "TOO_MANY_EXCLUDED_ITEMS"
    UNIT_ID_INVALID = "UNIT_ID_INVALID"
    VARIANT_INVALID = "VARIANT_INVALID"
    VARIANT_UNKNOWN = "VARIANT_UNKNOWN"


class RuijiError(Exception):
    """A failure with a name.

    Attributes:
        reason: stable, for programs.
        message: for people; says what to do where something can be done. Holds nothing internal.
        field: the request field at fault as a path; empty where none is.
    """

    def __init__(self, reason: Reason, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


class InvalidArgument(RuijiError):  # noqa: N818  (gRPC's own word)
    """The request is at fault."""


class ItemNotFound(RuijiError):  # noqa: N818
    """The query item does not exist."""

    def __init__(self, item_id: str) -> None:
        super().__init__(Reason.ITEM_NOT_FOUND, f"there is no item {item_id!r}", field="item_id")


class ExperimentNotFound(RuijiError):  # noqa: N818
    """There is no experiment of a name."""

    def __init__(self, name: str) -> None:
        super().__init__(Reason.EXPERIMENT_NOT_FOUND, f"there is no experiment {name[:64]!r}", field="name")


class ReportNotFound(RuijiError):  # noqa: N818
    """An experiment has no such report."""


class AlreadyExists(RuijiError):  # noqa: N818
    """What should be new is there."""


class ChangedMeanwhile(RuijiError):  # noqa: N818
    """Somebody else changed what the call meant to change."""


class NotReady(RuijiError):  # noqa: N818
    """Something is not in the state that the call needs, such as an item or an encoder."""


class Overloaded(RuijiError):  # noqa: N818
    """A limit of the installation was reached."""


class Unavailable(RuijiError):  # noqa: N818
    """Something behind the server is away."""


STATUS_NAMES: Final[dict[type[RuijiError], str]] = {
    InvalidArgument: "INVALID_ARGUMENT",
    ItemNotFound: "NOT_FOUND",
    ExperimentNotFound: "NOT_FOUND",
    ReportNotFound: "NOT_FOUND",
    AlreadyExists: "ALREADY_EXISTS",
    ChangedMeanwhile: "ABORTED",
    NotReady: "FAILED_PRECONDITION",
    Overloaded: "RESOURCE_EXHAUSTED",
    Unavailable: "UNAVAILABLE",
}
"""Domain error to the name of its gRPC status code."""
