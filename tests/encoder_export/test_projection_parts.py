"""Projections fitted shard by shard are those of one pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_encoder.errors import ProjectionError
from ruiji_encoder.projection import fit_projection, load_projection, save_projection
from ruiji_encoder.projection_parts import ProjectionPart, fit_parts, load_part, save_part
from sklearn.decomposition import PCA

from .test_projection import features_like_a_towers, gather


def part_of(features: np.ndarray, *, tower: str = "t", name: str = "shard") -> ProjectionPart:
    return ProjectionPart(gather(features, 37), tower, name)


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 599), min_size=1, max_size=5, unique=True).map(sorted), order=st.randoms(), seed=...
)
def test_shards_merge_to_the_projection_of_one_pass_in_any_order(
    cuts: list[int], order: object, seed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    features = features_like_a_towers(count=600, width=20, seed=int(seed))
    paths = []
    for number, shard in enumerate(np.split(features, cuts)):
        paths.append(folder / f"{number}.npz")
        save_part(paths[-1], part_of(shard, name=f"shard {number}"))
    order.shuffle(paths)  # type: ignore[attr-defined]
    merged = fit_parts(paths, dimensions=8)
    whole = fit_projection(gather(features, 600), fitted_on="all", dimensions=8)
    np.testing.assert_allclose(merged.matrix, whole.matrix, rtol=0, atol=1e-6)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=0, atol=1e-6)
    assert merged.explained_variance == pytest.approx(whole.explained_variance, abs=1e-12)
    assert merged.pictures == 600


def test_the_merged_projection_spans_what_scikit_learn_finds_and_says_what_it_was_fitted_on(tmp_path: Path) -> None:
    features = features_like_a_towers(count=900, width=48)
    for number, shard in enumerate(np.split(features, [250, 300])):
        save_part(tmp_path / f"{number}.npz", part_of(shard, name=f"shard {number}"))
    merged = fit_parts([tmp_path / f"{number}.npz" for number in range(3)], dimensions=12)
    theirs = PCA(n_components=12, svd_solver="full").fit(features.astype(np.float64))
    basis = theirs.components_.T
    np.testing.assert_allclose(merged.matrix @ merged.matrix.T, basis @ basis.T, atol=1e-5)
    assert merged.explained_variance == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-6)
    save_projection(tmp_path / "projection.npz", merged)
    said = load_projection(tmp_path / "projection.npz").fitted_on
    assert said == "shard 0 (250 pictures) + shard 1 (50 pictures) + shard 2 (600 pictures)"


def test_parts_that_do_not_belong_together_are_refused_by_name(tmp_path: Path) -> None:
    features = features_like_a_towers(count=300, width=20)
    for name, part in {
        "a": part_of(features[:150]),
        "b": part_of(features[150:]),
        "other": part_of(features[150:], tower="another"),
    }.items():
        save_part(tmp_path / f"{name}.npz", part)
    (tmp_path / "again.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    (tmp_path / "torn.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:99])
    np.savez(tmp_path / "new.npz", part_format_version=np.int64(9))
    for names, advice in (
        (["a", "other"], r"other\.npz was gathered with another tower than .*a\.npz"),
        (["a", "again"], r"again\.npz holds the same pictures as .*a\.npz"),
        (["a", "torn"], r"torn\.npz is no part"),
        (["new"], "format version 9"),
        (["absent"], "ruiji encoder project --part"),
        ([], "no part was given"),
    ):
        with pytest.raises(ProjectionError, match=advice):
            fit_parts([tmp_path / f"{name}.npz" for name in names], dimensions=8)
    save_projection(tmp_path / "projection.npz", fit_parts([tmp_path / "a.npz", tmp_path / "b.npz"], dimensions=8))
    with pytest.raises(ProjectionError, match="is no part"):
        load_part(tmp_path / "projection.npz")
