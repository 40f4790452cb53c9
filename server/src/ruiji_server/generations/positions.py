"""How far back the change feed is still needed by generations."""

from __future__ import annotations

import logging
from collections.abc import Collection

from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationError
from ruiji_server.generations.manifest import read_manifest

_LOG = logging.getLogger(__name__)


def lowest_feed_position(directory: GenerationDirectory, encoder_ids: Collection[str]) -> int | None:
    """Return the lowest feed position of all generations in a folder, kept ones included, or None if there are none.

    Args:
        directory: the folder.
        encoder_ids: the encoders that count; a retired one's generations are opened by nobody.
    """
    positions: list[int] = []
    for generation_id in directory.ids():
        try:
            manifest = read_manifest(directory.folder(generation_id))
        except GenerationError as error:
            # Nobody can open it, so nobody reads on from it.
            _LOG.warning("generation %s does not count: %s", generation_id, error)
            continue
        if manifest.encoder_id in encoder_ids:
            positions.append(manifest.feed_position)
    return min(positions, default=None)
