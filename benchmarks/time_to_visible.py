"""How long after its acknowledgement a change is in the answers.

    python -m benchmarks.time_to_visible
    python -m benchmarks.time_to_visible --store postgresql --seconds 120 --report docs/time_to_visible.md

Run it in the repository's root. It starts a whole installation (store, Triton with the demo encoder, embedding worker,
index builder, server), fills it with a rendered catalogue and then, open loop, sends new listings at a fixed mean rate,
each with a rendered photograph, and beside them sales, price changes and deletions of older items.

A new listing is visible when the page for its own embedding has it; every n-th is asked for again and again from its
acknowledgement on. A sold or deleted item must have left that page; a changed price must put the item into a band of
width one around the new price. The question is repeated each 50 ms, so times are too long by up to that, and
never too short. The encoder's own time is that of one picture on an idle machine, decoding included.

Ends with status 1 if a target is missed: 1 s plus the encoder's time for new listings, 300 ms for changes, at the 99th
percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import numpy as np
import onnxruntime
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table
from ruiji_client import (
    AsyncRuijiClient,
    ClientSettings,
    EmbeddingStatus,
    Item,
    ItemState,
    Price,
    RuijiClient,
    RuijiClientError,
)
from ruiji_demo.catalogue import describe_item, item_id_of, render_catalogue
from ruiji_demo.encoder import demo_encoder_folder
from ruiji_encoding.manifest import INPUT_NAME, MODEL_FILE, OUTPUT_NAME
from ruiji_encoding.pictures import decode_picture

from tests.drills.installation import Installation, run_installation, wait_until_reachable, wait_until_serving
from tests.drills.kills import Probe, new_generation_is_published
from tests.drills.processes import wait_for
from tests.support.postgresql import run_postgresql

NEW_LISTING_TARGET_S = 1.0
CHANGE_TARGET_S = 0.3
KINDS = ("new listing", "sale", "price change", "deletion")

_GIVE_UP_S = 30.0
_BATCH = 32
_FILL_BATCH = 100
_ENCODER_SAMPLES = 40


@dataclass(frozen=True)
class Listings:
    """What is sent: rendered listings with their photographs, and the embeddings that the encoder gives them."""

    items: Sequence[Item]
    vectors: NDArray[np.float32]
    """Shape (items, dimensions)."""


@dataclass
class Times:
    """What was measured, in seconds; only what was sent after the warm-up."""

    acknowledged: list[float] = field(default_factory=list)
    """From the moment a new listing was due to its acknowledgement."""
    visible: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """From the acknowledgement to the first answer that shows it; infinite if it took longer than half a minute."""
    lag: list[float] = field(default_factory=list)
    """How late new listings were sent: above a few milliseconds this program, or the machine, was too slow."""
    failures: list[str] = field(default_factory=list)
    cores: dict[str, float] = field(default_factory=dict)
    """Processor time of each process, as cores in use, over the whole of the load."""


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments()
    console = Console()
    mpl.use("Agg")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ruiji-visible-")))
        new = round(arguments.rate * (arguments.warm_up + arguments.seconds) * 1.2) + 100
        listings = prepare_listings(folder / "catalogue", arguments.items + new, arguments.seed, console)
        postgresql = stack.enter_context(run_postgresql(fsync=True)) if arguments.store == "postgresql" else None
        installation = stack.enter_context(
            run_installation(
                folder / "data", postgresql, encoder=demo_encoder_folder(), rebuild_s=arguments.rebuild_every
            )
        )
        encoder_s = fill(installation, listings, arguments.items, console)
        run = Run(installation, listings, arguments)
        with Progress(console=console) as progress:
            times = asyncio.run(run.measure(progress))
    missed = report(arguments, times, encoder_s, console)
    sys.exit(1 if missed else 0)


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--rate", type=float, default=100.0, help="new listings a second (default: 100)")
    parser.add_argument("--change-rate", type=float, default=9.0, help="changes of older items a second (default: 9)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the measurement (default: 60)")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before it (default: 5)")
    parser.add_argument("--items", type=int, default=2_000, help="items in the catalogue at the start (default: 2000)")
    parser.add_argument("--watch-every", type=int, default=10, help="watch each n-th new listing (default: 10)")
    parser.add_argument("--poll-ms", type=float, default=50.0, help="pause between two questions (default: 50)")
    parser.add_argument("--rebuild-every", type=float, default=30.0, help="seconds between builds (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, default=Path("time_to_visible.md"), help="page to write, with a .png")
    return parser.parse_args()


def prepare_listings(folder: Path, count: int, seed: int, console: Console) -> Listings:
    """Render a catalogue and embed it here, to know what to ask for."""
    with Progress(console=console) as progress:
        task = progress.add_task("Render", total=count)
        render_catalogue(folder, count, seed, lambda done: progress.advance(task, done))
    items = [listing_of(folder, seed, number) for number in range(count)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(demo_encoder_folder() / MODEL_FILE, options)
    vectors = [
        session.run([OUTPUT_NAME], {INPUT_NAME: np.stack([decode_picture(i.picture_content) for i in chunk])})[0]
        for chunk in track(
            [items[start : start + _BATCH] for start in range(0, count, _BATCH)], "Embed", console=console
        )
    ]
    return Listings(items, np.concatenate(vectors))


def listing_of(folder: Path, seed: int, number: int) -> Item:
    """Return a rendered listing as it is sent; all are on sale."""
    listing = describe_item(seed, number)
    return Item(
        item_id=listing.item_id,
        title=listing.title_en,
        price=Price(amount_minor=listing.price_minor, currency_code=listing.currency),
        category_path=listing.category_path,
        picture_content=(folder / "images" / f"{item_id_of(number)}.jpg").read_bytes(),
    )


def fill(installation: Installation, listings: Listings, count: int, console: Console) -> float:
    """Fill the catalogue, wait until a generation has it, and return the encoder's own time at rest, in seconds."""
    with installation.client() as client, console.status("Filling the catalogue"):
        wait_until_reachable(installation, client)
        for start in range(0, count, _FILL_BATCH):
            client.upsert_items(listings.items[start : min(count, start + _FILL_BATCH)], timeout_s=120.0)
        last = Probe(installation, client, lambda: "")
        wait_until_serving(installation, client)
        wait_for(lambda: _all_embedded(client, listings.items[:count]), "embeddings", timeout_s=600.0)
        new_generation_is_published(last)
        time.sleep(2.0)
        picture = listings.items[0].picture_content
        spent = [
            client.similar_items(picture=picture, page_size=1, explain=True).explanation.embed_us / 1e6
            for _ in range(_ENCODER_SAMPLES)
        ]
    return float(np.median(spent))


class Run:
    """One measurement."""

    def __init__(self, installation: Installation, listings: Listings, arguments: argparse.Namespace) -> None:
        self._installation = installation
        self._listings = listings
        self._arguments = arguments
        self._rng = np.random.default_rng(arguments.seed)
        self._times = Times()
        self._tasks: set[asyncio.Task[None]] = set()

    async def measure(self, progress: Progress) -> Times:
        """Send everything when it is due, and wait until the last of it is visible."""
        arguments = self._arguments
        ends_s = arguments.warm_up + arguments.seconds
        async with AsyncRuijiClient(ClientSettings(self._installation.target)) as self._client:
            began, before = time.perf_counter(), self._processor_s()
            bar = progress.add_task("Measure", total=ends_s)
            await asyncio.gather(
                self._arrivals(began, arguments.rate, ends_s, self._new_listing),
                self._arrivals(began, arguments.change_rate, ends_s, self._change),
                _show_time(progress, bar, began, ends_s),
            )
            await asyncio.gather(*self._tasks)
            passed_s = time.perf_counter() - began
            self._times.cores = {name: (s - before[name]) / passed_s for name, s in self._processor_s().items()}
        return self._times

    def _processor_s(self) -> dict[str, float]:
        """Return the processor time of each process and its children so far, in seconds."""
        roots = {name: process.pid for name, process in self._installation.processes.items()}
        spent = dict.fromkeys((*roots, "this program"), 0.0)
        for name, pid in (*roots.items(), ("this program", os.getpid())):
            parent = psutil.Process(pid)
            for process in (parent, *(parent.children(recursive=True) if pid != os.getpid() else ())):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    spent[name] += times.user + times.system + times.children_user + times.children_system
        return spent

    async def _arrivals(
        self, began: float, rate: float, ends_s: float, arrive: Callable[[int, float, bool], Awaitable[None]]
    ) -> None:
        """Let something arrive at random moments (a Poisson process), whether or not the last is done."""
        due_s, number = 0.0, 0
        while (due_s := due_s + float(self._rng.exponential(1 / rate))) < ends_s:
            await asyncio.sleep(max(0.0, began + due_s - time.perf_counter()))
            counts = due_s >= self._arguments.warm_up
            task = asyncio.ensure_future(arrive(number, began + due_s, counts))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            number += 1

    async def _new_listing(self, number: int, due: float, counts: bool) -> None:
        position = self._arguments.items + number
        item = self._listings.items[position]
        if counts:
            self._times.lag.append(time.perf_counter() - due)
        if not await self._sent(self._client.upsert_items([item])):
            return
        acknowledged = time.perf_counter()
        if counts:
            self._times.acknowledged.append(acknowledged - due)
        if number % self._arguments.watch_every == 0:
            await self._watch("new listing", acknowledged, counts, lambda: self._is_on_page(position))

    async def _change(self, number: int, _due: float, counts: bool) -> None:
        position, kind = number % self._arguments.items, KINDS[1 + number % 3]
        item = Item()
        item.CopyFrom(self._listings.items[position])
        item.ClearField("picture")
        item_id = item.item_id
        if kind == "sale":
            item.state = ItemState.ITEM_STATE_SOLD
        price = Price(amount_minor=3 * item.price.amount_minor + 1, currency_code=item.price.currency_code)
        if kind == "price change":
            item.price.CopyFrom(price)
        call = self._client.delete_items([item_id]) if kind == "deletion" else self._client.upsert_items([item])
        if not await self._sent(call):
            return
        acknowledged = time.perf_counter()
        if kind == "price change":
            await self._watch(kind, acknowledged, counts, lambda: self._is_on_page(position, price))
        else:

            async def is_gone() -> bool:
                return not await self._is_on_page(position)

            await self._watch(kind, acknowledged, counts, is_gone)

    async def _watch(self, kind: str, since: float, counts: bool, shown: Callable[[], Awaitable[bool]]) -> None:
        """Ask until an answer shows the change; note how long that took."""
        taken_s = float("inf")
        while time.perf_counter() - since < _GIVE_UP_S:
            asked = time.perf_counter()
            if await shown():
                taken_s = time.perf_counter() - since
                break
            await asyncio.sleep(max(0.0, asked + self._arguments.poll_ms / 1e3 - time.perf_counter()))
        if counts:
            self._times.visible[kind].append(taken_s)

    async def _is_on_page(self, position: int, price: Price | None = None) -> bool:
        """Return whether the page for an item's embedding has it; with a price, the page of exactly that price."""
        answer = await self._client.similar_items(
            embedding=self._listings.vectors[position].tolist(),
            encoder_id=self._installation.encoder_id,
            price=price,
            max_price_ratio=None if price is None else 1.0,
            page_size=5,
            timeout_s=_GIVE_UP_S,
        )
        return any(found.item_id == self._listings.items[position].item_id for found in answer.items)

    async def _sent(self, call: Awaitable[object]) -> bool:
        try:
            await call
        except RuijiClientError as error:
            self._times.failures.append(str(error))
            return False
        return True


def report(arguments: argparse.Namespace, times: Times, encoder_s: float, console: Console) -> bool:
    """Print and write what was measured; return whether a target was missed."""
    targets = dict.fromkeys(KINDS, CHANGE_TARGET_S) | {"new listing": NEW_LISTING_TARGET_S + encoder_s}
    rows: list[tuple[str, list[float], float | None]] = [("acknowledgement of a new listing", times.acknowledged, None)]
    rows += [(f"{kind} visible", times.visible[kind], targets[kind]) for kind in KINDS]
    header = ("ms", "n", "p50", "p90", "p99", "max", "target at p99", "")
    lines, missed = [], bool(times.failures)
    for name, values, target in rows:
        percentiles = np.percentile(values, [50, 90, 99, 100], method="higher") * 1e3 if values else [np.nan] * 4
        kept = target is None or bool(percentiles[2] <= target * 1e3)
        missed |= not kept
        cells = [f"{value:.0f}" for value in percentiles]
        lines.append((name, str(len(values)), *cells, "" if target is None else f"{target * 1e3:.0f}",
                      "" if target is None else "met" if kept else "missed"))  # fmt: skip
    table = Table(*header, title="Time to visible")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    cores = ", ".join(f"{name} {used:.2f}" for name, used in times.cores.items())
    lag_ms = np.percentile(times.lag, 99) * 1e3 if times.lag else 0.0
    notes = [
        f"{len(times.failures)} calls failed" + (f", such as: {times.failures[0]}" if times.failures else ""),
        f"the encoder's own time for one picture at rest: {encoder_s * 1e3:.0f} ms",
        f"cores in use: {cores}; {sum(times.cores.values()):.2f} together",
        f"new listings were sent {lag_ms:.0f} ms late at the 99th percentile",
    ]
    console.print(*notes, sep="\n")
    picture = arguments.report.with_suffix(".png")
    draw(times, targets, picture)
    arguments.report.write_text(page_of(arguments, header, lines, notes, picture), encoding="utf-8")
    console.print(f"written: {arguments.report}, {picture}")
    return missed


def page_of(
    arguments: argparse.Namespace,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    notes: Sequence[str],
    picture: Path,
) -> str:
    """Return the Markdown page."""
    packages = ("ruiji", "usearch", "grpcio", "sqlalchemy", "onnxruntime", "nvidia-pytriton", "numpy")
    settings = ", ".join(f"{name} {value}" for name, value in vars(arguments).items() if name != "report")
    text = [
        "# Time to visible",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {processor()}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB; load average before the report "
        f"{os.getloadavg()[1]:.1f}. Everything, this program too, on one machine.",
        "",
        f"{platform.platform()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
        + ".",
        "",
        f"Settings: {settings}.",
        "",
        *("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines)),
        "",
        *(f"- {note}" for note in notes),
        "",
        f"![Histograms]({picture.name})",
    ]
    return "\n".join(text) + "\n"


def draw(times: Times, targets: dict[str, float], file: Path) -> None:
    """Draw a histogram for each kind of change."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
    for axis, kind in zip(axes.flat, KINDS, strict=True):
        values = 1e3 * np.array([value for value in times.visible[kind] if np.isfinite(value)])
        axis.hist(values, bins=40, color="#3b6ea5")
        axis.axvline(1e3 * targets[kind], color="#b03a2e", linestyle="--", label="target for p99")
        axis.set(title=f"{kind} ({len(values)})", xlabel="ms from acknowledgement to answer", ylabel="count")
        axis.legend()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def processor() -> str:
    """Return the processor's name."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor()


def _all_embedded(client: RuijiClient, items: Sequence[Item]) -> bool:
    # The last ones are the last in the queue; looking at each would cost more than the embedding.
    return all(
        client.get_item(item.item_id).embeddings[0].stage == EmbeddingStatus.STAGE_EMBEDDED for item in items[-50:]
    )


async def _show_time(progress: Progress, bar: int, began: float, ends_s: float) -> None:
    while (passed_s := time.perf_counter() - began) < ends_s:
        progress.update(bar, completed=passed_s)  # type: ignore[arg-type]
        await asyncio.sleep(0.5)
    progress.update(bar, completed=ends_s)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
