"""What a trunk makes of many pictures, computed once: each epoch then costs only the layers that learn.

Most of an EfficientNet-Lite's work is in its first blocks. Where some stay as ImageNet left them, what they
make of a picture is the same in every epoch: behind 11, 58 KB of maps in fp16, or 3 KB where the whole backbone stays.
Each picture is there twice, as it is and mirrored; other augmentation would need the pixels.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from ruiji_encoding.pictures import PICTURE_SIZE_PX, PREPROCESSING
from torch import nn

from ruiji_encoder.errors import TrainingError
from ruiji_encoder.onnx_files import OPSET, quiet_exporter
from ruiji_encoder.pixels import normalise_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ruiji_encoder.backbones.efficientnet_lite import LiteVisionTower
    from ruiji_encoder.catalogue import CaptionedPictures

VIEWS = 2
"""As it is, and mirrored."""

_AT_ONCE = 16
_LOOKED_AT_FOR_NAME = 256


class TrunkRows:
    """The pictures of another source as rows of a trunk, memory-mapped from a cache."""

    def __init__(
        self,
        whole: CaptionedPictures,
        tower: LiteVisionTower,
        cache: Path,
        *,
        threads: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Compute the rows, unless the cache holds exactly these already. ONNX Runtime does it, on the CPU.

        Args:
            whole: the pictures.
            tower: whose trunk it is, and whose weights below `trunk_blocks` will not change.
            cache: folder; made if absent. A picture takes 116 KB at 11 blocks, 7 KB with the whole backbone.
            threads: CPU cores.
            progress: told the number of pictures done since the last call.

        Raises:
            TrainingError: the tower has no trunk.
        """
        if tower.config.trunk_blocks == 0:
            raise TrainingError("no block of the picture tower stays as it is, so there is nothing to keep")
        self._whole = whole
        path = cache / f"trunk-{_fingerprint(whole, tower)}.npy"
        if not path.exists():
            _write_rows(path, whole, tower, threads, progress)
        elif progress is not None:
            progress(len(whole))
        self._rows: NDArray[np.float16] = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self._whole)

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return rows of the trunk, shape (len(rows), 2, K), float16: of pictures as they are, and mirrored."""
        return np.asarray(self._rows[rows])

    def captions(self, row: int) -> Sequence[str]:
        """Return one picture's captions."""
        return self._whole.captions(row)


def is_trunk_rows(batch: torch.Tensor) -> bool:
    """Tell a batch of a trunk's rows from a batch of pictures."""
    return batch.dtype == torch.float16


def chosen_views(batch: torch.Tensor, mirrored: torch.Tensor | None) -> torch.Tensor:
    """Take one view of each picture.

    Args:
        batch: as `TrunkRows.pictures` gives it, shape (n, 2, K), float16.
        mirrored: bool, shape (n,); None takes all as they are.

    Returns:
        Shape (n, K), float32.
    """
    views = torch.zeros(len(batch), dtype=torch.int64) if mirrored is None else mirrored.to(torch.int64)
    return batch[torch.arange(len(batch)), views].float()


class _Trunk(nn.Module):
    """Pixels to both views' rows in fp16."""

    def __init__(self, tower: LiteVisionTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        normalised = normalise_pixels(pixels)
        views = [self.tower.trunk(view) for view in (normalised, normalised.flip(3))]
        return torch.stack(views, dim=1).to(torch.float16)


def _write_rows(
    path: Path,
    whole: CaptionedPictures,
    tower: LiteVisionTower,
    threads: int,
    progress: Callable[[int], None] | None,
) -> None:
    session = _session(tower, threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    written: np.memmap[Any, np.dtype[np.float16]] | None = None
    for start in range(0, len(whole), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(whole)))
        (part,) = session.run(None, {session.get_inputs()[0].name: whole.pictures(rows)})
        if written is None:
            shape = (len(whole), *part.shape[1:])
            written = np.lib.format.open_memmap(aside, "w+", np.float16, shape)  # type: ignore[no-untyped-call]
        written[rows] = part
        if progress is not None:
            progress(len(rows))
    if written is not None:
        written.flush()
    aside.rename(path)


def _session(tower: LiteVisionTower, threads: int) -> onnxruntime.InferenceSession:
    example = torch.zeros((2, PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, quiet_exporter():
        path = Path(folder) / "trunk.onnx"
        torch.onnx.export(
            _Trunk(tower).eval(),
            (example,),
            path,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
            verbose=False,
            external_data=False,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _fingerprint(whole: CaptionedPictures, tower: LiteVisionTower) -> str:
    """Hash the trunk's weights and some of the pictures; all of them would take as long as a pass over them."""
    config, looked_at = tower.config, list(tower.variant.looked_at)
    digest = hashlib.sha256(
        f"{PREPROCESSING} {config.backbone_px} {config.trunk_blocks} {looked_at} {len(whole)}\n".encode()
    )
    for name, weight in sorted(tower.trunk_weights().items()):
        digest.update(f"{name}\n".encode())
        digest.update(np.ascontiguousarray(weight.detach().cpu().numpy()).tobytes())
    some = np.unique(np.linspace(0, len(whole) - 1, num=min(len(whole), _LOOKED_AT_FOR_NAME), dtype=np.int64))
    digest.update(whole.pictures(some).tobytes())
    return digest.hexdigest()[:24]
