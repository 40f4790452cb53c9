"""Filter, sample, decode and split pairs, and write a prepared set that training reads at the speed of memory."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruiji_encoding.pictures import PREPROCESSING, PictureError, decode_picture

from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.duplicates import (
    FINGERPRINT_BYTES,
    Groups,
    Nearness,
    fingerprint,
    join_equal_titles,
    join_near_pictures,
)
from ruiji_encoder.pairs.prepared import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    OFFSETS_FILE,
    PAIRS_FILE,
    PICTURES_FILE,
    PreparedManifest,
    Storage,
)
from ruiji_encoder.pairs.records import Dropped, DropReason, Pair, PairCounts
from ruiji_encoder.pairs.splitting import Side, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ruiji_encoder.pairs.pictures import PictureStore
    from ruiji_encoder.pairs.rules import TitleRules

_DECODED_PER_THREAD = 32


@dataclass(frozen=True, slots=True)
class PreparationSettings:
    """How a set is prepared."""

    sample: int | None = None
    """Good pairs wanted; all by default."""
    split: Split = field(default_factory=Split)
    """Shares of the sides, and the seed of split and sample."""
    nearness: Nearness = field(default_factory=Nearness)
    """Which pictures stay on one side."""
    storage: Storage = Storage.PIXELS
    """Decoded pixels, or the files as they came."""
    threads: int = 1
    """Decoders; Pillow lets go of the GIL."""

    def __post_init__(self) -> None:
        if self.sample is not None and self.sample < 1:
            raise PairsError("a sample has at least one pair")


def prepare_pairs(
    listings: Iterable[Pair | Dropped],
    pictures: PictureStore,
    out: Path,
    rules: TitleRules,
    settings: PreparationSettings,
    *,
    described: str,
    replace: bool = False,
    progress: Callable[[int], None] | None = None,
) -> tuple[PairCounts, PreparedManifest]:
    """Write a prepared set; it appears complete or not at all.

    Args:
        listings: as `tables.read_table` or `shards.Shards.pairs` yield them.
        pictures: where pictures are looked up.
        out: folder of the set.
        rules: which titles describe no product.
        settings: see there.
        described: what the listings are, for people.
        replace: whether a prepared set that is already in `out` may be replaced.
        progress: told the number of pictures done since the last call.

    Returns:
        What became of every listing, and the set's manifest.

    Raises:
        PairsError: `out` is taken, or no pair is left.
    """
    _refuse_taken(out, replace=replace)
    counts = PairCounts()
    candidates = _worth_decoding(listings, rules, counts)
    if settings.sample is not None:
        candidates.sort(key=lambda pair: settings.split.sampling_key(pair.pair_id))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as name:
        aside = Path(name) / out.name
        aside.mkdir()
        kept, fingerprints = _write_pictures(candidates, pictures, aside, settings, counts, progress)
        if not kept:
            raise PairsError(f"no pair of {described} is left: {_summary(counts)}")
        groups = Groups(len(kept))
        join_equal_titles(groups, (pair.titles for pair in kept))
        join_near_pictures(groups, fingerprints, settings.nearness)
        sides = _sides(kept, groups.roots(), settings.split)
        _write_titles(aside / PAIRS_FILE, kept, sides, groups.roots())
        manifest = PreparedManifest(
            format_version=FORMAT_VERSION,
            preprocessing=PREPROCESSING,
            storage=settings.storage,
            pairs=len(kept),
            sides=dict(Counter(sides)),
            described=described,
            rules_sha256=rules.sha256,
            settings={
                "sample": settings.sample,
                "split": asdict(settings.split),
                "nearness": asdict(settings.nearness),
            },
            counts=counts.as_dict(),
        )
        (aside / MANIFEST_FILE).write_text(json.dumps(manifest.as_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    return counts, manifest


def _refuse_taken(out: Path, *, replace: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST_FILE).exists():
        raise PairsError(f"{out} exists and is no prepared set: choose another folder")
    if not replace:
        raise PairsError(f"{out} holds a prepared set already: choose another folder, or ask for it to be replaced")


def _worth_decoding(listings: Iterable[Pair | Dropped], rules: TitleRules, counts: PairCounts) -> list[Pair]:
    candidates: list[Pair] = []
    seen: set[str] = set()
    for listing in listings:
        counts.read += 1
        if isinstance(listing, Dropped):
            counts.drop(listing)
            continue
        reason: str | None = DropReason.REPEATED_ID if listing.pair_id in seen else rules.verdict(listing.titles)
        if reason is not None:
            counts.drop(Dropped(listing.where, reason, " / ".join(listing.titles) or listing.pair_id))
            continue
        seen.add(listing.pair_id)
        titles = rules.worth_reading(listing.titles)
        candidates.append(dataclasses.replace(listing, titles=titles))
    return candidates


def _write_pictures(
    candidates: Sequence[Pair],
    pictures: PictureStore,
    folder: Path,
    settings: PreparationSettings,
    counts: PairCounts,
    progress: Callable[[int], None] | None,
) -> tuple[list[Pair], NDArray[np.uint8]]:
    wanted = len(candidates) if settings.sample is None else settings.sample
    kept: list[Pair] = []
    prints: list[NDArray[np.uint8]] = []
    offsets = [0]
    with (folder / PICTURES_FILE).open("wb") as file:
        for pair, content, pixels in _decoded(candidates, pictures, settings.threads):
            if len(kept) == wanted:
                break
            if progress is not None:
                progress(1)
            if pixels is None:
                reason = DropReason.PICTURE_MISSING if content is None else DropReason.PICTURE_BROKEN
                counts.drop(Dropped(pair.where, reason, pair.picture))
                continue
            file.write(pixels.tobytes() if settings.storage is Storage.PIXELS else content or b"")
            offsets.append(file.tell())
            kept.append(pair)
            prints.append(fingerprint(pixels))
    if settings.storage is Storage.FILES:
        np.save(folder / OFFSETS_FILE, np.array(offsets, dtype=np.int64))
    counts.kept = len(kept)
    counts.not_sampled = counts.read - counts.kept - counts.dropped.total()
    return kept, np.array(prints, dtype=np.uint8).reshape(len(prints), FINGERPRINT_BYTES)


def _decoded(
    candidates: Sequence[Pair], pictures: PictureStore, threads: int
) -> Iterator[tuple[Pair, bytes | None, NDArray[np.uint8] | None]]:
    def decode(pair: Pair) -> tuple[Pair, bytes | None, NDArray[np.uint8] | None]:
        content = pictures.read(pair.picture)
        try:
            return pair, content, None if content is None else decode_picture(content)
        except PictureError:
            return pair, content, None

    with ThreadPoolExecutor(threads) as pool:
        # In bounded pieces: the pool would decode everything ahead of the disk.
        for start in range(0, len(candidates), threads * _DECODED_PER_THREAD):
            yield from pool.map(decode, candidates[start : start + threads * _DECODED_PER_THREAD])


def _sides(kept: Sequence[Pair], roots: NDArray[np.int64], split: Split) -> list[Side]:
    # Named by its smallest id, a group keeps its side when listings come in another order.
    names: dict[int, str] = {}
    for pair, root in zip(kept, roots.tolist(), strict=True):
        names[root] = min(names.get(root, pair.pair_id), pair.pair_id)
    return [split.side_of(names[root]) for root in roots.tolist()]


def _write_titles(path: Path, kept: Sequence[Pair], sides: Sequence[Side], roots: NDArray[np.int64]) -> None:
    table = pa.table(
        {
            "id": pa.array([pair.pair_id for pair in kept], pa.string()),
            "titles": pa.array([list(pair.titles) for pair in kept], pa.list_(pa.string())),
            "categories": pa.array([list(pair.categories) for pair in kept], pa.list_(pa.string())),
            "side": pa.array([str(side) for side in sides], pa.string()),
            "group": pa.array(roots, pa.int64()),
            "where": pa.array([pair.where for pair in kept], pa.string()),
        }
    )
    pq.write_table(table, path)


def _summary(counts: PairCounts) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.dropped.most_common())
    return f"{counts.read} read, dropped: {reasons or 'none'}"
