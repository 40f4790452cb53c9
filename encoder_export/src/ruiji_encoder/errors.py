"""What can go wrong while an encoder is made. Each message says what to do.

RuijiEncoderError
├── CatalogueError    a training catalogue that cannot be read
├── PairsError        tables, archives, rules or prepared sets of pairs that cannot be used
├── CheckpointError   weights that are missing, damaged or of another architecture
├── TrainingError     settings that cannot work, or a run that diverged
├── TextEncoderError  a text encoder's artefact that cannot be used
├── ProjectionError   features or projections that do not fit
└── ExportError       a graph that cannot be written
    └── ParityError   a graph that does not compute what the PyTorch model computes
"""

from __future__ import annotations


class RuijiEncoderError(Exception):
    """Root of this package's exceptions."""


class CatalogueError(RuijiEncoderError):
    """A training catalogue that cannot be read; the message names file and line."""


class PairsError(RuijiEncoderError):
    """A table, an archive, a file of rules or a prepared set of pairs that cannot be used; the message names it."""


class CheckpointError(RuijiEncoderError):
    """Weights that are missing, damaged, or of an architecture or picture size that cannot be served."""


class TrainingError(RuijiEncoderError):
    """Settings that cannot work together, or a run that diverged."""


class TextEncoderError(RuijiEncoderError):
    """A text encoder that is incomplete or damaged, or whose tokenizer or picture encoder is another."""


class ProjectionError(RuijiEncoderError):
    """Features that no projection can be fitted on, or a projection that does not fit the tower."""


class ExportError(RuijiEncoderError):
    """An ONNX graph that cannot be written or would not load where it has to."""


class ParityError(ExportError):
    """An exported graph whose embeddings are not those of the PyTorch model in fp32."""
