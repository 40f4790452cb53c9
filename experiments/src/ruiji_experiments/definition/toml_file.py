"""Experiments as people write them: a TOML file, with shares from 0 to 1.

    name = "wider-band"
    traffic = 0.2
    end = 2026-12-15T00:00:00Z

    [[variants]]
    name = "control"
    share = 0.5

    [[variants]]
    name = "wide"
    share = 0.5
    max_price_ratio = 3.0

`docs/experiments.md` explains every key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ruiji_experiments.definition.errors import DefinitionError, inside
from ruiji_experiments.definition.model import (
    DEFAULT_LAYER,
    HALF_BP,
    WHOLE_BP,
    Experiment,
    RampStep,
    Settings,
    Target,
    Variant,
    equal_variants,
)


def experiment_from_toml(text: str, default_start: datetime) -> Experiment:
    """Return the experiment of a file.

    Args:
        text: the file's content.
        default_start: where the file names none; aware.

    Raises:
        DefinitionError: it is no TOML, has an unknown key or a value of the wrong kind, or contradicts itself.
    """
    try:
        # Decimal, so that 0.1 is a tenth.
        file = _Table(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"this is no TOML: {error}", field="") from error
    aa_variants: int | None = file.take("aa_variants", int, None)
    interleaved = file.flag("interleaved")
    variants = tuple(_variants(file, *((HALF_BP,) if interleaved else ())))
    if (aa_variants is None) == (not variants):
        raise DefinitionError("give either [[variants]] or aa_variants, the number of equal ones", field="variants")
    name: str = file.take("name", str)
    description: str = file.take("description", str, "")
    layer: str = file.take("layer", str, DEFAULT_LAYER)
    salt: str = file.take("salt", str, "")
    start: datetime = file.take("start", datetime, default_start)
    end: datetime | None = file.take("end", datetime, None)
    traffic_bp = file.share_bp("traffic", WHOLE_BP)
    ramp, target = tuple(_ramp(file)), _target(file)
    file.refuse_unknown()
    return Experiment(
        name=name,
        variants=variants if aa_variants is None else equal_variants(aa_variants),
        start=start,
        end=end,
        layer=layer,
        salt=salt,
        traffic_bp=traffic_bp,
        ramp=ramp,
        target=target,
        is_aa=aa_variants is not None,
        interleaved=interleaved,
        description=description,
    )


def _variants(file: _Table, *default_share_bp: int) -> Iterator[Variant]:
    for place, table in enumerate(file.tables("variants")):
        with inside(f"variants[{place}]"):
            settings = Settings(
                encoder_id=table.take("encoder_id", str, None),
                max_price_ratio=table.number("max_price_ratio"),
                category_weight=table.number("category_weight"),
                candidates=table.take("candidates", int, None),
            )
            variant = Variant(table.take("name", str), table.share_bp("share", *default_share_bp), settings)
            table.refuse_unknown()
        yield variant


def _ramp(file: _Table) -> Iterator[RampStep]:
    for place, table in enumerate(file.tables("ramp")):
        with inside(f"ramp[{place}]"):
            step = RampStep(table.take("at", datetime), table.share_bp("traffic"))
            table.refuse_unknown()
        yield step


def _target(file: _Table) -> Target:
    with inside("target"):
        table = _Table(file.take("target", dict, {}))
        paths: list[Any] = table.take("categories", list, [])
        if not all(isinstance(path, list) and all(isinstance(name, str) for name in path) for path in paths):
            raise DefinitionError('a list of paths is meant, such as [["Fashion", "Shoes"]]', field="categories")
        attributes: dict[str, Any] = table.take("attributes", dict, {})
        for name, values in attributes.items():
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise DefinitionError('a list of texts is meant, such as ["ios"]', field=f"attributes[{name!r}]")
        table.refuse_unknown()
        return Target(
            categories=tuple(tuple(path) for path in paths),
            attributes=tuple((name, tuple(values)) for name, values in sorted(attributes.items())),
        )


_WORDS: Final = {
    str: "a text",
    int: "a whole number",
    Decimal: "a number",
    datetime: "a time with its zone, such as 2026-12-01T00:00:00Z",
    list: "a list",
    dict: "a table",
}


class _Table:
    """A table whose values are taken out one by one; what is left at the end is not known."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._known: list[str] = []

    def take(self, key: str, kind: type, *default: Any) -> Any:  # noqa: ANN401  (TOML can be anything until it is checked)
        """Return a value of a kind; required where there is no default."""
        self._known.append(key)
        if key not in self._values:
            if not default:
                raise DefinitionError("it is missing", field=key)
            return default[0]
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DefinitionError(f"{value!r} is not {_WORDS[kind]}", field=key)
        return value

    def flag(self, key: str) -> bool:
        """Return true or false; false where there is none."""
        self._known.append(key)
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise DefinitionError(f"{value!r} is neither true nor false", field=key)
        return value

    def number(self, key: str) -> float | None:
        """Return a number, whole or not, or None."""
        value = self._decimal(key)
        return None if value is None else float(value)

    def share_bp(self, key: str, *default: int) -> int:
        """Return a share from 0 to 1 in basis points, exactly; required where there is no default."""
        share = self._decimal(key)
        if share is None:
            if not default:
                raise DefinitionError("it is missing", field=key)
            return default[0]
        share_bp = share * WHOLE_BP
        if not share_bp.is_finite() or share_bp != int(share_bp) or not 0 <= share_bp <= WHOLE_BP:
            raise DefinitionError(f"{share} is no share from 0 to 1 with at most four decimals", field=key)
        return int(share_bp)

    def tables(self, key: str) -> list[_Table]:
        """Return a list of tables; empty where there is none."""
        entries: list[Any] = self.take(key, list, [])
        if not all(isinstance(entry, dict) for entry in entries):
            raise DefinitionError(f"a list of tables is meant: [[{key}]]", field=key)
        return [_Table(entry) for entry in entries]

    def refuse_unknown(self) -> None:
        """Raise `DefinitionError` if there is a key that was not taken."""
        unknown = sorted(set(self._values) - set(self._known))
        if unknown:
            raise DefinitionError(f"there is no such key; known are {', '.join(sorted(self._known))}", field=unknown[0])

    def _decimal(self, key: str) -> Decimal | None:
        value = self._values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            self._known.append(key)
            return Decimal(value)
        number: Decimal | None = self.take(key, Decimal, None)
        return number
