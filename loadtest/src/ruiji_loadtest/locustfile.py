"""What `locust -f` loads: makes gRPC work under gevent, then brings the users."""

from __future__ import annotations

from grpc.experimental import gevent as grpc_gevent  # type: ignore[attr-defined]  # missing in grpc-stubs

# First of all: without it each call of gRPC stops all users, and latencies read near 0.
grpc_gevent.init_gevent()

import gevent  # noqa: E402  (see above)

from ruiji_loadtest.locust_users import MarketplaceUser  # noqa: E402

# gevent last looked at the clock before these imports; without this, --run-time would be shorter by their time.
gevent.get_hub().loop.update_now()

__all__ = ["MarketplaceUser"]
