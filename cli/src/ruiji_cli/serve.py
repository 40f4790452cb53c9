"""`ruiji serve`: the gRPC server."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import OUT
from ruiji_cli.event_options import (
    EventsRoot,
    Explore,
    ExploreWindow,
    JournalFolder,
    LogImpressions,
    UnitKey,
    event_settings,
    exploration_of,
    unit_key_file,
)
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    GenerationsFolder,
    PicturesFolder,
    StoreUrl,
    TritonUrl,
    generations_folder,
    store_url,
)
from ruiji_cli.picture_access import PictureAccess
from ruiji_cli.pictures import PicturePrefixes, PrivatePictures

if TYPE_CHECKING:
    from ruiji_server.services.settings import ServerSettings

_CONNECTION_AGE_S = 300.0


def serve(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    address: Annotated[str, typer.Option(envvar="RUIJI_ADDRESS", help="host:port to listen on.")] = "127.0.0.1:50051",
    triton_url: TritonUrl = None,
    pictures: PicturesFolder = None,
    picture_prefix: PicturePrefixes = None,
    picture_private: PrivatePictures = None,
    max_price_ratio: Annotated[
        float, typer.Option(help="Prices may differ by this factor; inf turns the price band off.")
    ] = 2.0,
    category_weight: Annotated[float, typer.Option(help="Share of category similarity in the score, 0 to 1.")] = 0.2,
    candidates: Annotated[
        int, typer.Option(min=1, max=10_000, help="Nearest eligible items that are re-ranked.")
    ] = 100,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Prometheus metrics on this port of the loopback.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM chain; with --tls-key.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key; with --tls-certificate.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(envvar="RUIJI_TOKEN_FILE", help="File with the token that callers must send.")
    ] = None,
    shadow_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of answers that are compared with exact search, for the metrics."),
    ] = 0.001,
    drain_s: Annotated[float, typer.Option(min=0.0, help="Seconds between NOT_SERVING and refusing calls.")] = 2.0,
    events: EventsRoot = None,
    journal: JournalFolder = None,
    unit_key: UnitKey = None,
    log_impressions: LogImpressions = 0.0,
    explore: Explore = 0.0,
    explore_window: ExploreWindow = 10,
    workers: Annotated[
        int, typer.Option(min=1, envvar="RUIJI_WORKERS", help="Serving processes on the port; about one a core.")
    ] = 1,
    max_connection_age_s: Annotated[
        float, typer.Option(min=1.0, help="With --workers, when connections are asked to choose anew among them.")
    ] = _CONNECTION_AGE_S,
) -> None:
    """Answer SimilarItems and the catalogue calls over gRPC, until SIGTERM or Ctrl-C drains the server.

    A new generation is picked up while serving. Without --triton-url, queries by picture are refused.

    With --events, RecordEvents takes impressions, taps and purchases, durably; `ruiji events` looks after them.

    With --workers, SIGHUP replaces the processes one by one: each old one leaves when its successor answers.
    """
    from ruiji_server.ranking.policy import RankingPolicy
    from ruiji_server.services.settings import ServerSettings, ShadowSettings, TlsSettings

    if (tls_certificate is None) != (tls_key is None):
        raise UsageProblem("TLS needs both --tls-certificate and --tls-key")
    if math.isnan(max_price_ratio):
        raise UsageProblem("--max-price-ratio must be a number of at least 1, or inf")
    settings = ServerSettings(
        address=address,
        tls=None if tls_certificate is None or tls_key is None else TlsSettings(tls_certificate, tls_key),
        token=None if token_file is None else token_file.read_text(encoding="utf-8").strip(),
        metrics_port=metrics_port,
        drain_s=drain_s,
        ranking=RankingPolicy(max_price_ratio, category_weight, candidates),
        shadow=ShadowSettings(share=shadow_share),
        max_connection_age_s=max_connection_age_s if workers > 1 else math.inf,
        exploration=exploration_of(explore, explore_window),
        events=event_settings(data, events, journal, log_impressions),
        unit_key=unit_key_file(data, unit_key),
    )
    access = PictureAccess.of(pictures, picture_prefix, picture_private)
    store = store_url(data, store)
    run(settings, store, generations_folder(data, generations), access, triton_url, workers=workers)


def run(
    settings: ServerSettings,
    store: str,
    generations: Path,
    pictures: PictureAccess,
    triton_url: str | None,
    *,
    workers: int = 1,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: in this process, or in several workers of it."""
    from ruiji_cli.serving_process import ServingPlan, serve_here
    from ruiji_cli.supervisor import supervise

    verbose = logging.getLogger().isEnabledFor(logging.DEBUG)
    plan = ServingPlan(settings, store, generations, pictures, triton_url, verbose)

    def ready(port: int) -> None:
        who = "Ruiji listens" if workers == 1 else f"{workers} workers listen"
        OUT.print(f"{who} on port {port}; `ruiji similar ITEM_ID` asks. Ctrl-C stops.")

    if workers == 1:
        serve_here(plan, ready)
    else:
        supervise(plan, workers, ready)
