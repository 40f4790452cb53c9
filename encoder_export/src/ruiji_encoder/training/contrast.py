"""The sigmoid loss over all devices' negatives, with gradients, one block at a time.

Each device keeps its pictures; the texts travel round the ring of devices, and with each chunk of texts its gradient,
to which every device adds what its own pictures ask of it. After as many hops as there are devices, texts and
gradients are home again (the chunked exchange of Zhai et al. 2023, section 3.3). No device ever holds more than a block
of B/W x B/W logits, W being the number of devices and B the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ruiji_encoder.losses import summed_sigmoid_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from ruiji_encoder.training.devices import Devices


@dataclass(frozen=True, slots=True)
class Contrast:
    """The loss of a batch, and what it asks of this device's features."""

    loss: torch.Tensor
    """A scalar: the mean over all pictures of the batch, of all devices. The same everywhere."""
    pictures: torch.Tensor
    """Its gradient with respect to this device's picture features, shape (B/W, D)."""
    texts: torch.Tensor
    """Its gradient with respect to this device's text features, shape (B/W, D)."""
    logit_scale: torch.Tensor
    """This device's part of the gradient; the parts of all devices add up."""
    logit_bias: torch.Tensor
    """This device's part of the gradient."""


def contrast(
    picture_features: torch.Tensor,
    text_features: torch.Tensor,
    logit_scale: torch.Tensor,
    logit_bias: torch.Tensor,
    matches_of: Callable[[int], torch.Tensor],
    devices: Devices,
) -> Contrast:
    """Compute the loss over the whole batch and its gradients with respect to the features.

    Args:
        picture_features: of this device, shape (B/W, D), any length.
        text_features: of this device, shape (B/W, D), any length.
        logit_scale: logarithm of the temperature.
        logit_bias: b of the loss.
        matches_of: returns which of a device's texts are true of which of this device's pictures, bool, (B/W, B/W).
        devices: this one among the others.
    """
    batch = len(picture_features) * devices.world
    pictures = _leaf(picture_features)
    scale, bias = _leaf(logit_scale), _leaf(logit_bias)
    travelling = text_features.detach()
    gradient = torch.zeros_like(travelling)
    loss = torch.zeros_like(scale)
    for hop in range(devices.world):
        texts = _leaf(travelling)
        matches = matches_of((devices.rank - hop) % devices.world)
        block = summed_sigmoid_loss(pictures, texts, scale, bias, matches) / batch
        torch.autograd.backward(block)
        loss += block.detach()
        gradient, travelling = devices.pass_on(torch.stack([gradient + _gradient(texts), travelling])).unbind()
    return Contrast(devices.sum(loss), _gradient(pictures), gradient, _gradient(scale), _gradient(bias))


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone().requires_grad_()


def _gradient(leaf: torch.Tensor) -> torch.Tensor:
    if leaf.grad is None:
        return torch.zeros_like(leaf)
    return leaf.grad
