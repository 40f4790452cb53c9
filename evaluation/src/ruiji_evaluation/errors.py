"""What can go wrong in an evaluation. Each message says what to do.

RuijiEvaluationError
├── StudyError           a study that does not say what is to be compared, or says it wrongly
├── ItemTableError       an item table that cannot be read
├── LogError             a log that is not in the format, or belongs to another catalogue
├── EncoderUnavailable   an encoder that cannot be loaded
└── NothingToEvaluate    data from which no figure follows
"""

from __future__ import annotations


class RuijiEvaluationError(Exception):
    """Root of this package's exceptions."""


class StudyError(RuijiEvaluationError):
    """A study file or an option that does not say what is to be compared; the message names the key."""


class ItemTableError(RuijiEvaluationError):
    """An item table that cannot be read; the message names file and line."""


class LogError(RuijiEvaluationError):
    """A log that is not in the format, or whose items the catalogue does not know; the message names the file."""


class EncoderUnavailable(RuijiEvaluationError):  # noqa: N818  (reads as what it says)
    """An encoder that cannot be loaded or does not answer with one vector per picture."""


class NothingToEvaluate(RuijiEvaluationError):  # noqa: N818  (reads as what it says)
    """Data from which no figure follows: an empty split, no tap, no readable picture."""
