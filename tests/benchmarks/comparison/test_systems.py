"""Each system does the job: built, tuned, served by its own process, asked over its socket, compared with exact search.

The other systems need their environment: `.venv/comparison`, or that of the interpreter in RUIJI_COMPARISON_PYTHON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.comparison.catalogue import Queries, fault, measured_queries, prepare
from benchmarks.comparison.job import RECALL_TARGET, Catalogue
from benchmarks.comparison.load import Generator
from benchmarks.comparison.processes import ROOT, ContestantError, ServerProcess, free_port
from benchmarks.comparison.progress import bar
from benchmarks.comparison.ruiji import WITH_TABLE, is_built
from benchmarks.comparison.sources import synthetic
from benchmarks.comparison.systems import SYSTEMS, Settings, System, chosen, prepare_all
from tests.benchmarks.comparison.conftest import ITEMS

PYTHON = Path(os.environ.get("RUIJI_COMPARISON_PYTHON", ROOT / ".venv" / "comparison" / "bin" / "python"))
OURS = [system for system in SYSTEMS if system.engine is None and not system.is_floor]
SLOW = {"lancedb", "milvus", "pgvector"}
"""Whose build and start take longest."""
OTHERS = [
    pytest.param(system, id=system.name, marks=[pytest.mark.slow] if system.name in SLOW else [])
    for system in SYSTEMS
    if system.engine is not None
]
START_S = 60.0


@pytest.fixture(scope="module")
def settings(work: Path) -> Settings:
    return Settings(work=work, items=ITEMS, engines_python=PYTHON, build_limit_s=300.0)


async def answers(system: System, settings: Settings, item_ids: list[str]) -> list[list[str]]:
    """Return the pages of a server of its own."""
    port = free_port()
    target = system.target(port, item_ids)
    server = ServerProcess(system.command(settings, port, item_ids[0]), 0, system.log(settings))
    try:
        async with asyncio.timeout(START_S):
            while True:
                server.require_running()
                try:
                    async with Generator(target) as generator:
                        found = await generator.ask_each_once(in_flight=4)
                except OSError:
                    found = [None]
                if None not in found:
                    break
                await asyncio.sleep(0.05)
        assert server.cpu_s() > 0
        assert server.pss_bytes() > 1_000_000
    finally:
        server.stop()
    return [system.page(answer) for answer in found if answer is not None]


async def check(system: System, settings: Settings) -> None:
    """Prepare a system and hold its pages against the exact ones."""
    system.prepare(settings, lambda _: None)
    catalogue, queries = Catalogue.open(settings.work), Queries.open(measured_queries(settings.work))
    pages = await answers(system, settings, [catalogue.ids[row] for row in queries.rows.tolist()])
    row_of = {item_id: row for row, item_id in enumerate(catalogue.ids)}
    recalls = []
    for place, page in enumerate(pages):
        rows = np.array([row_of[item_id] for item_id in page], dtype=np.int64)
        assert fault(catalogue, int(queries.rows[place]), rows) is None
        recalls.append(queries.recall(place, rows))
    assert len(recalls) == len(queries.rows)
    assert np.mean(recalls) >= RECALL_TARGET
    facts = system.facts(settings)
    assert facts["served_bytes"] > ITEMS * 128
    assert facts["build_s"] > 0
    # A build as short as this one may be looked at but once, when it has only begun.
    assert facts["build_peak_bytes"] > 0


@pytest.mark.parametrize("system", OURS, ids=lambda system: system.name)
async def test_ruiji_answers_as_exact_search_does(system: System, settings: Settings) -> None:
    await check(system, settings)


@pytest.mark.parametrize("system", OTHERS)
async def test_another_system_answers_as_exact_search_does(system: System, settings: Settings) -> None:
    if system.name in SLOW and os.environ.get("RUIJI_SLOW") != "1":
        pytest.skip("takes a minute; set RUIJI_SLOW=1 to run it")
    if not PYTHON.exists():
        pytest.skip("no environment of the other systems; see benchmarks/requirements-comparison.txt")
    code = f"import benchmarks.comparison.engines.{system.engine}"
    if subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True).returncode:
        pytest.skip(f"{PYTHON} cannot import {system.engine}")
    await check(system, settings)
    # Nothing that it started is left: a server of its own would still have its files open.
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(settings.work).encode() in content(path)]
    assert not [content(path) for path in left]


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_what_is_built_is_kept(settings: Settings) -> None:
    ruiji = chosen("ruiji")[0]
    ruiji.prepare(settings, lambda _: None)
    before = ruiji.facts(settings)
    ruiji.prepare(settings, lambda what: pytest.fail(f"built again: {what}"))
    assert ruiji.facts(settings) == before


async def test_constant_bytes_need_no_table(tmp_path: Path) -> None:
    prepare(tmp_path, synthetic(600, 0), 0, measured=4, tuning=2)
    settings = Settings(work=tmp_path, items=600, engines_python=PYTHON, build_limit_s=300.0)
    systems = chosen("floor,ruiji-index")
    with bar(Console(quiet=True), "Preparing", len(systems)) as progress:
        assert prepare_all(systems, settings, progress) == {}
    floor = systems[0]
    folder = floor.folder(settings)
    assert not is_built(folder, WITH_TABLE)
    assert floor.facts(settings)["served_bytes"] > 600 * 128
    catalogue, queries = Catalogue.open(tmp_path), Queries.open(measured_queries(tmp_path))
    first, *others = await answers(floor, settings, [catalogue.ids[row] for row in queries.rows.tolist()])
    assert len(first) == 20
    assert all(page == first for page in others)


def test_a_system_below_the_target_is_refused_with_its_best_recall(settings: Settings, tmp_path: Path) -> None:
    below = Settings(work=tmp_path, items=ITEMS, engines_python=ROOT / "pyproject.toml", build_limit_s=1.0)
    faiss = chosen("faiss")[0]
    faiss.folder(below).mkdir()
    (faiss.folder(below) / "built.json").write_text(json.dumps({"build_s": 1.0}))
    tuned = {"breadth": None, "recalls": {"64": 0.5, "768": 0.93}}
    (faiss.folder(below) / "tuned.json").write_text(json.dumps(tuned))
    with pytest.raises(ContestantError, match=r"0\.930 at most \(breadth 768\), below 0\.95"):
        faiss.prepare(below, lambda _: None)


def test_without_its_environment_a_system_says_where_to_look(settings: Settings, tmp_path: Path) -> None:
    nowhere = Settings(settings.work, ITEMS, engines_python=tmp_path / "python", build_limit_s=1.0)
    with pytest.raises(ContestantError, match=r"requirements-comparison\.txt"):
        chosen("faiss")[0].prepare(nowhere, lambda _: None)


def test_systems_are_chosen_by_name() -> None:
    assert [system.name for system in chosen("floor,ruiji")] == ["floor", "ruiji"]
    assert chosen(None) == list(SYSTEMS)
    with pytest.raises(ValueError, match="unknown systems nobody; there are ruiji, "):
        chosen("ruiji,nobody")
