"""Looking at what a server serves."""

from __future__ import annotations

from ruiji_client import RuijiClient, RuijiClientError


def served_generation(client: RuijiClient) -> str:
    """Return the id of the generation that answers; empty if there is none, or no server."""
    try:
        return client.info(timeout_s=5.0).generation.generation_id
    except RuijiClientError:
        return ""
