"""`ruiji demo`: from pictures to similar items in one go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import StageBars, bar

if TYPE_CHECKING:
    pass

_PAGE_SIZE = 12
_SHOWN_IN_TERMINAL = 5


def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo-output"),
    items: Annotated[int, typer.Option(min=50, max=1_000_000, help="Items of the rendered catalogue.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another catalogue.")] = 7,
    queries: Annotated[int, typer.Option(min=1, max=200, help="Items that similar ones are shown for.")] = 12,
    triton_url: Annotated[
        str | None, typer.Option(envvar="RUIJI_TRITON_URL", help="Use this Triton instead of starting one.")
    ] = None,
) -> None:
    """Render a catalogue, embed it through Triton, build an index, serve it, and show what comes back.

    Ends with a table in the terminal and a gallery page with the pictures. Everything stays in the output folder;
    `ruiji up --data OUTPUT/data` serves it afterwards.
    """
    from contextlib import ExitStack

    from ruiji_demo.catalogue import render_catalogue
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
        settings = triton_settings(None, data)
        [encoder_id] = settings.encoder_ids
        if triton_url is None:
            triton_url = stack.enter_context(TritonSupervisor(settings)).url
        asyncio.run(embed(database, triton_url, encoder_id, PictureSource(None), WorkerSettings(), drain=True))
        _step(4, "Build and publish an index")
        generations = GenerationDirectory(data / "generations")
        build_generation(database, encoder_id, generations, BuildSettings(), StageBars())
        _step(5, "Serve it over gRPC and ask for similar items")
        asyncio.run(_show(database, generations, triton_url, catalogue, output, items=items, queries=queries))


async def _show(
    database: Database,
    generations: GenerationDirectory,
    triton_url: str,
    catalogue: Path,
    output: Path,
    *,
    items: int,
    queries: int,
) -> None:
    """Serve on a free port, ask for pages over the socket, print one and draw all."""
    from ruiji_client import AsyncRuijiClient
    from ruiji_demo.catalogue import item_id_of
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.triton import TritonClient
    from ruiji_server.services.server import Server, ServerSettings

    # Spread over the catalogue, so that many categories come up.
    asked = [item_id_of(number * items // queries) for number in range(queries)]
    async with (
        TritonClient(triton_url) as triton,
        Server(ServerSettings("127.0.0.1:0"), database, generations, PictureSource(None), triton) as server,
        AsyncRuijiClient(f"127.0.0.1:{server.port}") as client,
    ):
        answers: list[tuple[GetItemResponse, SimilarItemsResponse]] = []
        latencies_ms: list[float] = []
        for item_id in asked:
            started = time.perf_counter()
            answer = await client.similar_items(item_id=item_id, page_size=_PAGE_SIZE)
            latencies_ms.append((time.perf_counter() - started) * 1e3)
            answers.append((await client.get_item(item_id), answer))
        found = {hit.item_id for _, answer in answers for hit in answer.items}
        listings = {item_id: (await client.get_item(item_id)).item for item_id in sorted(found)}
        OUT.print(_table(answers[0], listings))
        picture = (catalogue / "images" / f"{asked[1]}.jpg").read_bytes()
        by_picture = await client.similar_items(picture=picture, page_size=1)
        OUT.print(
            f"Asked with the picture of {asked[1]} instead of its id: {by_picture.items[0].item_id} "
            f"at cosine {by_picture.items[0].cosine:.3f}"
        )
        info = await client.info()
    page = _gallery(answers, listings, info, statistics.median(latencies_ms), catalogue, output)
    OUT.print(f"Pages of {len(asked)} items with their pictures: {page.resolve().as_uri()}")
