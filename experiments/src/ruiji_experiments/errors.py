"""What can go wrong with experiments. Each message says what to do.

RuijiExperimentsError
├── LogError           a folder of events that cannot be read, or holds nothing of the experiment
├── SettingsError      options of an analysis that contradict each other or the log
└── NoSupport          a log from which the asked-for policy cannot be estimated
"""

from __future__ import annotations


class RuijiExperimentsError(Exception):
    """Root of this package's exceptions."""


class LogError(RuijiExperimentsError):
    """A folder of events that cannot be read, or that holds nothing of the experiment."""


class SettingsError(RuijiExperimentsError):
    """Options of an analysis that contradict each other or what is in the log; the message names the option."""


class NoSupport(RuijiExperimentsError):  # noqa: N818  (reads as what it says)
    """A log whose randomisation never, or hardly ever, shows what the asked-for policy would show."""
