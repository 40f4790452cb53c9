"""From items to unit vectors by every encoder of a study, over the items whose pictures all of them can read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.embeddings import embed, find_pictures
from ruiji_evaluation.encoders import open_encoder
from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.evaluation import EncoderFacts
from ruiji_evaluation.pictures import PictureFiles
from ruiji_evaluation.projecting import unit_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.encoders import EncoderSpec
    from ruiji_evaluation.progress import Stages
    from ruiji_evaluation.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class EncodedItems:
    """Items with the features that each encoder gives their pictures."""

    items: tuple[Item, ...]
    """Those with a readable picture, sorted by id, so that ties of cosines are broken by id."""
    features: Mapping[str, NDArray[np.float32]]
    """By encoder, shape (items, D)."""
    descriptions: Mapping[str, str]
    """By encoder."""
    left_out: Mapping[str, int]
    """Reason to number of items."""

    def vectors(self, spec: EncoderSpec, fit_on: NDArray[np.int64]) -> tuple[NDArray[np.float32], EncoderFacts]:
        """Return unit vectors of all items by one encoder, shape (items, d), with what it is; see `unit_vectors`."""
        vectors, explained = unit_vectors(self.features[spec.name], fit_on, spec.pca)
        described = self.descriptions[spec.name]
        if spec.pca is not None:
            described += f", PCA to {spec.pca} dimensions fitted on {len(fit_on)} pictures"
        return vectors, EncoderFacts(spec.name, described, vectors.shape[1], explained)


def encode_items(items: Sequence[Item], study: Study, *, cache: Path, threads: int, stages: Stages) -> EncodedItems:
    """Embed the pictures of items by every encoder of a study.

    Args:
        items: in any order.
        study: names encoders and places of pictures.
        cache: see `embeddings.embed`.
        threads: CPU cores for an encoder.
        stages: told of each encoder.

    Raises:
        NothingToEvaluate: no item has a picture that can be read.
        EncoderUnavailable: an encoder cannot be loaded.
    """
    ordered = sorted(items, key=lambda item: item.item_id)
    left_out: Counter[str] = Counter()
    # Loaded before the long work, so that a missing one is said at once.
    encoders = {spec.source: open_encoder(spec, threads=threads) for spec in study.encoders}
    features: dict[object, NDArray[np.float32]] = {}
    with PictureFiles(study.pictures) as files:
        with stages.stage("Find pictures", len(ordered)) as advance:
            pictures, found = find_pictures([item.picture for item in ordered], files, progress=advance)
        kept = [item for item, there in zip(ordered, found.tolist(), strict=True) if there]
        left_out["there is no picture of the item"] = len(ordered) - len(kept)
        readable = np.ones(len(kept), np.bool_)
        for source, encoder in encoders.items():
            name = next(spec.name for spec in study.encoders if spec.source == source)
            with stages.stage(f"Embed, {name}", len(kept)) as advance:
                features[source], usable = embed(encoder, pictures, files, cache, progress=advance)
            readable &= usable
    left_out["the picture cannot be read"] = int((~readable).sum())
    if not readable.any():
        raise NothingToEvaluate(
            f"none of {len(ordered)} items has a picture that can be read in {', '.join(map(str, study.pictures))}; "
            f"the first is looked for as {ordered[0].picture if ordered else 'nothing'!r}: check [catalogue] picture"
        )
    return EncodedItems(
        items=tuple(item for item, usable in zip(kept, readable.tolist(), strict=True) if usable),
        features={spec.name: features[spec.source][readable] for spec in study.encoders},
        descriptions={spec.name: encoders[spec.source].description for spec in study.encoders},
        left_out={reason: number for reason, number in left_out.items() if number},
    )
