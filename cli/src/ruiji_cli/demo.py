"""`ruiji demo`: from pictures to similar items in one go."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import ERR, OUT, StageBars, bar
from ruiji_cli.demo_console import show_console
from ruiji_cli.similar import page_table, price_text

if TYPE_CHECKING:
    from ruiji_client import InfoResponse, Item, SimilarItemsResponse
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.store.engine import Database

_PAGE_SIZE = 12


def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo-output"),
    items: Annotated[int, typer.Option(min=50, max=1_000_000, help="Items of the rendered catalogue.")] = 4_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another catalogue.")] = 7,
    queries: Annotated[int, typer.Option(min=1, max=200, help="Items that similar ones are shown for.")] = 12,
    encoder: Annotated[Path | None, typer.Option(help="Encoder folder.  [default: the one that ships]")] = None,
    triton_url: Annotated[
        str | None, typer.Option(envvar="RUIJI_TRITON_URL", help="Use this Triton instead of starting one.")
    ] = None,
    console: Annotated[
        bool | None,
        typer.Option(
            "--console/--no-console",
            help="Keep the console open in the end, until Ctrl-C.  [default: if this is a terminal]",
        ),
    ] = None,
) -> None:
    """Render a catalogue, embed it through Triton, build an index, serve it, and show what comes back.

    Ends with a table in the terminal, a gallery page with the pictures, and the console, on which to look around with
    a browser. In a terminal it stays until Ctrl-C; elsewhere it is started, looked at, and closed again. Everything
    stays in the output folder; `ruiji up --data OUTPUT/data` serves it afterwards, `ruiji console` shows it.
    """
    from ruiji_demo.catalogue import item_id_of, render_catalogue
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.worker import WorkerSettings
    from ruiji_server.generations.builder import BuildSettings, build_generation
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.importing import ImportSettings
    from ruiji_server.store.engine import open_database
    from ruiji_triton.supervisor import TritonSupervisor

    from ruiji_cli.catalog import import_file
    from ruiji_cli.triton import triton_settings
    from ruiji_cli.worker import embed

    catalogue, data = output / "catalogue", output / "data"
    data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _step(1, f"Render a catalogue of {items} items")
        with bar("Render", items) as advance:
            table = render_catalogue(catalogue, items, seed, advance)
        _step(2, "Import it into the item store")
        database = open_database(f"sqlite:///{data / 'store.sqlite'}", create=True)
        stack.callback(database.close)
        import_file(database, table, [catalogue], ImportSettings())
        _step(3, "Embed the pictures through Triton")
        settings = triton_settings([] if encoder is None else [encoder], data)
        [encoder_id] = settings.encoder_ids
        if triton_url is None:
            triton_url = stack.enter_context(TritonSupervisor(settings)).url
        else:
            # A worker would wait for it for ever; whoever wrote the address would rather know.
            asyncio.run(_reach(triton_url, encoder_id))
        asyncio.run(embed(database, triton_url, encoder_id, PictureSource(None), WorkerSettings(), drain=True))
        _step(4, "Build and publish an index")
        generations = GenerationDirectory(data / "generations")
        build_generation(database, encoder_id, generations, BuildSettings(), StageBars())
        _step(5, "Serve it over gRPC and ask for similar items")
        # Spread over the catalogue, so that many categories come up.
        asked = [item_id_of(number * items // queries) for number in range(queries)]
        stay = sys.stdout.isatty() if console is None else console
        asyncio.run(_show(database, generations, triton_url, output, asked, stay=stay))
        OUT.print(
            f"To serve it again: ruiji up --data {data}; then, elsewhere: ruiji console, or ruiji similar {asked[0]}"
        )


async def _reach(triton_url: str, encoder_id: str) -> None:
    """Fail, saying why, unless a Triton at this address has the encoder."""
    from ruiji_server.embedding.triton import TritonClient

    async with TritonClient(triton_url, timeout_s=10.0) as triton:
        await triton.dimensions(encoder_id)


async def _show(
    database: Database,
    generations: GenerationDirectory,
    triton_url: str,
    output: Path,
    asked: Sequence[str],
    *,
    stay: bool,
) -> None:
    """Serve on a free port, ask for pages over the socket, print one, draw all, and open the console."""
    from ruiji_client import AsyncRuijiClient, ClientSettings
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.triton import TritonClient
    from ruiji_server.services.server import Server, ServerSettings

    from ruiji_cli.patience import PATIENT

    settings = ServerSettings("127.0.0.1:0", drain_s=0.0)
    async with (
        TritonClient(triton_url) as triton,
        Server(settings, database, generations, PictureSource(None), triton) as server,
        AsyncRuijiClient(ClientSettings(f"127.0.0.1:{server.port}", deadlines=PATIENT)) as client,
    ):
        pages: dict[str, SimilarItemsResponse] = {}
        latencies_ms: list[float] = []
        for item_id in asked:
            started = time.perf_counter()
            pages[item_id] = await client.similar_items(item_id=item_id, page_size=_PAGE_SIZE)
            latencies_ms.append((time.perf_counter() - started) * 1e3)
        shown = {*asked, *(hit.item_id for page in pages.values() for hit in page.items)}
        items = {item_id: (await client.get_item(item_id, include_picture=True)).item for item_id in sorted(shown)}
        first = items[asked[0]]
        by_picture = await client.similar_items(picture=first.picture_content, page_size=1, explain=True)
        info = await client.info()
        latency_ms = statistics.median(latencies_ms)
        OUT.print(page_table(pages[asked[0]], items, title=f"{first.item_id}, {first.title}"))
        nearest = by_picture.items[0]
        OUT.print(
            f"Asked with its picture instead of its id: {nearest.item_id} at cosine {nearest.cosine:.3f}, "
            f"embedded in {by_picture.explanation.embed_us / 1e3:.0f} ms. "
            f"By id a page took {latency_ms:.1f} ms (median of {len(asked)})."
        )
        page = _write_gallery(output / "gallery.html", pages, items, info, latency_ms)
        OUT.print(f"Pages of {len(asked)} items with their pictures: {page.resolve().as_uri()}", soft_wrap=True)
        await show_console(f"127.0.0.1:{server.port}", asked[0], stay=stay)


def _write_gallery(
    path: Path, pages: Mapping[str, SimilarItemsResponse], items: Mapping[str, Item], info: InfoResponse, latency: float
) -> Path:
    from ruiji_demo.gallery import GalleryFacts, GalleryHit, GalleryItem, GalleryRow, write_gallery

    def drawn(item_id: str) -> GalleryItem:
        item = items[item_id]
        price = price_text(item.price.amount_minor, item.price.currency_code)
        return GalleryItem(item_id, item.title, tuple(item.category_path), price, item.picture_content)

    rows = [
        GalleryRow(
            drawn(item_id),
            tuple(
                GalleryHit(
                    drawn(hit.item_id),
                    hit.score,
                    hit.cosine,
                    hit.price_ratio if hit.HasField("price_ratio") else None,
                    hit.category_similarity if hit.HasField("category_similarity") else None,
                )
                for hit in page.items
            ),
        )
        for item_id, page in pages.items()
    ]
    facts = GalleryFacts(info.generation.generation_id, info.encoder_id, info.generation.items, latency)
    return write_gallery(path, rows, facts)


def _step(number: int, what: str) -> None:
    ERR.print(f"[bold]{number}/5[/] {what}")
