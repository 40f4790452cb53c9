"""Pairs from WebDataset shards: tar files whose members `KEY.jpg` and `KEY.txt` or `KEY.json` belong together."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.pictures import TarPictures
from ruiji_encoder.pairs.records import Dropped, DropReason, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

_PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "avif")
_TEXTS = ("txt", "text", "caption")


class Shards:
    """The pairs of several shards, and their pictures. A context manager.

    A key ends at the first dot of a member's file name, as WebDataset has it. Titles come from `KEY.txt`, or from the
    title fields of `KEY.json`, whose id field becomes the pair's id where there is one; categories from its category
    fields.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        id_field: str = "id",
        title_fields: Sequence[str] = ("title",),
        category_fields: Sequence[str] = (),
    ) -> None:
        """Find the members of every shard.

        Raises:
            PairsError: a shard is missing or damaged, or two have the same name.
        """
        names = [path.name for path in paths]
        if len(set(names)) < len(names):
            raise PairsError(f"two shards are called {max(names, key=names.count)}: ids would repeat; rename one")
        self._id_field, self._title_fields, self._category_fields = id_field, title_fields, category_fields
        with ExitStack() as exits:
            self._shards: dict[str, TarPictures] = {}
            for path in paths:
                if not path.is_file():
                    raise PairsError(f"{path} is missing: a WebDataset shard is a tar file")
                self._shards[path.name] = TarPictures(path, exits)
            self._exits = exits.pop_all()

    def __enter__(self) -> Shards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    def read(self, name: str) -> bytes | None:
        """Return the content of `SHARD!MEMBER`; see `pictures.PictureStore.read`."""
        shard, _, member = name.partition("!")
        return self._shards[shard].read(member) if shard in self._shards else None

    def pairs(self) -> Iterator[Pair | Dropped]:
        """Yield what every key amounts to, in the order of the shards."""
        for name, shard in self._shards.items():
            by_key: dict[str, dict[str, str]] = {}
            for member in shard.members:
                path = PurePosixPath(member)
                stem, _, extension = path.name.partition(".")
                by_key.setdefault(str(path.with_name(stem)) if stem else member, {})[extension.lower()] = member
            for key, members in by_key.items():
                yield self._pair(name, shard, key, members)

    def _pair(self, name: str, shard: TarPictures, key: str, members: dict[str, str]) -> Pair | Dropped:
        where = f"{name}:{key}"
        picture = next((members[kind] for kind in _PICTURES if kind in members), None)
        if picture is None:
            return Dropped(where, DropReason.NO_PICTURE_NAMED, f"has only {', '.join(sorted(members))}")
        pair_id = f"{name}/{key}"
        try:
            texts = [shard.read(members[kind]) or b"" for kind in _TEXTS if kind in members]
            titles, categories = [text.decode("utf-8").strip() for text in texts], []
            if "json" in members:
                fields = json.loads(shard.read(members["json"]) or b"")
                pair_id = str(fields.get(self._id_field) or pair_id)
                titles += _of(fields, self._title_fields)
                categories = _of(fields, self._category_fields)
        except (ValueError, AttributeError):
            # Neither UTF-8 nor JSON, or JSON that is no object.
            return Dropped(where, DropReason.MALFORMED_LINE, f"{key}'s text or JSON cannot be read")
        different = tuple(title for title in dict.fromkeys(titles) if title)
        return Pair(pair_id, different, f"{name}!{picture}", where, tuple(filter(None, categories)))


def _of(fields: dict[str, Any], names: Sequence[str]) -> list[str]:
    return [str(fields[name]).strip() for name in names if fields.get(name)]
