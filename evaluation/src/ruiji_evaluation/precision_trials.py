"""Which precisions keep a model? Each is written, measured against PyTorch in fp32, and thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ruiji_encoder.errors import ExportError
from ruiji_encoder.graph import PixelsToUnitVector
from ruiji_encoder.onnx_files import write_onnx
from ruiji_encoder.precisions import write_precision
from ruiji_encoding.manifest import Precision

from ruiji_evaluation.precisions import PrecisionTable, embed, measure, refuse_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruiji_encoder.checkpoints import VisionTower
    from ruiji_encoder.gate_pictures import GatePictures
    from ruiji_encoder.projection import Projection

    from ruiji_evaluation.progress import Stages


def try_precisions(
    name: str,
    tower: VisionTower,
    projection: Projection,
    pictures: GatePictures,
    *,
    precisions: Sequence[Precision] = tuple(Precision),
    threads: int = 1,
    stages: Stages,
) -> PrecisionTable:
    """Write a model in each precision, measure it against PyTorch in fp32, and keep nothing.

    Args:
        name: of the model, for people.
        tower: as `ruiji_encoder.checkpoints.load_vision_tower` gives it.
        projection: fitted on this tower's features.
        pictures: for measuring and for calibrating; more than `NEIGHBOURS` to measure on.
        precisions: which.
        threads: CPU cores for each.
        stages: told of each precision.

    Raises:
        NothingToEvaluate: too few pictures.
        ruiji_encoder.errors.RuijiEncoderError: the model cannot be exported at all.
    """
    pixels = pictures.gate.pixels
    refuse_few(len(pixels))
    model = PixelsToUnitVector(tower, projection)
    written: dict[Precision, Path] = {}
    not_written: dict[Precision, str] = {}
    with tempfile.TemporaryDirectory(prefix="ruiji-precisions-") as folder:
        fp32 = Path(folder) / f"{Precision.FP32}.onnx"
        with stages.stage(f"Write, {Precision.FP32}", 1) as advance:
            write_onnx(model, fp32)
            advance(1)
        expected = embed(model, pixels, "Run, PyTorch", stages)
        for precision in precisions:
            path = Path(folder) / f"{precision}.onnx"
            try:
                if precision is not Precision.FP32:
                    with stages.stage(f"Write, {precision}", 1) as advance:
                        write_precision(fp32, path, precision, pictures.calibration.pixels)
                        advance(1)
                written[precision] = path
            except ExportError as error:
                not_written[precision] = str(error)
        rows = measure(list(written.items()), pixels, expected, threads, stages)
    return PrecisionTable(
        encoder=name,
        reference="PyTorch in fp32",
        measured_on=pictures.gate.described,
        calibrated_on=pictures.calibration.described if Precision.INT8_STATIC in precisions else "",
        threads=threads,
        rows=rows,
        not_written=not_written,
    )
