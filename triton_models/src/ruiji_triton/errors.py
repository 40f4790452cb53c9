"""Everything that this package raises on purpose.

    RuijiTritonError
    ├── SettingsError        a setting outside its range
    ├── RepositoryError      an encoder that cannot become a Triton model
    ├── InstallationError    no tritonserver, or one that cannot run here
    └── ServerError          tritonserver runs or ran, and does not serve
        ├── StartError       it never answered an inference
        │   └── StartTimeoutError  it might have, given more time or another start
        └── GaveUpError      it could not be brought back

A damaged or missing encoder artefact raises `ruiji_encoding.manifest.EncoderError`.
"""

from __future__ import annotations


class RuijiTritonError(Exception):
    """Base of this package's errors; the message says what to do."""


class SettingsError(RuijiTritonError, ValueError):
    """A setting outside its range."""


class RepositoryError(RuijiTritonError):
    """An encoder that cannot become a Triton model, or a repository that does not hold what was asked for."""


class InstallationError(RuijiTritonError):
    """The tritonserver of the nvidia-pytriton wheel is missing or cannot run on this machine."""


class ServerError(RuijiTritonError):
    """Tritonserver does not serve."""


class StartError(ServerError):
    """Tritonserver was started and did not come to answer an inference; the message carries its last log lines."""


class StartTimeoutError(StartError):
    """Tritonserver refused nothing and did not come to answer in time.

    Now and then a start of it hangs for good, while loading a model of the Python backend; another start helps.
    """


class GaveUpError(ServerError):
    """Tritonserver died or stopped answering and several restarts in a row did not help."""
