"""Train both towers of a SigLIP on pictures and their titles, from random weights or from a checkpoint.

`train` is the plain loop; `finetuning.finetune` is a run in a folder, which can be resumed, is judged and leaves a log.
"""

from ruiji_encoder.training.devices import Devices, joined_devices
from ruiji_encoder.training.loop import train
from ruiji_encoder.training.settings import LockedTower, TrainingPrecision, TrainingProgress, TrainingSettings
from ruiji_encoder.training.towers import new_siglip

__all__ = [
    "Devices",
    "LockedTower",
    "TrainingPrecision",
    "TrainingProgress",
    "TrainingSettings",
    "joined_devices",
    "new_siglip",
    "train",
]
