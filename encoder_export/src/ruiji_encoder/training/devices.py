"""One process per device, found through the environment that `torchrun` and `accelerate launch` set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

from ruiji_encoder.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Devices:
    """This process among those that train together; alone by default."""

    rank: int = 0
    """From 0; 0 writes the files."""
    world: int = 1
    """Number of processes."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """That this process computes on."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to people."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """Return which rows of a batch are this process's."""
        return self.share_of(self.rank, batch)

    def share_of(self, rank: int, batch: int) -> slice:
        """Return which rows of a batch are those of another process."""
        each = batch // self.world
        return slice(rank * each, (rank + 1) * each)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add up a tensor over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, value: bool) -> bool:
        """Tell whether it is true in any process."""
        return bool(self.sum(torch.tensor(int(value), device=self.device)))

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()

    def pass_on(self, tensor: torch.Tensor) -> torch.Tensor:
        """Send a tensor to the next process and return what the previous one sent, of the same shape."""
        if self.world == 1:
            return tensor
        received = torch.empty_like(tensor)
        exchange = [
            dist.P2POp(dist.isend, tensor.contiguous(), (self.rank + 1) % self.world),
            dist.P2POp(dist.irecv, received, (self.rank - 1) % self.world),
        ]
        for request in dist.batch_isend_irecv(exchange):
            request.wait()
        return received


@contextmanager
def joined_devices(device: str | None = None) -> Iterator[Devices]:
    """Join the other processes, if a launcher started this one as one of several, and leave them at the end.

    Args:
        device: such as `cpu` or `cuda`; by default an accelerator where there is one.

    Raises:
        TrainingError: there is no such device.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind.startswith("cuda") and not torch.cuda.is_available():
        raise TrainingError(f"there is no device {kind} here: torch {torch.__version__} sees none; use cpu")
    try:
        chosen = torch.device(f"cuda:{local_rank}" if kind == "cuda" else kind)
    except RuntimeError as error:
        raise TrainingError(f"there is no device {kind}: write cpu, cuda or cuda:0") from error
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world == 1:
        yield Devices(device=chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Devices(rank, world, chosen)
    finally:
        dist.destroy_process_group()
