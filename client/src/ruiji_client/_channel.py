"""From settings to what gRPC's channels take: the same for the sync and the aio client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from typing import Final

import grpc

from ruiji_client._settings import ClientSettings, Retries, check_token

RETRYABLE_CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "ruiji.v1.RecommendationService/SimilarItems": ("UNAVAILABLE",),
    "ruiji.v1.RecommendationService/SimilarItemsBatch": ("UNAVAILABLE",),
    "ruiji.v1.RecommendationService/Info": ("UNAVAILABLE",),
    "ruiji.v1.CatalogService/UpsertItems": ("UNAVAILABLE",),
    "ruiji.v1.CatalogService/DeleteItems": ("UNAVAILABLE",),
    "ruiji.v1.CatalogService/GetItem": ("UNAVAILABLE",),
    "ruiji.v1.CatalogService/SearchItems": ("UNAVAILABLE",),
    "ruiji.v1.CatalogService/ListCategories": ("UNAVAILABLE",),
    "ruiji.v1.OperationsService/Status": ("UNAVAILABLE",),
    "ruiji.v1.EventService/RecordEvents": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/PutExperiment": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/GetExperiment": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/ListExperiments": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/ListExperimentRevisions": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/RollBackExperiment": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/StopExperiment": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/PublishReport": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/GetReport": ("UNAVAILABLE",),
    "ruiji.v1.ExperimentService/ListReports": ("UNAVAILABLE",),
}
"""For each RPC the codes that its contract calls worth a retry. UpsertItems and PublishReport are safe to repeat: all
attempts of a call carry one request id."""

_CLOSING: Final = "CANCELLED"
"""How a server's end cancels calls that reached it after it had begun to close and before its client was told
(grpc/grpc#24237). Retrying them is safe, for every RPC is. Calls that this client cancels are never retried."""


def channel_options(settings: ClientSettings) -> list[tuple[str, str | int]]:
    """Return the channel arguments, as documented in grpc/impl/channel_arg_names.h."""
    connection = settings.connection
    version = metadata.version("ruiji-client")
    return [
        ("grpc.primary_user_agent", f"{settings.user_agent} ruiji-client/{version}".lstrip()),
        ("grpc.service_config", json.dumps(service_config(settings.retries))),
        # The policy above is the contract's; a TXT record in somebody's DNS must not replace it.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_retries", int(settings.retries is not None)),
        # A request above gRPC's own 256 KiB would silently never be retried, which hits just the pictures.
        ("grpc.per_rpc_retry_buffer_size", connection.max_request_bytes),
        ("grpc.max_send_message_length", connection.max_request_bytes),
        ("grpc.max_receive_message_length", connection.max_response_bytes),
        ("grpc.keepalive_time_ms", _ms(connection.keepalive_time_s)),
        ("grpc.keepalive_timeout_ms", _ms(connection.keepalive_timeout_s)),
        ("grpc.initial_reconnect_backoff_ms", _ms(connection.first_reconnect_backoff_s)),
        ("grpc.max_reconnect_backoff_ms", _ms(connection.max_reconnect_backoff_s)),
    ]


def service_config(retries: Retries | None) -> dict[str, object]:
    """Return the gRPC service config: load balancing, and a retry policy for each RPC (gRFC A6)."""
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retries is None:
        return config
    return config | {
        "methodConfig": [
            {
                "name": [dict(zip(("service", "method"), rpc.split("/"), strict=True))],
                "retryPolicy": {
                    "maxAttempts": retries.max_attempts,
                    "initialBackoff": f"{retries.initial_backoff_s:.9f}s",
                    "maxBackoff": f"{retries.max_backoff_s:.9f}s",
                    "backoffMultiplier": retries.backoff_multiplier,
                    "retryableStatusCodes": [*codes, _CLOSING],
                },
            }
            for rpc, codes in RETRYABLE_CODES.items()
        ],
        "retryThrottling": {"maxTokens": retries.throttle_tokens, "tokenRatio": retries.throttle_refill},
    }


def channel_credentials(settings: ClientSettings) -> grpc.ChannelCredentials | None:
    """Return the TLS credentials, or None for plaintext."""
    tls = settings.tls
    if tls is None:
        return None
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.client_private_key, tls.client_certificate_chain)


def call_metadata(settings: ClientSettings) -> tuple[tuple[str, str], ...]:
    """Return the metadata of one call.

    The token travels here and not as gRPC call credentials: those start a thread for each call, and refuse plaintext
    even to whoever allowed it.
    """
    token = settings.token
    if token is None:
        return ()
    if callable(token):
        token = token()
        check_token(token)
    return (("authorization", f"Bearer {token}"),)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
