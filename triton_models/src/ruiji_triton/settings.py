"""How an embedded Triton is started and watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruiji_triton.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSettings:
    """Settings of `TritonSupervisor`."""

    repository: Path
    """The `embedded` folder that `write_repositories` made."""

    encoder_ids: tuple[str, ...] = ()
    """Which of the repository's encoders to serve; empty for all."""

    address: str = "127.0.0.1"
    """Where to listen. Triton has no authentication: whoever reaches this address can use the encoders, so anything but
    loopback belongs behind a network policy. Loading and unloading models stays with the supervisor in any case."""

    grpc_port: int = 0
    """Port of the gRPC service; 0 takes a free one."""

    metrics_port: int | None = None
    """Port of Triton's Prometheus metrics, at `/metrics`; 0 takes a free one, None serves none."""

    start_timeout_s: float = 120.0
    """How long a start or a restart may take until every encoder answers; ViT-B warms up for 5 s on one core."""

    stop_timeout_s: float = 15.0
    """How long queued requests may take to finish after a stop; then tritonserver is killed."""

    watch_interval_s: float = 1.0
    """How often the server's process and the models' request counts are looked at, in seconds."""

    probe_interval_s: float = 10.0
    """An encoder that answered nobody for this long is sent an inference. Traffic that is answered counts as a probe,
    and failing traffic brings one at once, so a busy encoder is not slowed down."""

    probe_timeout_s: float = 120.0
    """An encoder that answers neither the probe nor anybody else for this long is stuck; batches take less."""

    restart_limit: int = 8
    """Restarts in a row that may fail before the supervisor gives up; the pauses between them double from 1 to 30 s."""

    def __post_init__(self) -> None:
        for name in ("start_timeout_s", "stop_timeout_s", "watch_interval_s", "probe_interval_s", "probe_timeout_s"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it has to be above 0")
        for name in ("grpc_port", "metrics_port"):
            if not 0 <= (getattr(self, name) or 0) <= 65535:
                raise SettingsError(f"{name} is {getattr(self, name)}; ports are 0 to 65535")
        if self.restart_limit < 0:
            raise SettingsError(f"restart_limit is {self.restart_limit}; it has to be 0 or more")
