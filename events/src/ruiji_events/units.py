"""Units: those whose behaviour an experiment compares, such as users, without their names.

The id of a unit is hashed with a secret key as it arrives; nothing else of it is kept. Whoever has the key can find the
rows of a known id, for instance to erase them; without it, ids cannot be guessed from hashes. One installation has one
key for good: with another one every unit is a new unit, and nobody can find the rows of the old ones.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from ruiji_events.errors import RuijiEventsError

KEY_BYTES: Final = 32
"""Length of a key that is made here."""
_MIN_KEY_BYTES: Final = 16
_MAX_KEY_BYTES: Final = hashlib.blake2b.MAX_KEY_SIZE
_HASH_BYTES: Final = 16


class UnitKeyError(RuijiEventsError):
    """A key that cannot be used; the message says what to do."""


class UnitHasher:
    """Turns ids of units into keyed hashes. Immutable, safe to share between threads."""

    def __init__(self, key: bytes) -> None:
        """Prepare to hash.

        Args:
            key: the secret, 16 to 64 bytes.

        Raises:
            UnitKeyError: it is too short or too long.
        """
        if not _MIN_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES:
            raise UnitKeyError(f"a unit key has {_MIN_KEY_BYTES} to {_MAX_KEY_BYTES} bytes; this one has {len(key)}")
        # Copying a state that has the key in it takes half the time of starting with the key.
        self._keyed = hashlib.blake2b(key=key, digest_size=_HASH_BYTES, person=b"ruiji-unit")

    def hash(self, unit_id: str) -> str:
        """Return the keyed hash (BLAKE2b, RFC 7693) of a unit's id as 32 hexadecimal digits."""
        state = self._keyed.copy()
        state.update(unit_id.encode())
        return state.hexdigest()


def read_key(path: Path) -> bytes:
    """Return the key in a file: hexadecimal digits, white space around them ignored.

    Raises:
        UnitKeyError: the file cannot be read or holds no key.
    """
    try:
        content = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UnitKeyError(f"the unit key {path} cannot be read: {error}") from error
    try:
        key = bytes.fromhex(content)
        UnitHasher(key)
    except (ValueError, UnitKeyError) as error:
        raise UnitKeyError(
            f"{path} holds no unit key: {error}. A key is {2 * KEY_BYTES} hexadecimal digits; if this file is damaged, "
            "restore it from a backup, for with a new key every unit is a new one"
        ) from error
    return key


def read_or_make_key(path: Path) -> bytes:
    """Return the key in a file; makes it, for its owner's eyes only, where there is none.

    Of several processes that make it at the same time one wins, and all return its key.

    Raises:
        UnitKeyError: the file cannot be read or made, or holds no key.
    """
    if not path.exists():
        try:
            _make_key(path)
        except OSError as error:
            raise UnitKeyError(f"the unit key {path} cannot be made: {error}") from error
    return read_key(path)


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Linking shows the whole file at once, and never replaces a key that somebody else made meanwhile.
        try:
            path.hardlink_to(whole)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        whole.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
