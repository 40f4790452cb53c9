"""`ruiji experiment demo`: a whole A/B test on this machine, from pictures to a report."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Table

from ruiji_cli.children import ending_with_this
from ruiji_cli.console import ERR, OUT, StageBars, bar, byte_bar
from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from ruiji_experiments.shoppers.people import Shoppers
    from ruiji_experiments.shoppers.shopping import ArmTally
    from ruiji_server.store.engine import Database

app = typer.Typer()

_FITTED_ON = 1_000
"""Pictures that the projection of raw pixels is fitted on."""
_AUTHOR = "ruiji experiment demo"
_STOP_TIMEOUT_S = 30.0
_HAND_OVER_S = 60.0
"""For the server to seal the events that it has."""
_DEFINITION = """\
# Put by `ruiji experiment demo`.
name = "{name}"
description = "an encoder of raw pixels against the encoder that ships with the demo"
start = {start}

[[variants]]
name = "control"
share = 0.5
encoder_id = "{control}"

[[variants]]
name = "treatment"
share = 0.5
encoder_id = "{treatment}"
"""


@app.command("demo")
def experiment_demo(
    output: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path("demo-output/experiment"),
    items: Annotated[int, typer.Option(min=300, max=1_000_000, help="Items of the rendered catalogue.")] = 2_000,
    shoppers: Annotated[int, typer.Option(min=100, help="Simulated shoppers.")] = 4_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another catalogue and other shoppers.")] = 7,
) -> None:
    """Run an A/B test with simulated shoppers: raw pixels against the demo encoder, ending with the report.

    Everything but the shoppers is real: Triton embeds a rendered catalogue with both encoders, `ruiji serve` answers
    by the variant of each shopper, and what they see, tap and buy is recorded as events and analysed. The report is
    published on the server, for the console, and compared with the truth, which only a simulation knows. Run it again
    for another experiment on the same catalogue.
    """
    from ruiji_demo.catalogue import render_catalogue
    from ruiji_demo.encoder import demo_encoder_folder
    from ruiji_experiments.shoppers.listings import read_listings
    from ruiji_experiments.shoppers.people import Shoppers, ShoppingSettings
    from ruiji_server.importing import ImportSettings
    from ruiji_server.store.engine import open_database

    from ruiji_cli import experiment_report
    from ruiji_cli.catalog import import_file

    catalogue, data = output / "catalogue", output / "data"
    data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _step(1, f"Render a catalogue of {items} items and import it")
        with bar("Render", items) as advance:
            table = render_catalogue(catalogue, items, seed, advance)
        database = open_database(f"sqlite:///{data / 'store.sqlite'}", create=True)
        stack.callback(database.close)
        import_file(database, table, [catalogue], ImportSettings())
        listings = read_listings(table)
        _step(2, "Make an encoder of raw pixels")
        pixels = _pixel_encoder(output / "raw-pixels", sorted((catalogue / "images").glob("*.jpg"))[:_FITTED_ON])
        _step(3, "Embed the pictures with both encoders and build their indexes")
        control, treatment = _embedded(database, data, [demo_encoder_folder(), pixels])[::-1]
        _step(4, f"Serve both, and let {shoppers} shoppers shop")
        definition = _write_definition(output, control, treatment)
        _write_unit_key(data / "unit.key", seed)
        people = Shoppers(listings, ShoppingSettings(shoppers=shoppers, seed=seed))
        with _serving(data) as target:
            tallies, truth = asyncio.run(_shop(target, definition, people))
            _step(5, "Analyse what was recorded, and publish the report")
            _compact(data / "events")
            name, report = definition.stem, output / f"{definition.stem}-report"
            experiment_report.report(
                name,
                data=data,
                definition=definition,
                pre_days=0.0,
                out=report,
                publish=True,
                author=_AUTHOR,
                target=target,
            )
    OUT.print(_truth_table(tallies, truth))
    OUT.print(f"to see it: `ruiji serve --data {data}`, and `ruiji console` beside it", soft_wrap=True, markup=False)


def _pixel_encoder(folder: Path, pictures: Sequence[Path]) -> Path:
    from ruiji_encoder.pixel_encoder import make_pixel_encoder
    from ruiji_encoding.pictures import decode_picture

    decoded = []
    with bar("Decode", len(pictures)) as advance:
        for picture in pictures:
            decoded.append(decode_picture(picture.read_bytes()))
            advance(1)
    make_pixel_encoder(folder, np.stack(decoded), fitted_on=f"{len(decoded)} rendered demo pictures")
    return folder


def _embedded(database: Database, data: Path, folders: Sequence[Path]) -> list[str]:
    """Embed the catalogue with each encoder, and publish a generation of each; return their ids."""
    from ruiji_encoding.manifest import read_manifest
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.worker import WorkerSettings
    from ruiji_server.generations.builder import BuildSettings, build_generation
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.store.encoders import register_encoder
    from ruiji_triton.supervisor import TritonSupervisor

    from ruiji_cli.triton import triton_settings
    from ruiji_cli.worker import embed

    manifests = [read_manifest(folder) for folder in folders]
    for manifest in manifests:
        register_encoder(database, manifest.encoder_id, manifest.name, manifest.dimensions)
    with TritonSupervisor(triton_settings(folders, data)) as triton:
        for manifest in manifests:
            source = PictureSource(None)
            asyncio.run(embed(database, triton.url, manifest.encoder_id, source, WorkerSettings(), drain=True))
    generations = GenerationDirectory(data / "generations")
    for manifest in manifests:
        build_generation(database, manifest.encoder_id, generations, BuildSettings(), StageBars())
    return [manifest.encoder_id for manifest in manifests]


def _write_definition(folder: Path, control: str, treatment: str) -> Path:
    now = datetime.now(UTC)
    definition = folder / f"demo-{now:%Y%m%d-%H%M%S}.toml"
    text = _DEFINITION.format(name=definition.stem, start=now.isoformat(), control=control, treatment=treatment)
    definition.write_text(text, encoding="utf-8")
    return definition


@contextmanager
def _serving(data: Path) -> Iterator[str]:
    """Run `ruiji serve` with events in a process of its own; yield where it listens."""
    options = ["--data", str(data), "--address", "127.0.0.1:0", "--events", str(data / "events"), "--drain-s", "0"]
    command = ending_with_this([sys.executable, "-m", "ruiji_cli", "serve", *options])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            port = re.search(r"port (\d+)", line)
            if port is None:
                raise UsageProblem("the server did not start; what it printed above says why")
            yield f"127.0.0.1:{port[1]}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


async def _shop(target: str, definition: Path, people: Shoppers) -> tuple[dict[str, ArmTally], dict[str, float]]:
    from ruiji_client import AsyncRuijiClient
    from ruiji_experiments.definition.toml_file import experiment_from_toml
    from ruiji_experiments.shoppers.shopping import expected_click_through, shop
    from ruiji_server.services.experiment_messages import experiment_message

    experiment = experiment_from_toml(definition.read_text(encoding="utf-8"), datetime.now(UTC))
    async with AsyncRuijiClient(target) as client:
        await client.put_experiment(experiment_message(experiment), author=_AUTHOR, reason="to show how it goes")
        with bar("Shop", len(people)) as advance:
            tallies = await shop(client, people, experiment.name, advance)
        variants = [f"{experiment.name}/{variant.name}" for variant in experiment.variants]
        sample = min(len(people), 500)
        with bar("Work out the truth", sample) as advance:
            truth = await expected_click_through(client, people, variants, sample, advance)
        await client.stop_experiment(experiment.name, author=_AUTHOR, reason="everybody has shopped")
    return tallies, {variant.partition("/")[2]: rate for variant, rate in truth.items()}


def _compact(events: Path) -> None:
    from ruiji_events.compaction import compact
    from ruiji_events.storage import EventFolder

    with byte_bar("Compact", None) as advance:
        journal = events / "journal"
        done = compact(EventFolder(str(events)), journal, rotation_timeout_s=_HAND_OVER_S, progress=advance)
    if done.open_segments:
        raise UsageProblem("the server does not hand over the events that it has; the report would lack them")


def _write_unit_key(path: Path, seed: int) -> None:
    """Make the key by the seed, so that the same shoppers get the same variants. No secret: shoppers are nobody."""
    if not path.exists():
        path.write_text(np.random.default_rng(seed).bytes(32).hex() + "\n", encoding="ascii")


def _truth_table(tallies: Mapping[str, ArmTally], truth: Mapping[str, float]) -> Table:
    table = Table(title="what the shoppers did, and the truth that only the simulation knows")
    for heading in ("variant", "shoppers", "pages", "taps", "purchases", "taps / item shown", "truth"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for variant, rate in truth.items():
        tally = tallies[variant]
        counts = [f"{count:,}" for count in (tally.shoppers, tally.pages, tally.taps, tally.purchases)]
        table.add_row(variant, *counts, f"{tally.click_through_rate:.2%}", f"{rate:.2%}")
    control, treatment = truth.values()
    table.caption = f"true lift of the click-through rate: {treatment / control - 1:+.1%}"
    return table


def _step(number: int, what: str) -> None:
    ERR.print(f"[bold]{number}/5[/] {what}")
