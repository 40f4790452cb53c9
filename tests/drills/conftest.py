from __future__ import annotations

import os

import pytest

from tests.support.postgresql import postgresql_server

__all__ = ["postgresql_server"]


def pytest_configure(config) -> None:
    config.addinivalue_line("markers", "drill: runs a whole installation and kills parts of it")


@pytest.fixture
def drill_is_long() -> bool:
    """Whether to try everything instead of a sample: RUIJI_SLOW=1."""
    return os.environ.get("RUIJI_SLOW") == "1"
