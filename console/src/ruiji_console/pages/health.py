"""What serves, how far it follows the catalogue, and what waits to be embedded."""

from __future__ import annotations

from datetime import UTC

from ruiji_client import EncoderStatus
from starlette.requests import Request
from starlette.responses import Response

from ruiji_console.console import console_of

_STATES = {
    EncoderStatus.STATE_PROMOTED: "promoted",
    EncoderStatus.STATE_ACTIVE: "active",
    EncoderStatus.STATE_RETIRED: "retired",
}
_WORRYING_LAG_S = 30.0


async def health(request: Request) -> Response:
    """Show how the installation is doing."""
    console = console_of(request)
    status = await console.client.status()
    observed_at, started_at = status.observed_at.ToDatetime(tzinfo=UTC), status.started_at.ToDatetime(tzinfo=UTC)
    return console.page(
        request,
        "health.html.jinja",
        status=status,
        observed_at=observed_at,
        uptime_s=max(0.0, (observed_at - started_at).total_seconds()),
        encoders=[(encoder, _STATES.get(encoder.state, "unknown"), _worry(encoder)) for encoder in status.encoders],
    )


def _worry(encoder: EncoderStatus) -> str:
    """Return what somebody should look at, or nothing."""
    if encoder.state == EncoderStatus.STATE_RETIRED:
        return ""
    if not encoder.HasField("generation"):
        return "no index is loaded" if encoder.state == EncoderStatus.STATE_PROMOTED else ""
    served = encoder.generation
    if not served.followed:
        return "changes are not followed any more"
    if served.feed_lag_s > _WORRYING_LAG_S:
        return "behind the catalogue"
    return ""
