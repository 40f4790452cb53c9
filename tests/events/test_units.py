"""Ids of units become keyed hashes, with a key that is made once and never replaced."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_events.units import KEY_BYTES, UnitHasher, UnitKeyError, read_key, read_or_make_key

KEY = bytes(range(32))


@given(unit_id=st.text(min_size=1, max_size=128))
def test_a_hash_is_blake2b_with_the_key(unit_id: str) -> None:
    expected = hashlib.blake2b(unit_id.encode(), key=KEY, digest_size=16, person=b"ruiji-unit").hexdigest()
    assert UnitHasher(KEY).hash(unit_id) == expected


def test_hashes_stay_the_same_from_release_to_release() -> None:
    """A change here would make every unit of every installation a new one."""
    assert UnitHasher(KEY).hash("user-1") == "232e19895aba879a678f1a794d67ac73"


def test_another_key_gives_other_hashes() -> None:
    assert UnitHasher(KEY).hash("user-1") != UnitHasher(bytes(32)).hash("user-1")


@pytest.mark.parametrize("length", [0, 15, 65])
def test_a_key_that_is_too_short_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(UnitKeyError, match=f"has {length}"):
        UnitHasher(bytes(length))


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "unit.key"
    key = read_or_make_key(path)
    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_key(path) == read_key(path) == key
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_make_it_at_the_same_time_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: read_or_make_key(tmp_path / "unit.key"), range(64)))
    assert len(keys) == 1


@pytest.mark.parametrize("content", ["", "nonsense", "00ff", "é" * 64])
def test_a_damaged_key_is_refused_and_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "unit.key"
    path.write_text(content)
    with pytest.raises(UnitKeyError, match=r"unit\.key"):
        read_or_make_key(path)
    assert path.read_text() == content


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnitKeyError, match="cannot be read"):
        read_key(tmp_path / "unit.key")
