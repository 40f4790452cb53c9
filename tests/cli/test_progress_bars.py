"""What people read beside a bar while they wait."""

from __future__ import annotations

import pytest
from ruiji_cli.console import bar, byte_bar


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize(("total", "shown"), [(None, "3.2/? MB"), (4_000_000, "3.2/4.0 MB"), (3_200_500, "3.2/3.2 MB")])
def test_bytes_are_shown_in_units_that_people_read(total, shown, capsys):
    with byte_bar("Compact", total) as advance:
        advance(2_000_000)
        advance(1_200_500)
    assert shown in " ".join(capsys.readouterr().err.split())


def test_steps_are_counted_one_by_one(capsys):
    with bar("Shop", 3_000) as advance:
        advance(1_200)
    assert "1200/3000" in capsys.readouterr().err
