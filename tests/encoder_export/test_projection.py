"""PCA in one pass equals PCA at once, and the rotation changes nothing that matters."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ruiji_encoder.errors import ProjectionError
from ruiji_encoder.projection import (
    FeatureMoments,
    fit_projection,
    load_projection,
    random_rotation,
    save_projection,
)
from sklearn.decomposition import PCA

GOLDEN = Path(__file__).parent / "golden" / "projection-v1.npz"


def features_like_a_towers(count: int = 900, width: int = 48, seed: int = 0) -> NDArray[np.float32]:
    """Correlated, off centre, with decaying variance."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(rng.standard_normal((width, width)))[0]
    spread = 1 / (1 + np.arange(width))
    return (rng.standard_normal((count, width)) * spread @ mixing + 3).astype(np.float32)


def gather(features: NDArray[np.float32], batch_size: int) -> FeatureMoments:
    moments = FeatureMoments(features.shape[1])
    for start in range(0, len(features), batch_size):
        moments.add(features[start : start + batch_size])
    return moments


def test_spans_the_same_space_as_scikit_learns_pca() -> None:
    features = features_like_a_towers()
    ours = fit_projection(gather(features, 64), fitted_on="test", dimensions=12)
    theirs = PCA(n_components=12, svd_solver="full").fit(features.astype(np.float64))

    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-6)
    assert ours.explained_variance == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-6)
    basis = theirs.components_.T
    np.testing.assert_allclose(ours.matrix @ ours.matrix.T, basis @ basis.T, atol=1e-5)


def test_rotation_changes_no_cosine() -> None:
    features = features_like_a_towers()
    ours = fit_projection(gather(features, 64), fitted_on="test", dimensions=12)
    plain = PCA(n_components=12, svd_solver="full").fit_transform(features.astype(np.float64))
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    embeddings = ours.embed(features)
    np.testing.assert_allclose(embeddings @ embeddings.T, plain @ plain.T, atol=2e-5)


def test_rotation_spreads_variance_so_that_one_int8_scale_fits_all_coordinates() -> None:
    features = features_like_a_towers()
    rotated = fit_projection(gather(features, 64), fitted_on="test", dimensions=12).embed(features)
    plain = PCA(n_components=12).fit_transform(features)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)

    def imbalance(vectors: NDArray[np.floating]) -> float:
        spread = vectors.std(axis=0)
        return float(spread.max() / spread.min())

    assert imbalance(rotated) < imbalance(plain) / 2


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 300), min_size=0, max_size=5).map(sorted),
    batch_size=st.integers(1, 90),
)
def test_parts_merge_into_what_one_pass_gathers(seed: int, cuts: list[int], batch_size: int) -> None:
    features = features_like_a_towers(count=300, width=9, seed=seed)
    merged = FeatureMoments(9)
    for part in np.split(features, cuts):
        merged.merge(gather(part, batch_size))
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    assert merged.count == 300
    np.testing.assert_allclose(merged.mean, features.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(merged.comoment, centred.T @ centred, rtol=1e-9, atol=1e-9)


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    features = features_like_a_towers(width=9).astype(np.float64)
    near, far = gather(features, 50), gather(features + 1e6, 50)
    np.testing.assert_allclose(far.comoment, near.comoment, rtol=1e-6, atol=1e-6)


def test_same_features_give_the_same_projection() -> None:
    features = features_like_a_towers()
    first, again = (fit_projection(gather(features, 64), fitted_on="test", dimensions=12) for _ in range(2))
    assert first.sha256() == again.sha256()
    assert first.sha256() != dataclasses.replace(first, mean=first.mean + 1).sha256()


def test_features_as_short_as_the_embedding_are_only_centred_and_rotated() -> None:
    features = features_like_a_towers(width=12)
    ours = fit_projection(gather(features, 64), fitted_on="test", dimensions=12)
    assert ours.explained_variance == 1.0
    np.testing.assert_allclose(ours.matrix, random_rotation(12, 20_100_613), atol=1e-6)


def test_rotation_is_orthogonal_and_fixed() -> None:
    rotation = random_rotation(16, seed=5)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(16), atol=1e-12)
    np.testing.assert_array_equal(rotation, random_rotation(16, seed=5))


def test_embeddings_have_unit_length_even_at_the_mean() -> None:
    ours = fit_projection(gather(features_like_a_towers(), 64), fitted_on="test", dimensions=12)
    assert np.linalg.norm(ours.embed(features_like_a_towers(seed=7)), axis=1) == pytest.approx(1, abs=1e-6)
    assert np.isfinite(ours.embed(ours.mean[None])).all()


@pytest.mark.parametrize(
    ("features", "dimensions", "advice"),
    [
        (features_like_a_towers(width=8), 12, "wider tower"),
        (features_like_a_towers(count=20), 12, "24 or more"),
        (np.full((200, 48), 2.0, np.float32), 12, "same for every picture"),
    ],
    ids=["too short", "too few", "all alike"],
)
def test_features_that_cannot_be_fitted_are_refused(
    features: NDArray[np.float32], dimensions: int, advice: str
) -> None:
    with pytest.raises(ProjectionError, match=advice):
        fit_projection(gather(features, 64), fitted_on="test", dimensions=dimensions)


def test_damaged_features_are_refused_at_the_door() -> None:
    moments = FeatureMoments(4)
    with pytest.raises(ProjectionError, match="not finite"):
        moments.add(np.array([[1.0, np.nan, 0.0, 0.0]]))
    with pytest.raises(ProjectionError, match=r"expected \(n, 4\)"):
        moments.add(np.zeros((2, 5)))
    with pytest.raises(ProjectionError, match="cannot merge"):
        moments.merge(FeatureMoments(5))
    assert moments.count == 0


def test_survives_the_disk(tmp_path: Path) -> None:
    ours = fit_projection(gather(features_like_a_towers(), 64), fitted_on="900 drawings 類似", dimensions=12)
    save_projection(tmp_path / "a.npz", ours)
    save_projection(tmp_path / "b.npz", ours)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = load_projection(tmp_path / "a.npz")
    assert back.sha256() == ours.sha256()
    assert (back.explained_variance, back.pictures, back.fitted_on) == (
        ours.explained_variance,
        900,
        "900 drawings 類似",
    )


def test_a_projection_of_the_first_release_still_loads() -> None:
    golden = load_projection(GOLDEN)
    assert (golden.feature_dimensions, golden.dimensions, golden.pictures) == (6, 3, 900)
    assert golden.fitted_on == "golden file"
    assert golden.explained_variance == pytest.approx(0.9116, abs=1e-3)
    assert golden.sha256() == "34209c3212ef88d9b56d09e4f2e8193125a986d534b940c64631d007b8a268fa"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no zip at all"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "projection.npz"
    path.write_bytes(content)
    with pytest.raises(ProjectionError, match=r"projection\.npz is no projection"):
        load_projection(path)
    with pytest.raises(ProjectionError, match="is missing"):
        load_projection(tmp_path / "absent.npz")


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "projection.npz"
    np.savez(path, format_version=np.int64(99))
    with pytest.raises(ProjectionError, match="format version 99"):
        load_projection(path)
