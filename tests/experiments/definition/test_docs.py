"""The definitions that people copy are right."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruiji_experiments.definition.toml_file import experiment_from_toml
from ruiji_server.domain.errors import STATUS_NAMES, Reason

PAGE = (Path(__file__).parents[3] / "docs" / "experiments.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_an_experiment(text):
    assert experiment_from_toml(text, datetime(2026, 11, 21, tzinfo=UTC)).variants


def test_the_reasons_and_statuses_that_the_page_names_exist():
    named = set(re.findall(r"`((?:EXPERIMENT|ENCODER|VARIANT)_[A-Z_]+)`", PAGE))
    assert len(named) > 10
    assert named <= set(Reason)
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE)) - named <= set(STATUS_NAMES.values())
