"""How a client talks to its server. Every object here is frozen: build it once, where the program starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may take in all, retries and the waits between them included. Every call has a deadline."""

    similar_items_s: float = 2.0
    """`similar_items` by item or by embedding, in seconds. Answered from memory; the rest is room for a retry."""
    similar_items_by_picture_s: float = 15.0
    """`similar_items` by picture, in seconds. Up to 20 MB travel, and an encoder on a CPU takes its time."""
    similar_items_batch_s: float = 30.0
    """`similar_items_batch`, in seconds. Hundreds of queries one after the other, between those of others."""
    info_s: float = 2.0
    """`info`, in seconds."""
    upsert_items_s: float = 30.0
    """`upsert_items`, in seconds. A batch may carry hundreds of pictures and is durable before the answer."""
    delete_items_s: float = 10.0
    """`delete_items`, in seconds."""
    get_item_s: float = 10.0
    """`get_item`, in seconds. The answer may carry a picture of 20 MB."""
    search_items_s: float = 10.0
    """`search_items`, in seconds. Tens of thousands of titles are looked at."""
    list_categories_s: float = 60.0
    """`list_categories`, in seconds. Every item of the catalogue may have to be counted."""
    status_s: float = 60.0
    """`status`, in seconds. Items and tasks are counted."""

    record_events_s: float = 10.0
    """`record_events`, in seconds. Durable before the answer."""
    experiments_s: float = 10.0
    """Each of the calls about experiments, in seconds."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            _require_positive(setting.name, getattr(self, setting.name))


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is repeated that failed with a code which the contract calls worth a retry.

    gRPC does it inside the channel: exponential backoff with jitter, within the deadline of the call. While many calls
    fail, the throttle stops all retries to this target, so that clients do not pile up on a server that is down.
    """

    max_attempts: int = 4
    """Attempts in all, the first included; 2 to 5, for gRPC allows no more."""
    initial_backoff_s: float = 0.1
    """Wait before the second attempt, in seconds, give or take the jitter."""
    max_backoff_s: float = 1.0
    """Longest wait between two attempts, in seconds."""
    backoff_multiplier: float = 2.0
    """Growth of the wait from one attempt to the next."""
    throttle_tokens: int = 20
    """A failed attempt takes one token; no call is retried while half or fewer are left. 1 to 1,000."""
    throttle_refill: float = 0.1
    """Tokens that a call which succeeded gives back."""

    def __post_init__(self) -> None:
        if not 2 <= self.max_attempts <= 5:
            raise ValueError(f"max_attempts is {self.max_attempts}; it must be 2 to 5 (retries=None turns them off)")
        if not 1 <= self.throttle_tokens <= 1000:
            raise ValueError(f"throttle_tokens is {self.throttle_tokens}; it must be 1 to 1,000")
        for name in ("initial_backoff_s", "max_backoff_s", "backoff_multiplier", "throttle_refill"):
            _require_positive(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption, and who the two sides are. All contents are PEM."""

    root_certificates: bytes | None = None
    """Whom to trust. None takes the roots that gRPC ships with."""
    client_certificate_chain: bytes | None = None
    """The client's own certificate, if the server asks for one (mutual TLS)."""
    client_private_key: bytes | None = field(default=None, repr=False)
    """The key of that certificate."""

    def __post_init__(self) -> None:
        if (self.client_certificate_chain is None) != (self.client_private_key is None):
            raise ValueError("mutual TLS needs both client_certificate_chain and client_private_key")


@dataclass(frozen=True, slots=True)
class Connection:
    """How the one long-lived connection to each server address is kept and found again."""

    keepalive_time_s: float = 330.0
    """Silence after which a ping is sent while a call waits, in seconds. gRPC servers close connections that ping more
    often than every 300 s, unless they were set up to allow it; so ask the operator before going below."""
    keepalive_timeout_s: float = 20.0
    """How long sent data may stay unacknowledged, in seconds (TCP_USER_TIMEOUT on Linux). Without it the calls to a
    machine that vanished would run into their deadlines for a quarter of an hour."""
    first_reconnect_backoff_s: float = 0.1
    """Wait before the first new try to connect, in seconds. With gRPC's own default of 1, a restart of the server would
    outlast all retries of a call."""
    max_reconnect_backoff_s: float = 5.0
    """Longest wait between two tries to connect, in seconds. gRPC's own default is 120: a server that comes back after
    a long outage would wait for its clients."""
    max_request_bytes: int = 64 * 2**20
    """Largest message to send. A request is kept for retries up to this size."""
    max_response_bytes: int = 32 * 2**20
    """Largest message to accept; an item may come with a picture of 20 MB."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            _require_positive(setting.name, getattr(self, setting.name))


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Everything a client needs to know."""

    target: str
    """Where the server is: `host:port`, or any name that gRPC resolves (`dns:///host:port`, `unix:path`). If a name
    has several addresses, calls go round all of them."""
    tls: Tls | None = None
    """None talks in plaintext, for a trusted network or a proxy that encrypts."""
    token: str | Callable[[], str] | None = field(default=None, repr=False)
    """Sent as `authorization: Bearer <token>`. A function is asked before each call and must not block: the way to
    tokens that expire."""
    allow_token_over_plaintext: bool = False
    """Whether a token may be sent where anyone on the way can read it."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    """Used for calls that bring no `timeout_s` of their own."""
    retries: Retries | None = field(default_factory=Retries)
    """None lets every failure through at once, for load tests."""
    connection: Connection = field(default_factory=Connection)
    """Keepalive, reconnecting and message sizes."""
    user_agent: str = ""
    """Put in front of the client's own user agent, such as "listing-page/7.2"."""

    def __post_init__(self) -> None:
        if not self.target:
            raise ValueError("target is empty; it must name the server, such as 'localhost:50051'")
        if self.token is not None and self.tls is None and not self.allow_token_over_plaintext:
            raise ValueError(
                "the token would be readable on the way: set tls, or set allow_token_over_plaintext=True if the "
                "network is trusted"
            )
        if isinstance(self.token, str):
            check_token(self.token)


def check_token(token: str) -> None:
    """Raise ValueError, without quoting it, for a token that cannot stand in a header."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("token must be printable ASCII without spaces or line breaks (was it read with a newline?)")


def _require_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} is {value}; it must be greater than 0 and finite")
