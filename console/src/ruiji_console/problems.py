"""What can go wrong for somebody who looks at a page, in words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass

from ruiji_client import (
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RuijiClientError,
    UnauthenticatedError,
    UnavailableError,
)


class Problem(Exception):  # noqa: N818  (a page, not an error of the program)
    """A page that cannot be shown.

    Attributes:
        status: of HTTP.
        title: what happened, in a few words.
        message: more of it.
        advice: what to do about it; may be empty.
        reason: the server's own name for it; empty where it has none.
    """

    def __init__(self, status: int, title: str, message: str, advice: str = "", reason: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.message = message
        self.advice = advice
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Words:
    status: int
    title: str
    advice: str = ""


_OF_CALL: dict[type[RuijiClientError], _Words] = {
    NotFoundError: _Words(404, "Not in the catalogue", "Look for it by its title, or check the id."),
    InvalidArgumentError: _Words(400, "The server does not accept this"),
    FailedPreconditionError: _Words(409, "Not possible yet", "The page on health says what waits for what."),
    ResourceExhaustedError: _Words(503, "The server is at a limit", "Try again in a moment."),
    UnauthenticatedError: _Words(502, "The server wants a token", "Start the console with --token-file."),
    PermissionDeniedError: _Words(502, "The token does not allow this"),
    UnavailableError: _Words(
        503,
        "The server cannot answer",
        "Is it running? `ruiji serve` or `ruiji up` starts it. Then load this page again.",
    ),
    DeadlineExceededError: _Words(504, "The server took too long", "Try again in a moment."),
}
_OF_REASON: dict[str, str] = {
    "EMBEDDING_PENDING": "A worker has yet to embed its picture. Load this page again in a moment.",
    "EMBEDDING_FAILED": "Its picture was given up. The item's own page says why; a new picture starts over.",
    "GENERATION_UNAVAILABLE": "Build an index with `ruiji index build`, or wait until `ruiji up` has built one.",
    "ENCODER_UNAVAILABLE": "Queries by picture need Triton: start the server with --triton-url, or use `ruiji up`.",
}


def problem_of_call(error: RuijiClientError, target: str) -> Problem:
    """Return the page for a call that failed.

    Args:
        error: what the client raised.
        target: the server that was asked.
    """
    words = _OF_CALL.get(type(error), _Words(502, "The server failed", "Its log says more."))
    message = error.message
    if isinstance(error, UnavailableError) and not error.reason:
        # gRPC's own words; they name addresses and errno, and little that helps.
        message = f"There is no answer from {target}."
    return Problem(words.status, words.title, message, _OF_REASON.get(error.reason, words.advice), error.reason)
