"""Precision of an encoder's neighbours by leaf category, beside MobileNetV2 on the same pictures.

    python benchmarks/retrieval_on_photographs.py DATA --baseline mobilenetv2_1.0_imagenet_features.onnx

DATA is a folder that `ruiji catalog import` and `ruiji worker run --drain` have filled. Each item is asked for its
nearest others by exact cosine; a neighbour of the same leaf category counts as right. The baseline is ImageNet's
MobileNetV2 x1.0 without its classifier: input `image` float32 (n, 3, 224, 224), RGB / 255 minus ImageNet's mean over
its deviation; output (n, 1280). It stands in for the x1.4 of the paper.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from ruiji_encoding.pictures import decode_picture
from ruiji_server.domain.items import PictureContent
from ruiji_server.index.exact import nearest_neighbours
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.encoders import registered_encoders
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.snapshot import open_snapshot

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_BATCH = 32
_THUMBNAIL_PX = 14


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of an installation")
    parser.add_argument("--baseline", type=Path, help="MobileNetV2's ONNX file")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    database = open_database(f"sqlite:///{arguments.data / 'store.sqlite'}")
    ids, labels, encoders = _embedded(database)
    if arguments.baseline is not None:
        pictures = _pictures(database, ids)
        encoders["MobileNetV2 x1.0, ImageNet"] = _mobilenet(arguments.baseline, pictures, arguments.threads)
        encoders[f"raw pixels, {_THUMBNAIL_PX} x {_THUMBNAIL_PX}"] = _raw_pixels(pictures)
    table = Table("encoder", "dimensions", "P@1", "P@3", title=f"{len(ids)} items, {len(set(labels))} leaf categories")
    for name, vectors in encoders.items():
        hits = labels[nearest_neighbours(vectors, np.arange(len(ids)), 3)] == labels[:, None]
        table.add_row(name, str(vectors.shape[1]), f"{hits[:, 0].mean():.3f}", f"{hits.mean():.3f}")
    Console().print(table)


def _embedded(database: Database) -> tuple[list[str], NDArray[np.str_], dict[str, NDArray[np.float32]]]:
    """Return ids and leaf categories of the items that every encoder has embedded, and the embeddings."""
    vectors: dict[str, dict[str, NDArray[np.float32]]] = {}
    leaves: dict[str, str] = {}
    for encoder in registered_encoders(database):
        with open_snapshot(database, encoder.encoder_id) as snapshot:
            found = {item.item_id: item for item in snapshot.items()}
        leaves |= {item_id: item.category_path[-1] for item_id, item in found.items()}
        vectors[encoder.encoder_id] = {item_id: item.vector for item_id, item in found.items()}
    ids = sorted(set(leaves).intersection(*vectors.values()))
    stacked = {name: np.stack([known[item_id] for item_id in ids]) for name, known in vectors.items()}
    return ids, np.array([leaves[item_id] for item_id in ids]), stacked


def _pictures(database: Database, ids: list[str]) -> NDArray[np.uint8]:
    store = CatalogueStore(database)
    pixels = np.empty((len(ids), 256, 256, 3), dtype=np.uint8)
    for row, item_id in enumerate(track(ids, "Decode")):
        stored = store.get(item_id, include_picture=True)
        if stored is None or not isinstance(stored.item.picture, PictureContent):
            raise SystemExit(f"{item_id} has no inline picture")
        pixels[row] = decode_picture(stored.item.picture.content)
    return pixels


def _mobilenet(path: Path, pictures: NDArray[np.uint8], threads: int) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    features = []
    for start in track(range(0, len(pictures), _BATCH), "MobileNetV2"):
        batch = np.stack([_resized(picture, 224) for picture in pictures[start : start + _BATCH]])
        normalised = (batch.astype(np.float32) / 255.0 - _MEAN) / _DEVIATION
        features.append(session.run(None, {"image": normalised.transpose(0, 3, 1, 2)})[0])
    return _unit(np.concatenate(features))


def _raw_pixels(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = np.stack([_resized(picture, _THUMBNAIL_PX) for picture in pictures]).reshape(len(pictures), -1)
    return _unit(small.astype(np.float32) - small.mean())


def _resized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


if __name__ == "__main__":
    main()
