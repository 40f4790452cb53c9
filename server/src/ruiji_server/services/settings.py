"""How a server listens and ends. Imports no gRPC, so that a process which only starts servers stays small."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from ruiji_experiments.replay.exploration import Exploration

from ruiji_server.events.settings import EventSettings
from ruiji_server.ranking.policy import RankingPolicy


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """A server certificate."""

    certificate: Path
    """PEM, with the chain."""
    key: Path
    """PEM."""


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """How many answers are compared with exact search, and what that may cost; see `services.shadow`."""

    share: float = 0.001
    """Of all pages; 0 compares none."""
    cpu_share: float = 0.01
    """Of one core, at most, that exact search takes."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share is {self.share}; it must be between 0 and 1")
        if not 0.0 < self.cpu_share <= 1.0:
            raise ValueError(f"cpu_share is {self.cpu_share}; it must be above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server listens and ends."""

    address: str = "127.0.0.1:50051"
    """Host and port; port 0 takes a free one."""
    tls: TlsSettings | None = None
    """Without it connections are in plain text."""
    token: str | None = field(default=None, repr=False)
    """What callers must send as `authorization: Bearer ...`; None lets everyone in."""
    metrics_port: int | None = None
    """Prometheus metrics over HTTP; None for none."""
    shares_port: bool = False
    """Whether other processes may listen on the same port, each taking a share of the connections (SO_REUSEPORT). Off,
    a second server on the port is refused instead of taking half of the calls by accident."""
    max_connection_age_s: float = math.inf
    """Connections are asked to leave at this age, give or take a tenth, once their calls are done. So clients spread
    anew over the processes that share the port."""
    max_concurrent_rpcs: int = 500
    """Calls under way at once; more are refused at once with RESOURCE_EXHAUSTED. gRPC itself begins to drop calls as
    CANCELLED where about a thousand wait."""
    generation_poll_s: float = 1.0
    """How often the server looks for a newly published generation."""
    drain_s: float = 2.0
    """Time between reporting NOT_SERVING and refusing new calls, for load balancers to notice."""
    grace_s: float = 10.0
    """Time for calls under way to end after that."""
    ranking: RankingPolicy = field(default_factory=RankingPolicy)
    """What requests depart from."""
    exploration: Exploration | None = None
    """How much chance the order of pages has; None for none."""
    shadow: ShadowSettings = field(default_factory=ShadowSettings)
    """How recall is measured in service."""
    events: EventSettings | None = None
    """Which events are kept, and where; None keeps none."""
    unit_key: Path | None = None
    """File with the key by which units are hashed, see `ruiji_events.units`; made if there is none. Needed for events
    and experiments."""

    def __post_init__(self) -> None:
        if not self.max_connection_age_s > 0:
            raise ValueError(f"max_connection_age_s is {self.max_connection_age_s}; it must be greater than 0")
        if self.events is not None and self.unit_key is None:
            raise ValueError("events need a unit_key: ids of units are hashed before they are kept")
