"""From a text tower to a text encoder's artefact, behind a parity gate of its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch
from ruiji_encoding.gates import MIN_COSINE
from ruiji_encoding.manifest import MODEL_FILE, OUTPUT_NAME, Parity, Precision, read_manifest

from ruiji_encoder.checkpoints import weights_sha256
from ruiji_encoder.errors import ExportError, ParityError
from ruiji_encoder.onnx_files import OPSET, check_onnx, quiet_exporter, strip_traces
from ruiji_encoder.parity import BATCH_SIZES
from ruiji_encoder.texts.artefact import (
    TEXT_MANIFEST_FILE,
    TOKENIZER_FOLDER,
    TOKENS_NAME,
    TextManifest,
    file_sha256,
    probe,
    run_text_model,
    tokenizer_sha256,
    write_text_manifest,
)
from ruiji_encoder.texts.graph import TokensToUnitVector, mean_text_features
from ruiji_encoder.tokenizers import TEXT_LENGTH, check_text_tokenizer, tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase, SiglipTextModel

    from ruiji_encoder.projection import Projection

_PROBES = 8
_GATED = sum(BATCH_SIZES)
_LIMIT = MIN_COSINE[Precision.FP32]


@dataclass(frozen=True, slots=True)
class TextExportSettings:
    """How to export one text encoder."""

    checkpoint: str
    """Hub name or folder name that the weights came from, for people."""
    centred_on: str
    """What the titles are, for people."""
    replace: bool = False
    """Whether a text encoder that is already in the folder may be replaced."""


def export_text_encoder(
    folder: Path,
    tower: SiglipTextModel,
    tokenizer: PreTrainedTokenizerBase,
    projection: Projection,
    picture_encoder: Path,
    titles: Sequence[str],
    settings: TextExportSettings,
) -> TextManifest:
    """Export token ids -> unit vector with the tokenizer beside it; a graph that misses the gate leaves nothing behind.

    Args:
        folder: of the artefact; made if absent.
        tower: as `load_text_tower` gives it.
        tokenizer: of the same checkpoint.
        projection: that the picture encoder was exported with.
        picture_encoder: folder of that encoder.
        titles: real ones; the texts' centre is their mean, and some of them stand before the gate.
        settings: see there.

    Raises:
        ExportError: the folder holds a text encoder already, the picture encoder has another projection, or the graph
            cannot be written.
        TrainingError: the tokenizer is not the model's.
        ParityError: the graph misses its gate.
    """
    if (folder / TEXT_MANIFEST_FILE).exists() and not settings.replace:
        raise ExportError(f"{folder} holds a text encoder already: choose another folder or allow it to be replaced")
    pictures = read_manifest(picture_encoder)
    if pictures.projection_sha256 != projection.sha256():
        raise ExportError(f"{picture_encoder} was exported with another projection: give the one that it was made with")
    check_text_tokenizer(tokenizer, tower.config, titles)
    distinct = list(dict.fromkeys(titles))
    if len(distinct) < max(BATCH_SIZES):
        raise ParityError(f"{len(distinct)} different titles are too few for the gate: give {max(BATCH_SIZES)} or more")
    token_ids = np.asarray(tokenize(tokenizer, distinct).numpy(), np.int64)
    module = TokensToUnitVector(tower, projection, mean_text_features(tower, token_ids))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
        aside = Path(name)
        _write_graph(module, aside / MODEL_FILE)
        parity = _measure(module, aside / MODEL_FILE, token_ids)
        tokenizer.save_pretrained(aside / TOKENIZER_FOLDER)
        manifest = TextManifest(
            encoder_id=pictures.encoder_id,
            checkpoint=settings.checkpoint,
            dimensions=projection.dimensions,
            weights_sha256=weights_sha256(tower),
            projection_sha256=projection.sha256(),
            centred_on=settings.centred_on,
            tokenizer_sha256=tokenizer_sha256(aside / TOKENIZER_FOLDER),
            model_sha256=file_sha256(aside / MODEL_FILE),
            probes=tuple(probe(tokenizer, text) for text in _spread(distinct, _PROBES)),
            parity=parity,
        )
        write_text_manifest(aside, manifest)
        _publish(aside, folder)
    return manifest


def _write_graph(module: TokensToUnitVector, path: Path) -> None:
    example = torch.zeros((2, TEXT_LENGTH), dtype=torch.int64)
    with quiet_exporter():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[TOKENS_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes={"token_ids": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export returned no program")
    model = program.model_proto
    strip_traces(model)
    onnx.save_model(model, path, save_as_external_data=False)
    check_onnx(path)


def _measure(module: TokensToUnitVector, path: Path, token_ids: NDArray[np.int64]) -> Parity:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = np.linspace(0, len(token_ids) - 1, num=min(len(token_ids), _GATED), dtype=np.int64)
    chosen, lowest = token_ids[rows], 1.0
    expected = np.concatenate([module.embed(part) for part in np.array_split(chosen, -(-len(chosen) // 16))])
    start = 0
    for size in BATCH_SIZES:
        at = (start + np.arange(size)) % len(chosen)
        start += size
        actual = run_text_model(session, chosen[at])
        if actual.shape != expected[at].shape:
            raise ParityError(f"the exported graph answers {actual.shape} where {expected[at].shape} is expected")
        cosines = np.einsum("nd,nd->n", actual.astype(np.float64), expected[at].astype(np.float64))
        # NaN fails this comparison too.
        if not (cosines >= _LIMIT).all():
            raise ParityError(
                f"the exported text graph's embeddings differ from the PyTorch model's: cosine {cosines.min():.6f} at "
                f"batch {size} is below {_LIMIT}. Nothing was written"
            )
        lowest = min(lowest, float(cosines.min()))
    return Parity(pictures=len(chosen), batch_sizes=BATCH_SIZES, min_cosine=lowest, limit=_LIMIT)


def _spread(texts: Sequence[str], number: int) -> list[str]:
    rows = np.unique(np.linspace(0, len(texts) - 1, num=min(len(texts), number), dtype=np.int64))
    return [texts[row] for row in rows.tolist()]


def _publish(aside: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / TEXT_MANIFEST_FILE).unlink(missing_ok=True)
    old = folder / TOKENIZER_FOLDER
    if old.exists():
        old.rename(aside / "replaced")
    for name in (TOKENIZER_FOLDER, MODEL_FILE, TEXT_MANIFEST_FILE):
        (aside / name).rename(folder / name)
