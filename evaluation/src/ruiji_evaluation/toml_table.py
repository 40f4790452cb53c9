"""Reading a TOML table key by key, with messages that name the key, and nothing unknown let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruiji_evaluation.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class TomlTable:
    """One table; it remembers which keys were asked for."""

    def __init__(self, values: dict[str, Any], name: str, root: Path) -> None:
        """Take in a table.

        Args:
            values: as tomllib gives it.
            name: for messages, such as `study.toml [split]`.
            root: where relative paths start.
        """
        self._values = values
        self._name = name
        self._root = root
        self._known: set[str] = set()

    def names(self) -> list[str]:
        """Return all keys, in the order of the file."""
        return list(self._values)

    def where(self, key: str) -> str:
        """Name a key for a message."""
        return f"{self._name}: {key}"

    def raw(self, key: str) -> Any:  # noqa: ANN401  (TOML can be anything until it is checked)
        """Return what is there, or None."""
        self._known.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; required where there is no default."""
        return str(self._value(key, str, "a text", default))

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of texts; a single text stands for a list of one."""
        value = self.raw(key)
        if value is None:
            return default
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(entry, str) and entry for entry in values):
            raise StudyError(f"{self.where(key)} must be a list of texts, not {value!r}")
        return tuple(values)

    def integer(self, key: str, default: int | None, *, low: int) -> int:
        """Return a whole number of at least `low`; required where there is no default."""
        value = self._value(key, int, "a whole number", default)
        if value < low:
            raise StudyError(f"{self.where(key)} must be at least {low}, not {value}")
        return int(value)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """Return a number within bounds."""
        value = self._value(key, (int, float), "a number", default)
        if not low <= value <= high:
            raise StudyError(f"{self.where(key)} must lie between {low:g} and {high:g}, not {value}")
        return float(value)

    def numbers(self, key: str, default: Sequence[float], *, rising: bool = True) -> tuple[float, ...]:
        """Return a list of numbers, which rise unless said otherwise."""
        value = self.raw(key)
        if value is None:
            return tuple(default)
        if not isinstance(value, list) or not all(isinstance(entry, int | float) for entry in value):
            raise StudyError(f"{self.where(key)} must be a list of numbers, not {value!r}")
        if rising and sorted(set(value)) != value:
            raise StudyError(f"{self.where(key)} must rise, not be {value!r}")
        return tuple(float(entry) for entry in value)

    def path(self, key: str) -> Path:
        """Return a path; required."""
        return self._root / self.text(key)

    def paths(self, key: str) -> tuple[Path, ...]:
        """Return a list of paths; required, a single one stands for a list of one."""
        texts = self.texts(key, ())
        if not texts:
            raise StudyError(f"{self.where(key)} is missing")
        return tuple(self._root / text for text in texts)

    def table(self, key: str) -> TomlTable:
        """Return a table inside this one; empty where there is none."""
        value = self.raw(key)
        if value is not None and not isinstance(value, dict):
            raise StudyError(f"{self.where(key)} must be a table: [{key}]")
        return TomlTable(value or {}, f"{self._name} [{key}]", self._root)

    def tables(self, key: str) -> list[TomlTable]:
        """Return a list of tables inside this one."""
        value = self.raw(key) or []
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise StudyError(f"{self.where(key)} must be a list of tables: [[{key}]]")
        return [TomlTable(entry, f"{self._name} [[{key}]] {row}", self._root) for row, entry in enumerate(value, 1)]

    def refuse_unknown(self) -> None:
        """Check that every key was asked for.

        Raises:
            StudyError: one was not.
        """
        unknown = sorted(set(self._values) - self._known)
        if unknown:
            raise StudyError(
                f"{self._name} has unknown keys: {', '.join(unknown)}; known are {', '.join(sorted(self._known))}"
            )

    def _value(self, key: str, kind: type | tuple[type, ...], described: str, default: Any) -> Any:  # noqa: ANN401  (as above)
        value = self.raw(key)
        if value is None:
            if default is None:
                raise StudyError(f"{self.where(key)} is missing")
            return default
        if not isinstance(value, kind) or isinstance(value, bool):
            raise StudyError(f"{self.where(key)} must be {described}, not {value!r}")
        return value
