"""Which weights decay, and how the learning rate runs."""

from __future__ import annotations

import pytest
import torch
from ruiji_encoder.optimisation import Muon, hidden_matrices, orthogonalised, parameter_groups, warmup_cosine
from transformers import SiglipModel

from .conftest import tiny_config


def test_only_matrices_and_kernels_decay() -> None:
    model = SiglipModel(tiny_config())
    decaying, kept = parameter_groups(model, 0.05)
    assert (decaying["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decaying_names = {names[id(parameter)] for parameter in decaying["params"]}
    kept_names = {names[id(parameter)] for parameter in kept["params"]}
    assert decaying_names | kept_names == set(names.values())
    assert not decaying_names & kept_names
    assert "vision_model.embeddings.patch_embedding.weight" in decaying_names
    assert {"logit_scale", "logit_bias", "text_model.embeddings.token_embedding.weight"} <= kept_names
    assert not any(name.endswith("bias") or "norm" in name for name in decaying_names)


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [warmup_cosine(step, warmup_steps=4, total_steps=20) for step in range(20)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[12] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.02


def test_no_warmup_starts_at_the_peak() -> None:
    assert warmup_cosine(0, warmup_steps=0, total_steps=10) == 1.0


@pytest.mark.parametrize("shape", [(8, 8), (16, 64), (64, 16)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_its_sizes(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonalised(matrix, steps=8) @ vt.T
    sizes = found.diagonal()
    assert found.sub(torch.diag(sizes)).abs().max() < 1e-3
    assert sizes.min() > 0.6
    assert sizes.max() < 1.3


def test_muon_takes_the_matrices_of_the_layers_and_adamw_the_rest() -> None:
    model = SiglipModel(tiny_config())
    matrices = hidden_matrices(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert matrices
    assert all(".layers." in names[id(matrix)] and matrix.ndim == 2 for matrix in matrices)
    rest = [parameter for group in parameter_groups(model, 0.05, without=matrices) for parameter in group["params"]]
    assert len(rest) + len(matrices) == len(list(model.parameters()))
    assert not {id(parameter) for parameter in rest} & {id(matrix) for matrix in matrices}


def test_muon_goes_downhill_and_leaves_alone_what_has_no_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(6, 10, generator=generator)
    moved, still = (torch.nn.Parameter(torch.zeros(6, 10)) for _ in range(2))
    optimizer = Muon([moved, still], lr=0.05)
    losses = []
    for _ in range(150):
        loss = (moved - target).square().sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 20
    assert not still.detach().any()
