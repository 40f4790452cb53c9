"""A training run in a folder: resumed to the step, judged after every epoch, logged, drawn."""

from __future__ import annotations

import hashlib
import logging
import platform
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch.utils.tensorboard import SummaryWriter

from ruiji_encoder.checkpoints import save_checkpoint
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.training.curve import draw_curve
from ruiji_encoder.training.devices import Devices
from ruiji_encoder.training.run_folder import RunFolder
from ruiji_encoder.training.trainer import Trainer
from ruiji_encoder.training.validation import Validation, validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase, SiglipModel

    from ruiji_encoder.training.batches import TrainingData
    from ruiji_encoder.training.settings import TrainingProgress, TrainingSettings

_LOG = logging.getLogger(__name__)

_SMALLEST_VALIDATION = 10


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run stands when this process leaves it."""

    step: int
    """Steps done."""
    total_steps: int
    """Of the whole run."""
    epoch_losses: tuple[float, ...]
    """Mean training loss of every finished epoch."""
    best_epoch: int | None
    """From 1; None without a validation side, or before the first epoch ended."""
    best: dict[str, Any] | None
    """What `Validation.as_json` said of that epoch."""

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step == self.total_steps


def finetune(
    model: SiglipModel,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingData,
    settings: TrainingSettings,
    folder: Path,
    *,
    validation: TrainingData | None = None,
    described: str = "",
    resume: bool = False,
    devices: Devices | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
    validated: Callable[[int, Validation], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> RunSummary:
    """Train in place and keep a run in a folder; see `run_folder` for what is in it.

    Every process of a run over several devices calls this; the first writes. Each of them judges the whole validation
    side, which costs less than it would to share it out.

    Args:
        model: on the device to train on; a resumed run replaces its weights.
        tokenizer: the one that belongs to it.
        data: what to learn from.
        settings: see there.
        folder: of the run.
        validation: what to judge by after every epoch, at least 10 pairs; without it there is no best checkpoint.
        described: what model and data are, for people; goes into `run.json`.
        resume: go on with the run in the folder, if one is there. Settings that decide the result must be the same.
        devices: this one among the others; by default alone, wherever the model is.
        progress: called after every step.
        validated: called with the epoch, from 1, after every look at the validation side.
        stop: asked after every step; once true, the state is saved and the function returns.

    Raises:
        TrainingError: the folder holds a run already, or another than the one to be resumed; also as for `train`.
    """
    devices = devices or Devices(device=model.logit_scale.device)
    if validation is not None and len(validation) < _SMALLEST_VALIDATION:
        raise TrainingError(
            f"{len(validation)} validation pairs are too few to choose a checkpoint by: give {_SMALLEST_VALIDATION} or "
            "more, or do without"
        )
    trainer = Trainer(model, tokenizer, data, settings, devices)
    run = _Run(RunFolder(folder), trainer, tokenizer, settings, devices, fingerprint_of(data))
    run.begin(resume=resume, described=described)
    with ExitStack() as exits:
        writer = exits.enter_context(_writer(run.folder, trainer.step)) if devices.is_main else None
        # Closed here and not by the collector, so that a stopped run ends in evaluation mode and with no reader left.
        steps = exits.enter_context(closing(trainer.steps()))
        for told in steps:
            run.count(told, writer)
            if progress is not None:
                progress(told)
            if told.step % trainer.steps_per_epoch == 0:
                judged = None
                if validation is not None:
                    judged = validate(
                        trainer.towers,
                        tokenizer,
                        validation,
                        batch_size=settings.batch_size,
                        most=settings.validation_pairs,
                    )
                    if validated is not None:
                        validated(told.epoch, judged)
                run.end_epoch(told, judged, writer)
            elif told.step % settings.checkpoint_every_steps == 0:
                run.save()
            if stop is not None and devices.any(stop()):
                run.save()
                break
    if devices.is_main:
        draw_curve(run.folder.read_log(), run.folder.curve, title=f"{folder.name}: {trainer.step} steps")
    devices.wait()
    return run.summary()


class _Run:
    """What a run remembers beside the trainer's state."""

    def __init__(
        self,
        folder: RunFolder,
        trainer: Trainer,
        tokenizer: PreTrainedTokenizerBase,
        settings: TrainingSettings,
        devices: Devices,
        data_sha256: str,
    ) -> None:
        self.folder = folder
        self._trainer, self._tokenizer, self._settings, self._devices = trainer, tokenizer, settings, devices
        self._identity: dict[str, Any] = {
            "settings": settings.that_matter(),
            "data": data_sha256,
            "model": _sizes(trainer.towers.model),
        }
        self._losses: list[float] = []
        self._epoch_losses: list[float] = []
        self._best_epoch: int | None = None
        self._best: dict[str, Any] | None = None
        self._best_merit: tuple[float, float] | None = None

    def begin(self, *, resume: bool, described: str) -> None:
        """Restore what was saved, or start anew."""
        if self.folder.holds_a_run() and not resume:
            raise TrainingError(
                f"{self.folder.path} holds a run already: resume it (--resume), or choose another folder"
            )
        state = self.folder.load_state() if resume else None
        self._devices.wait()
        if state is not None:
            self._require_same(state["identity"])
            self._trainer.restore(state["trainer"])
            self._losses, self._epoch_losses = list(state["losses"]), list(state["epoch_losses"])
            self._best_epoch, self._best = state["best_epoch"], state["best"]
            self._best_merit = None if state["best_merit"] is None else tuple(state["best_merit"])
            _LOG.info(
                "%s: going on after step %d of %d", self.folder.path, self._trainer.step, self._trainer.total_steps
            )
        if self._devices.is_main:
            self.folder.describe(
                {"described": described, **self._identity, "hardware": _hardware(self._devices, self._trainer)}
            )
            self.folder.cut_log(self._trainer.step)

    def count(self, told: TrainingProgress, writer: SummaryWriter | None) -> None:
        """Remember a step."""
        self._losses.append(told.loss)
        if writer is not None:
            values = {
                "loss": told.loss,
                "learning_rate": told.learning_rate,
                "gradient_norm": told.gradient_norm,
                "temperature": told.temperature,
                "bias": told.bias,
                "pictures_per_s": told.pictures_per_s,
            }
            self.folder.log({"kind": "step", "step": told.step, "epoch": told.epoch, **values})
            for name, value in values.items():
                writer.add_scalar(f"training/{name}", value, told.step)

    def end_epoch(self, told: TrainingProgress, judged: Validation | None, writer: SummaryWriter | None) -> None:
        """Keep the epoch's checkpoint, as the best if it is, and save the state."""
        self._epoch_losses.append(sum(self._losses) / len(self._losses))
        self._losses.clear()
        values = {} if judged is None else judged.as_json()
        is_best = judged is not None and (self._best_merit is None or judged.merit > self._best_merit)
        if judged is not None and is_best:
            self._best_epoch, self._best, self._best_merit = told.epoch, values, judged.merit
        if writer is not None:
            epoch_values = {"epoch_loss": self._epoch_losses[-1], **values}
            self.folder.log({"kind": "epoch", "step": told.step, "epoch": told.epoch, **epoch_values})
            for name, value in epoch_values.items():
                writer.add_scalar(f"epoch/{name}", value, told.step)
            save_checkpoint(self.folder.last, self._trainer.towers.model, self._tokenizer)
            if is_best:
                save_checkpoint(self.folder.best, self._trainer.towers.model, self._tokenizer)
        self.save()

    def save(self) -> None:
        """Replace the state on the disk."""
        if self._devices.is_main:
            self.folder.save_state(
                {
                    "identity": self._identity,
                    "trainer": self._trainer.state(),
                    "losses": self._losses,
                    "epoch_losses": self._epoch_losses,
                    "best_epoch": self._best_epoch,
                    "best": self._best,
                    "best_merit": None if self._best_merit is None else list(self._best_merit),
                }
            )

    def summary(self) -> RunSummary:
        """Return how the run stands."""
        return RunSummary(
            step=self._trainer.step,
            total_steps=self._trainer.total_steps,
            epoch_losses=tuple(self._epoch_losses),
            best_epoch=self._best_epoch,
            best=self._best,
        )

    def _require_same(self, saved: dict[str, Any]) -> None:
        path = self.folder.path
        if saved["model"] != self._identity["model"]:
            raise TrainingError(f"{path} trains a model of other sizes: give the checkpoint that it began with")
        if saved["data"] != self._identity["data"]:
            raise TrainingError(f"{path} learns from other pairs: give those that it began with")
        before, now = saved["settings"], self._identity["settings"]
        changed = [name for name in now if now[name] != before.get(name)]
        if changed:
            was = ", ".join(f"{name} was {before.get(name)} and is {now[name]}" for name in changed)
            raise TrainingError(f"{path} cannot go on with other settings: {was}")


def fingerprint_of(data: TrainingData) -> str:
    """Hash the number of pairs and all captions, in order, into hex."""
    digest = hashlib.sha256(f"{len(data)}\n".encode())
    for row in range(len(data)):
        digest.update("\0".join(data.captions(row)).encode() + b"\n")
    return digest.hexdigest()


def _sizes(model: SiglipModel) -> str:
    shapes = [f"{name} {tuple(weight.shape)}\n" for name, weight in model.state_dict().items()]
    return hashlib.sha256("".join(shapes).encode()).hexdigest()


def _writer(folder: RunFolder, step: int) -> SummaryWriter:
    # TensorBoard drops what an interrupted process wrote after the step that this one goes on from.
    return SummaryWriter(str(folder.tensorboard), purge_step=step + 1)


def _hardware(devices: Devices, trainer: Trainer) -> dict[str, Any]:
    cuda = devices.device.type == "cuda"
    return {
        "devices": devices.world,
        "device": torch.cuda.get_device_name(devices.device) if cuda else f"{platform.machine()} CPU",
        "threads": torch.get_num_threads(),
        "computes_in": "bf16" if trainer.towers.bf16 else "fp32",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
