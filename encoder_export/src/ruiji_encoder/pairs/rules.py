r"""Which titles describe no product: rules as data, read from TOML.

    [[rule]]
    name = "reserved-ja"            # also the reason that dropped pairs are counted under
    languages = ["ja"]
    why = "A message to one buyer."
    drop = ['様\s*専用']              # a title that one of these finds is dropped ...
    keep = ['お子様']                 # ... unless one of these finds something in it, too
    examples_drop = ["みき様専用"]     # checked whenever the file is read
    examples_keep = ["自転車専用ライト"]

    [lists]
    given_names = ["anna", "みき"]   # <<given_names>> in a pattern stands for any of these

Patterns are Python's regular expressions and search anywhere in a title that has been normalised: NFKC (full-width
letters become plain ones), lower case, single spaces.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.records import DropReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SHIPPED = "rules.toml"
_KNOWN_TABLES = {"include_shipped", "minimum_letters", "lists", "rule"}
_KNOWN_KEYS = {"name", "languages", "why", "drop", "keep", "examples_drop", "examples_keep"}
_LIST_NAME = re.compile(r"<<([a-z_][a-z0-9_]*)>>")


def normalise_title(title: str) -> str:
    """Return a title as rules and duplicates see it: NFKC, lower case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of title that describes no product."""

    name: str
    """Reason under which dropped pairs are counted."""
    languages: tuple[str, ...]
    """BCP 47 tags of the titles that it is about, to choose rules by."""
    why: str
    """For people."""
    drop: tuple[re.Pattern[str], ...]
    """Any of them condemns a title."""
    keep: tuple[re.Pattern[str], ...]
    """Any of them saves it."""

    def condemns(self, normalised_title: str) -> bool:
        """Tell whether a title, as `normalise_title` gives it, falls under this rule."""
        return any(pattern.search(normalised_title) for pattern in self.drop) and not any(
            pattern.search(normalised_title) for pattern in self.keep
        )


@dataclass(frozen=True, slots=True)
class TitleRules:
    """All rules of one preparation."""

    rules: tuple[Rule, ...]
    """In the order of their files; the first that condemns a title gives the reason."""
    minimum_letters: int
    """Letters and digits that a title must have at least; one character says nothing."""
    sha256: str
    """Of the files they were read from, in hex."""

    def verdict(self, titles: Sequence[str]) -> str | None:
        """Return the reason to drop a listing for its titles, or None.

        One condemned title condemns the listing: a message to a buyer is one in any language. A title that is too short
        only counts as absent, see `worth_reading`.
        """
        for title in map(normalise_title, titles):
            for rule in self.rules:
                if rule.condemns(title):
                    return rule.name
        if not titles:
            return DropReason.NO_TITLE
        return None if self.worth_reading(titles) else DropReason.SHORT_TITLE

    def worth_reading(self, titles: Iterable[str]) -> tuple[str, ...]:
        """Return the titles that have enough letters."""
        return tuple(
            title
            for title in titles
            if sum(letter.isalnum() for letter in unicodedata.normalize("NFKC", title)) >= self.minimum_letters
        )


def load_rules(own: Path | None = None, *, languages: Sequence[str] | None = None) -> TitleRules:
    """Read the shipped rules and the user's own.

    A rule of one's own replaces the shipped one of the same name; with `drop = []` it switches it off. With
    `include_shipped = false` in the file, nothing shipped is used.

    Args:
        own: the user's TOML file.
        languages: only rules about one of these; all by default.

    Raises:
        PairsError: a file is missing or no TOML, has an unknown key or a pattern that does not compile, or a rule that
            does not do to its examples what the file says.
    """
    shipped_text = resources.files("ruiji_encoder.pairs").joinpath(_SHIPPED).read_text(encoding="utf-8")
    texts = [(_SHIPPED, shipped_text)]
    if own is not None:
        try:
            texts.append((str(own), own.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise PairsError(f"rules {own} cannot be read: {error}") from error
        if not _parsed(*texts[-1]).get("include_shipped", True):
            texts = texts[1:]
    rules: dict[str, Rule] = {}
    lists: dict[str, list[str]] = {}
    minimum_letters = 2
    for source, text in texts:
        table = _parsed(source, text)
        lists |= table.get("lists", {})
        minimum_letters = int(table.get("minimum_letters", minimum_letters))
        for entry in table.get("rule", []):
            rule = _rule(source, entry, lists)
            rules[rule.name] = rule
    wanted = [
        rule
        for rule in rules.values()
        if rule.drop and (languages is None or not rule.languages or set(rule.languages) & set(languages))
    ]
    digest = hashlib.sha256("\0".join(text for _, text in texts).encode()).hexdigest()
    return TitleRules(tuple(wanted), minimum_letters, digest)


def _parsed(source: str, text: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PairsError(f"rules {source}: no TOML: {error}. Patterns belong in 'single quotes'") from error
    unknown = sorted(table.keys() - _KNOWN_TABLES)
    if unknown:
        raise PairsError(f"rules {source}: unknown {', '.join(unknown)}; there are {', '.join(sorted(_KNOWN_TABLES))}")
    return table


def _rule(source: str, entry: Mapping[str, Any], lists: Mapping[str, Sequence[str]]) -> Rule:
    name = entry.get("name")
    unknown = sorted(entry.keys() - _KNOWN_KEYS)
    if not isinstance(name, str) or "drop" not in entry or unknown:
        wrong = f"has unknown keys {', '.join(unknown)}" if unknown else "needs a name and drop"
        raise PairsError(f"rules {source}: rule {name or '?'} {wrong}; a rule has {', '.join(sorted(_KNOWN_KEYS))}")
    rule = Rule(
        name,
        tuple(entry.get("languages", ())),
        str(entry.get("why", "")),
        tuple(_pattern(source, name, text, lists) for text in entry["drop"]),
        tuple(_pattern(source, name, text, lists) for text in entry.get("keep", ())),
    )
    for key, condemned in (("examples_drop", True), ("examples_keep", False)):
        for title in entry.get(key, ()):
            if rule.condemns(normalise_title(title)) is not condemned:
                verb = "does not drop" if condemned else "drops"
                raise PairsError(f"rules {source}: rule {name} {verb} {title!r}, which stands in its {key}")
    return rule


def _pattern(source: str, rule: str, text: str, lists: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    def any_of(found: re.Match[str]) -> str:
        if found[1] not in lists:
            raise PairsError(f"rules {source}: rule {rule} uses <<{found[1]}>>, which is not among [lists]")
        # Longest first, so that a name is not cut short by another that it begins with.
        words = sorted({normalise_title(word) for word in lists[found[1]]}, key=lambda word: (-len(word), word))
        return f"(?:{'|'.join(map(re.escape, words))})"

    try:
        return re.compile(_LIST_NAME.sub(any_of, text))
    except re.error as error:
        raise PairsError(f"rules {source}: rule {rule}: pattern {text!r} is wrong: {error}") from error
