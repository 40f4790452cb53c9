"""`ruiji encoder finetune`: a training run in a folder, which can be stopped and resumed."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from ruiji_cli.console import ERR, OUT, progress_bar
from ruiji_cli.encoder_pictures import DEFAULT_WORK, Pictures, Threads, WorkFolder, behind_trunk, open_sides
from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from ruiji_encoder.catalogue import CaptionedPictures
    from ruiji_encoder.training import TrainingProgress, TrainingSettings
    from ruiji_encoder.training.batches import TrainingData
    from ruiji_encoder.training.finetuning import RunSummary
    from ruiji_encoder.training.validation import Validation
    from transformers import PreTrainedTokenizerBase, SiglipModel

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _BackboneOptions:
    """What a run changes about the backbone of its checkpoint; None leaves it as it is."""

    trunk_blocks: int | None
    """First blocks that do not learn."""
    side_px: int | None
    """At which it sees pictures."""


def finetune(
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, log, curve.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(help="Begin with this: a folder, or a hub name as google/siglip-base-patch16-256-multilingual."),
    ] = None,
    from_scratch: Annotated[
        Path | None, typer.Option(help="Begin with random weights, of the sizes in this TOML file.")
    ] = None,
    trunk_blocks: Annotated[
        int | None,
        typer.Option(help="With a checkpoint's backbone: first blocks to leave as they are; 0: all learn."),
    ] = None,
    backbone_px: Annotated[
        int | None, typer.Option(help="With a checkpoint's backbone: side at which it sees pictures, 128 or 256.")
    ] = None,
    work: WorkFolder = DEFAULT_WORK,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder, to the step.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all pairs.")] = 5,
    batch_size: Annotated[int, typer.Option(min=2, help="Pairs in a step, of all devices together.")] = 256,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="At its highest.")] = 5e-5,
    backbone_learning_rate: Annotated[
        float | None, typer.Option(help="Of a backbone's weights of ImageNet, at its highest; lower than the others'.")
    ] = None,
    warmup: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of steps that it rises over.")] = 0.1,
    weight_decay: Annotated[float, typer.Option(min=0.0, help="Of matrices and kernels.")] = 1e-4,
    muon: Annotated[
        float | None, typer.Option(help="Use Muon inside the layers with this peak, as 0.02 from random weights.")
    ] = None,
    lock: Annotated[str | None, typer.Option(help="Keep a tower as it is: picture or text.")] = None,
    precision: Annotated[str, typer.Option(help="auto (bf16 where the device gains by it), fp32 or bf16.")] = "auto",
    augment: Annotated[bool, typer.Option(help="Change pictures a little; hue stays.")] = True,
    mirror_only: Annotated[
        bool, typer.Option("--mirror-only", help="Augment by mirroring alone, as a backbone with a trunk must.")
    ] = False,
    microbatches: Annotated[int, typer.Option(min=1, help="Parts of a batch, to save memory; same gradients.")] = 1,
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Save memory, for a third more work.")] = False,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between saved states.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of order, augmentation and random weights.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.  [default: an accelerator if there is one]")] = None,
    threads: Threads = 2,
) -> None:
    """Fine-tune both towers on picture-title pairs with the sigmoid loss, or train them from scratch.

    OUT/best and OUT/last are checkpoints; OUT/curve.png and `tensorboard --logdir OUT/tensorboard` show the run. One
    that was killed goes on with --resume and ends as it would have. On several devices:
    `torchrun --nproc-per-node 8 -m ruiji_cli encoder finetune ...`.
    """
    import torch
    from ruiji_encoder.augmentation import MIRROR_ONLY, Augmentation
    from ruiji_encoder.training import LockedTower, TrainingPrecision, TrainingSettings, joined_devices
    from ruiji_encoder.training.allocator import keep_freed_memory
    from ruiji_encoder.training.finetuning import finetune as finetune_siglip

    torch.set_num_threads(threads)
    keep_freed_memory()
    settings = TrainingSettings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        backbone_learning_rate=backbone_learning_rate,
        weight_decay=weight_decay,
        warmup_share=warmup,
        muon_learning_rate=muon,
        augmentation=None if not augment else MIRROR_ONLY if mirror_only else Augmentation(),
        locked=None if lock is None else LockedTower(_one_of("--lock", lock, list(LockedTower))),
        precision=TrainingPrecision(_one_of("--precision", precision, list(TrainingPrecision))),
        seed=seed,
        microbatches=microbatches,
        gradient_checkpointing=checkpointing,
        checkpoint_every_steps=save_every,
    )
    data, validation = open_sides(pictures, work, threads)
    if validation is None:
        _LOG.warning("%s has no validation side: no epoch is judged, and none is kept as the best", pictures)
    backbone = _BackboneOptions(trunk_blocks, backbone_px)
    model, tokenizer, described = _model(checkpoint, from_scratch, backbone, data, settings)
    inputs, judged_on = _inputs(model, data, validation, work, threads, new_head=from_scratch is not None)
    with ExitStack() as exits:
        devices = exits.enter_context(joined_devices(device))
        stop = exits.enter_context(_asked_to_stop())
        torch.nn.Module.to(model, devices.device)
        progress = exits.enter_context(progress_bar()) if devices.is_main else None
        summary = finetune_siglip(
            model,
            tokenizer,
            inputs,
            settings,
            out,
            validation=judged_on,
            described=f"{described} on {len(data)} pairs of {pictures.name}",
            resume=resume,
            devices=devices,
            progress=None if progress is None else training_task(progress),
            validated=_tell if devices.is_main else None,
            stop=stop,
        )
    if devices.is_main:
        _show(out, summary)


def training_task(progress: Progress) -> Callable[[TrainingProgress], None]:
    """Add a bar for training; return what it is told after every step."""
    task = progress.add_task("Train", total=None)

    def advance(at: TrainingProgress) -> None:
        what = f"Train, loss {at.loss:.3f}"
        progress.update(task, completed=at.step, total=at.total_steps, description=what)

    return advance


def _model(
    checkpoint: str | None,
    from_scratch: Path | None,
    backbone: _BackboneOptions,
    data: CaptionedPictures,
    settings: TrainingSettings,
) -> tuple[SiglipModel, PreTrainedTokenizerBase, str]:
    from ruiji_encoder.architecture import read_from_scratch
    from ruiji_encoder.backbones.imagenet_weights import load_imagenet_weights
    from ruiji_encoder.backbones.siglip_lite import set_backbone_px, set_trunk
    from ruiji_encoder.checkpoints import load_siglip, load_tokenizer
    from ruiji_encoder.tokenizers import train_tokenizer
    from ruiji_encoder.training import new_siglip

    if checkpoint is not None and from_scratch is None:
        model = load_siglip(checkpoint)
        if backbone.side_px is not None:
            set_backbone_px(model, backbone.side_px)
        if backbone.trunk_blocks is not None:
            set_trunk(model, backbone.trunk_blocks)
        return model, load_tokenizer(checkpoint), checkpoint
    if backbone != _BackboneOptions(None, None):
        raise UsageProblem(
            "--trunk-blocks and --backbone-px are for a --checkpoint; with --from-scratch, write them into the file"
        )
    if from_scratch is None or checkpoint is not None:
        raise UsageProblem("begin with --checkpoint (a folder or a hub name) or --from-scratch (a TOML file), not both")
    start = read_from_scratch(from_scratch)
    titles = (caption for row in range(len(data)) for caption in data.captions(row))
    tokenizer = train_tokenizer(titles, vocabulary_size=start.architecture.vocabulary)
    config = start.config(len(tokenizer))
    model = new_siglip(config, seed=settings.seed, temperature=start.temperature, bias=start.bias)
    if start.backbone is None:
        return model, tokenizer, f"random weights of {from_scratch.name}"
    load_imagenet_weights(model.vision_model, start.backbone.weights)
    model.vision_model.lock_trunk()
    return model, tokenizer, f"{start.backbone.weights.name} and random weights of {from_scratch.name}"


def _inputs(
    model: SiglipModel,
    data: CaptionedPictures,
    validation: CaptionedPictures | None,
    work: Path,
    threads: int,
    *,
    new_head: bool,
) -> tuple[TrainingData, TrainingData | None]:
    """Replace pictures by what the blocks that do not learn make of them, where the picture tower has such."""
    from ruiji_encoder.backbones.efficientnet_lite import LiteVisionTower
    from ruiji_encoder.backbones.standardising import standardise_head

    tower = model.vision_model
    inputs = behind_trunk(tower, data, work, threads)
    if new_head and isinstance(tower, LiteVisionTower):
        standardise_head(tower, inputs)
    return inputs, None if validation is None else behind_trunk(tower, validation, work, threads)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    # The step is finished and the state saved; a second signal ends the process as ever.
    asked: list[int] = []

    def remember(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, previous[signal.Signals(number)])

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, remember)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _tell(epoch: int, judged: Validation) -> None:
    ERR.print(
        f"epoch {epoch}: validation loss {judged.loss:.4f}, recall of 5: text of picture "
        f"{judged.text_of_picture[5]:.1%}, picture of text {judged.picture_of_text[5]:.1%}"
    )


def _show(out: Path, summary: RunSummary) -> None:
    if not summary.finished:
        OUT.print(f"{out}: stopped after step {summary.step} of {summary.total_steps}; go on with --resume")
        return
    losses = summary.epoch_losses
    OUT.print(f"{out}: {summary.step} steps, loss {losses[0]:.3f} in the first epoch and {losses[-1]:.3f} in the last")
    if summary.best_epoch is not None:
        OUT.print(f"{out / 'best'}: epoch {summary.best_epoch}")


def _one_of(option: str, given: str, known: list[str]) -> str:
    if given not in known:
        raise UsageProblem(f"{option} is {given!r}; there are {', '.join(known)}")
    return given
