"""The artefact of a text encoder: `model.onnx`, `tokenizer/`, and `text_encoder.json`, which says what they are.

A tokenizer that is not the model's would not fail: it would put every title somewhere else. So the folder carries the
tokenizer, a checksum of its files, and the ids of some titles as they were on the day of the export: files that were
changed and libraries that read them in another way are both refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from ruiji_encoding.manifest import MODEL_FILE, OUTPUT_NAME, Parity

from ruiji_encoder.checkpoints import load_tokenizer
from ruiji_encoder.errors import CheckpointError, TextEncoderError
from ruiji_encoder.tokenizers import TEXT_LENGTH, tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

FORMAT_VERSION = 1
TEXT_MANIFEST_FILE = "text_encoder.json"
TOKENIZER_FOLDER = "tokenizer"

TOKENS_NAME = "token_ids"
"""Graph input: shape (batch, 64), int64."""

_EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Probe:
    """A text and its ids on the day of the export."""

    text: str
    """As it was written."""
    token_ids: tuple[int, ...]
    """64 of them."""


@dataclass(frozen=True, slots=True)
class TextManifest:
    """What a text encoder is, as written in `text_encoder.json`."""

    encoder_id: str
    """Of the picture encoder whose space this is; embeddings of other encoders must not be compared with these."""
    checkpoint: str
    """Where the weights came from."""
    dimensions: int
    """Length of the embedding."""
    weights_sha256: str
    """Over the text tower's weights."""
    projection_sha256: str
    """Over the pictures' mean and projection matrix; the same as in the picture encoder's manifest."""
    centred_on: str
    """What the texts' centre is the mean of, for people."""
    tokenizer_sha256: str
    """Over names and bytes of the files in `tokenizer/`."""
    model_sha256: str
    """Over the bytes of `model.onnx`."""
    probes: tuple[Probe, ...]
    """Texts that the tokenizer has to read as it did."""
    parity: Parity
    """Of the graph with PyTorch; `pictures` counts texts."""


class TextEncoder:
    """Titles in, embeddings out, on the CPU.

    Attributes:
        manifest: what it is.
    """

    def __init__(self, folder: Path, *, encoder_id: str | None = None, threads: int = 1) -> None:
        """Check the artefact and load it.

        Args:
            folder: made by `ruiji encoder export-text`.
            encoder_id: of the picture encoder that its embeddings will be compared with; None does not ask.
            threads: CPU cores it may use.

        Raises:
            TextEncoderError: it is incomplete or damaged, belongs to another picture encoder, or its tokenizer is not
                the one that it was exported with.
        """
        self.manifest = read_text_manifest(folder)
        if encoder_id is not None and encoder_id != self.manifest.encoder_id:
            raise TextEncoderError(
                f"{folder} embeds into the space of {self.manifest.encoder_id}, and the pictures' encoder is "
                f"{encoder_id}: export the text encoder of that one"
            )
        self._tokenizer = _checked_tokenizer(folder / TOKENIZER_FOLDER, self.manifest)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(
            str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Returns:
            Shape (n, d), float32, unit length.
        """
        parts = [
            run_text_model(self._session, tokenize(self._tokenizer, texts[start : start + _EMBEDDED_AT_ONCE]).numpy())
            for start in range(0, len(texts), _EMBEDDED_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.manifest.dimensions), np.float32)


def run_text_model(session: onnxruntime.InferenceSession, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Run the graph on ids of shape (n, 64), int64; return shape (n, d), float32."""
    (embeddings,) = session.run([OUTPUT_NAME], {TOKENS_NAME: token_ids})
    return np.asarray(embeddings)


def write_text_manifest(folder: Path, manifest: TextManifest) -> None:
    """Write `text_encoder.json`."""
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(manifest)}, indent=2, ensure_ascii=False)
    (folder / TEXT_MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_text_manifest(folder: Path) -> TextManifest:
    """Read `text_encoder.json` and compare the model's checksum.

    Raises:
        TextEncoderError: a file is missing, damaged or of another format.
    """
    path, model = folder / TEXT_MANIFEST_FILE, folder / MODEL_FILE
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if raw["format_version"] != FORMAT_VERSION:
            raise TextEncoderError(
                f"{path} has format version {raw['format_version']}; this release reads {FORMAT_VERSION}"
            )
        values = {field.name: raw[field.name] for field in fields(TextManifest)}
        values["parity"] = Parity(**{**raw["parity"], "batch_sizes": tuple(raw["parity"]["batch_sizes"])})
        values["probes"] = tuple(Probe(each["text"], tuple(each["token_ids"])) for each in raw["probes"])
        manifest = TextManifest(**values)
    except FileNotFoundError as error:
        raise TextEncoderError(
            f"{path} is missing: a text encoder is a folder made by `ruiji encoder export-text`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise TextEncoderError(f"{path} is damaged ({error}): export the text encoder again") from error
    if not model.is_file() or file_sha256(model) != manifest.model_sha256:
        raise TextEncoderError(f"{model} is missing or is not the one of {path}: export the text encoder again")
    return manifest


def file_sha256(path: Path) -> str:
    """Hash a file into hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tokenizer_sha256(folder: Path) -> str:
    """Hash names and bytes of a tokenizer's files into hex."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def probe(tokenizer: PreTrainedTokenizerBase, text: str) -> Probe:
    """Return a text with its ids."""
    ids = tokenize(tokenizer, [text])[0].tolist()
    assert len(ids) == TEXT_LENGTH  # noqa: S101  (what `tokenize` promises)
    return Probe(text, tuple(ids))


def _checked_tokenizer(folder: Path, manifest: TextManifest) -> PreTrainedTokenizerBase:
    if not folder.is_dir() or tokenizer_sha256(folder) != manifest.tokenizer_sha256:
        raise TextEncoderError(
            f"{folder} is not the tokenizer that the model was exported with: titles would be read as other words. "
            "Export the text encoder again"
        )
    try:
        tokenizer = load_tokenizer(folder)
    except CheckpointError as error:
        raise TextEncoderError(f"{folder} cannot be loaded: {error}") from error
    for known in manifest.probes:
        if probe(tokenizer, known.text) != known:
            raise TextEncoderError(
                f"{folder} reads {known.text!r} as other tokens than on the day of the export, so the libraries that "
                "read it differ (transformers, tokenizers or sentencepiece): install those of that day, or export again"
            )
    return tokenizer
