"""The report has every column, and the reason where a system has no row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.comparison import report
from benchmarks.comparison.load import ClosedLoop, OpenLoop
from benchmarks.comparison.report import write_report
from benchmarks.comparison.rounds import Measured, Plan
from benchmarks.comparison.systems import Settings, System, chosen

PLAN = Plan(2, 10.0, 1.0, 32, 300.0, 0.0, server_core=0, start_limit_s=60.0, answers_limit_s=600.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "work", items=1_000, engines_python=tmp_path / "none", build_limit_s=1.0)


def prepared(system: System, settings: Settings) -> System:
    """Leave what building and tuning leave."""
    folder = system.folder(settings)
    (folder / "index").mkdir(parents=True)
    (folder / "index" / "file").write_bytes(bytes(640_000))
    (folder / "built.json").write_text(json.dumps({"build_s": 12.0}))
    (folder / "build-peak.json").write_text(json.dumps({"build_peak_bytes": 250_000_000}))
    (folder / "tuned.json").write_text(json.dumps({"breadth": 384, "recalls": {"384": 0.96}}))
    return system


def measured(cpu_s: float) -> Measured:
    latency_ms = {"p50": 1.5, "p99": 9.25, "p99.9": 20.0}
    return Measured(
        recall=0.961,
        start_s=[1.0, 2.0],
        closed=[ClosedLoop(10_000, 0, 10.0, cpu_s, 1.0), ClosedLoop(12_000, 0, 10.0, cpu_s, 1.0)],
        at_half=[OpenLoop(500.0, 5_000, 0, latency_ms, 0.1), OpenLoop(600.0, 6_000, 0, latency_ms, 0.1)],
        pss_bytes=[100_000_000, 104_000_000],
    )


def test_a_row_has_every_column(settings: Settings, tmp_path: Path) -> None:
    faiss = prepared(chosen("faiss")[0], settings)
    out = tmp_path / "report.md"
    write_report(out, [faiss], {"faiss": measured(10.0)}, settings, PLAN, "synthetic", "the command")
    speed, size = [line for line in out.read_text().splitlines() if line.startswith("| FAISS")]
    assert speed == (
        "| FAISS HNSW, FastAPI | 0.961 | 384 | 1,100 (1,000 to 1,200) | 917 (833 to 1,000) | 1,100 (1,000 to 1,200) "
        "| 1.50 / 9.25 / 20.00 | cannot |"
    )
    assert size == "| FAISS HNSW, FastAPI | 102 (100 to 104) | 102000 | 640 | 12 | 250 | 1.50 (1.00 to 2.00) |"
    assert out.with_suffix(".png").stat().st_size > 1_000
    raw = json.loads(out.with_suffix(".json").read_text())
    assert raw["systems"]["faiss"]["closed"][1]["requests_per_s"] == 1_200
    assert raw["systems"]["faiss"]["facts"]["breadth"] == 384


def test_a_system_that_failed_has_its_reason(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    failed = Measured(failure="recall@20 is 0.930 at most (breadth 768), below 0.95")
    write_report(out, chosen("milvus"), {"milvus": failed}, settings, PLAN, "synthetic", "the command")
    page = out.read_text()
    assert "**Milvus (milvus-lite), FastAPI** was not measured: recall@20 is 0.930 at most" in page
    assert "![" not in page
    assert not out.with_suffix(".png").exists()


@pytest.mark.parametrize("started_in", ["repository", "elsewhere"])
def test_a_page_inside_the_repository_links_to_how_it_is_read(
    started_in: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    out = repository / "benchmarks" / "results" / "page.md"
    out.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(report, "_REPOSITORY", repository)
    monkeypatch.chdir(tmp_path / started_in)
    write_report(
        out.relative_to(repository) if started_in == "repository" else out, [], {}, settings, PLAN, "synthetic", ""
    )
    assert "How to read it: [docs/benchmarks.md](../../docs/benchmarks.md)." in out.read_text()


def test_a_page_outside_the_repository_says_nothing_of_where_the_repository_is(
    settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "page.md"
    write_report(out, [], {}, settings, PLAN, "synthetic", "")
    assert "How to read it: `docs/benchmarks.md` in Ruiji's repository." in out.read_text()
    assert "](" not in out.read_text()
