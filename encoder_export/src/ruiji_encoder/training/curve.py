"""The curve of a run as one picture: loss, recall on the validation side, and how the learning rate ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

_WINDOW_SHARE = 0.02


def draw_curve(records: Sequence[dict[str, Any]], path: Path, *, title: str) -> None:
    """Draw what `RunFolder.read_log` returns into a PNG.

    Args:
        records: of steps and of epochs.
        path: of the picture.
        title: above it.
    """
    steps = [record for record in records if record["kind"] == "step"]
    epochs = [record for record in records if "validation_loss" in record]
    figure = Figure(figsize=(10, 7), layout="constrained")
    figure.suptitle(title)
    (loss, recall), (rate, loss_settings) = figure.subplots(2, 2)
    at = [record["step"] for record in steps]
    _loss(loss, at, [record["loss"] for record in steps], epochs)
    _recall(recall, epochs)
    rate.plot(at, [record["learning_rate"] for record in steps], color="tab:blue")
    rate.set(title="Learning rate", xlabel="step", ylim=(0, None))
    loss_settings.plot(at, [record["temperature"] for record in steps], color="tab:red", label="temperature t")
    loss_settings.plot(at, [record["bias"] for record in steps], color="tab:purple", label="bias b")
    loss_settings.set(title="The loss' own two weights", xlabel="step")
    loss_settings.legend()
    figure.savefig(path, dpi=110)


def _loss(axes: Axes, at: Sequence[int], losses: Sequence[float], epochs: Sequence[dict[str, Any]]) -> None:
    axes.plot(at, losses, color="tab:blue", alpha=0.25)
    axes.plot(at, _smooth(losses), color="tab:blue", label="training")
    if epochs:
        validation = [epoch["validation_loss"] for epoch in epochs]
        axes.plot([epoch["step"] for epoch in epochs], validation, "o-", color="tab:orange", label="validation")
    axes.set(title="Sigmoid loss", xlabel="step")
    axes.legend()


def _recall(axes: Axes, epochs: Sequence[dict[str, Any]]) -> None:
    axes.set(title="Recall on the validation side", xlabel="step", ylim=(0, 1))
    if not epochs:
        axes.text(0.5, 0.5, "no validation side", ha="center", va="center", transform=axes.transAxes)
        return
    at = [epoch["step"] for epoch in epochs]
    for k, style in ((1, "-"), (5, "--"), (10, ":")):
        text = [epoch[f"text_of_picture_recall_{k}"] for epoch in epochs]
        picture = [epoch[f"picture_of_text_recall_{k}"] for epoch in epochs]
        axes.plot(at, text, style, marker="o", color="tab:green", label=f"text of picture, of {k}")
        axes.plot(at, picture, style, marker="s", color="tab:brown", label=f"picture of text, of {k}")
    # Inside, it would lie on the curves: they begin low and end high.
    axes.legend(fontsize="small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False)


def _smooth(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    window = max(1, round(_WINDOW_SHARE * len(values)))
    padded = np.pad(np.asarray(values, np.float64), (window - 1, 0), mode="edge")
    return np.convolve(padded, np.full(window, 1 / window), mode="valid")
