"""The steps of a run: everything between a batch and the next, and the state from which they go on."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

from ruiji_encoder.augmentation import Changes, draw_changes
from ruiji_encoder.backbones.efficientnet_lite import LiteVisionTower
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.optimisation import Muon, hidden_matrices, parameter_groups, warmup_cosine
from ruiji_encoder.tokenizers import check_tokenizer
from ruiji_encoder.training.batches import Batch, BatchLoader, DataOrder, TrainingData
from ruiji_encoder.training.devices import Devices
from ruiji_encoder.training.gradients import GradientSettings, accumulate_gradients, derived_seed
from ruiji_encoder.training.settings import TrainingProgress, TrainingSettings
from ruiji_encoder.training.towers import Towers, computes_in_bf16, locked_tower

if TYPE_CHECKING:
    from collections.abc import Generator

    from transformers import PreTrainedTokenizerBase, SiglipModel


_TITLES_LOOKED_AT = 256


class Trainer:
    """A model on its way through a run. All chance follows from the seed and the step.

    Attributes:
        step: steps done.
        total_steps: of the whole run.
        steps_per_epoch: of each epoch.
        towers: the model, and how it computes.
    """

    def __init__(
        self,
        model: SiglipModel,
        tokenizer: PreTrainedTokenizerBase,
        data: TrainingData,
        settings: TrainingSettings,
        devices: Devices | None = None,
    ) -> None:
        """Get ready; nothing is changed yet.

        Args:
            model: on the device to train on.
            tokenizer: the one that belongs to it.
            data: pictures and captions.
            settings: see there.
            devices: this one among the others; by default alone, wherever the model is.

        Raises:
            TrainingError: too few pictures for a batch, a batch that the devices cannot share, or a tokenizer that is
                not the model's.
        """
        self._devices = devices or Devices(device=model.logit_scale.device)
        if settings.batch_size % self._devices.world:
            raise TrainingError(
                f"a batch of {settings.batch_size} cannot be shared evenly by {self._devices.world} devices: "
                f"choose a multiple of {self._devices.world}"
            )
        order = DataOrder(len(data), settings.batch_size, settings.seed)
        look_at = range(0, len(data), max(1, len(data) // _TITLES_LOOKED_AT))
        check_tokenizer(tokenizer, model.config, [text for row in look_at for text in data.captions(row)])
        self.step = 0
        self.steps_per_epoch = order.steps_per_epoch
        self.total_steps = self.steps_per_epoch * settings.epochs
        self.towers = Towers(model, computes_in_bf16(settings.precision, model))
        self._settings = settings
        self._loader = BatchLoader(data, tokenizer, order, self._devices)
        with locked_tower(model, settings.locked):
            self._optimizers = _optimizers(model, settings)

    def steps(self) -> Generator[TrainingProgress, None, None]:
        """Do the steps that are left, yielding after each; the model is in training mode meanwhile.

        Raises:
            TrainingError: the loss is no number any more.
        """
        model, started, first = self.towers.model, time.perf_counter(), self.step
        with ExitStack() as exits:
            exits.enter_context(locked_tower(model, self._settings.locked))
            if self._settings.gradient_checkpointing:
                model.activation_checkpointing_enable({"use_reentrant": False})
                exits.callback(model.activation_checkpointing_disable)
            model.train()
            exits.callback(model.train, False)
            for batch in self._loader.batches(self.step, self.total_steps):
                told = self._step(batch)
                self.step += 1
                rate = (self.step - first) * self._settings.batch_size / (time.perf_counter() - started)
                yield TrainingProgress(
                    step=self.step,
                    total_steps=self.total_steps,
                    epoch=batch.step // self.steps_per_epoch + 1,
                    pictures_per_s=rate,
                    **told,
                )

    def state(self) -> dict[str, Any]:
        """Return all that later steps depend on."""
        return {
            "step": self.step,
            "model": self.towers.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back or forward to where `state` was called."""
        self.towers.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = int(state["step"])

    def _step(self, batch: Batch) -> dict[str, float]:
        model = self.towers.model
        share = warmup_cosine(
            batch.step,
            warmup_steps=math.ceil(self._settings.warmup_share * self.total_steps),
            total_steps=self.total_steps,
        )
        temperature, bias = float(model.logit_scale.detach().exp()), float(model.logit_bias.detach())
        model.zero_grad(set_to_none=True)
        settings = GradientSettings(self._settings.microbatches, self._settings.locked, self._settings.seed)
        loss = float(accumulate_gradients(self.towers, batch, self._changes(batch.step), settings, self._devices))
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), self._settings.max_gradient_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(f"the loss is no number any more at step {batch.step + 1}: lower the learning rate")
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            optimizer.step()
        return {
            "loss": loss,
            "learning_rate": share * self._settings.learning_rate,
            "gradient_norm": norm,
            "temperature": temperature,
            "bias": bias,
        }

    def _changes(self, step: int) -> Changes | None:
        if self._settings.augmentation is None:
            return None
        # Drawn for the whole batch, so that a picture changes in the same way however many devices share it.
        chance = torch.Generator().manual_seed(derived_seed(self._settings.seed, step))
        batch = self._settings.batch_size
        return draw_changes(batch, self._settings.augmentation, chance).of(self._devices.share(batch))


def _backbone(model: SiglipModel, settings: TrainingSettings) -> list[torch.nn.Parameter]:
    if settings.backbone_learning_rate is None:
        return []
    if not isinstance(model.vision_model, LiteVisionTower):
        raise TrainingError("a learning rate for the backbone was given, and the picture tower is SigLIP's own")
    return model.vision_model.pretrained_weights()


def _optimizers(model: SiglipModel, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    matrices = [] if settings.muon_learning_rate is None else hidden_matrices(model)
    slow = _backbone(model, settings)
    groups = parameter_groups(model, settings.weight_decay, without=[*matrices, *slow])
    if slow:
        known = {id(weight) for weight in slow}
        others = [weight for weight in model.parameters() if id(weight) not in known]
        groups += [
            {**group, "lr": settings.backbone_learning_rate}
            for group in parameter_groups(model, settings.weight_decay, without=others)
        ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas)
    ]
    if settings.muon_learning_rate is not None:
        optimizers.append(Muon(matrices, lr=settings.muon_learning_rate, weight_decay=settings.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers
