"""The library: there where a compiler is, and missed aloud where not."""

from __future__ import annotations

import logging
import sys

from ruiji_server.kernels import library


def test_the_development_environment_has_it():
    assert library.KERNELS is not None


def test_who_goes_without_is_told(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(library, "_LIBRARY", tmp_path / "libruiji.so")
    with caplog.at_level(logging.WARNING):
        assert library._opened() is None
    assert "no compiled kernels" in caplog.text


def test_another_byte_order_goes_without(monkeypatch, caplog):
    monkeypatch.setattr(sys, "byteorder", "big")
    assert library._opened() is None
