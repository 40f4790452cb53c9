"""The sigmoid loss is the one of Zhai et al. 2023."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_encoder.losses import sigmoid_loss, true_pairs


def reference_loss(x: np.ndarray, y: np.ndarray, t_prime: float, b: float, labels: np.ndarray) -> float:
    """The paper's algorithm 1 in NumPy, fp64, with a sum over pairs that can be read."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    total = 0.0
    for i in range(len(x)):
        for j in range(len(y)):
            total += np.logaddexp(0.0, -labels[i, j] * (np.exp(t_prime) * float(x[i] @ y[j]) + b))
    return total / len(x)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 9),
    t_prime=st.floats(-2, 4),
    b=st.floats(-15, 5),
)
def test_equals_the_papers_formula(seed: int, batch: int, t_prime: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, batch, 6))
    loss = sigmoid_loss(*(torch.tensor(v, dtype=torch.float64) for v in (x, y, t_prime, b)))
    assert loss.item() == pytest.approx(reference_loss(x, y, t_prime, b, 2 * np.eye(batch) - 1), rel=1e-9)


def test_every_marked_pair_counts_as_a_match() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 4, 6))
    matches = np.eye(4, dtype=bool)
    matches[0, 3] = matches[3, 0] = True
    x_y_t_b = (torch.tensor(value, dtype=torch.float64) for value in (x, y, 2.0, -3.0))
    loss = sigmoid_loss(*x_y_t_b, torch.tensor(matches))
    assert loss.item() == pytest.approx(reference_loss(x, y, 2.0, -3.0, np.where(matches, 1, -1)), rel=1e-9)


def test_a_text_is_true_of_every_picture_that_has_it_among_its_captions() -> None:
    captions = [("red box", "toys"), ("blue box", "toys"), ("red box", "tools")]
    assert true_pairs(["red box", "toys", "tools"], captions).int().tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_temperature_and_bias_learn() -> None:
    scale = torch.tensor(2.3, requires_grad=True)
    bias = torch.tensor(-10.0, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 8, 16, generator=generator)
    torch.autograd.backward(sigmoid_loss(x, y, scale, bias))
    assert scale.grad is not None
    assert scale.grad.item() != 0
    assert bias.grad is not None
    assert bias.grad.item() < 0, "at -10 every match is surprising, so the bias must rise"
