"""What a serving worker loads: each worker of a machine has it in memory of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.catalogues import build, fill_store

NEEDED_ONLY_FOR = {
    "aiohttp": "pictures on web servers",
    "alembic": "upgrades of the store",
    "duckdb": "reports",
    "fsspec": "pictures in object storage",
    "matplotlib": "plots",
    "psycopg": "a store in PostgreSQL",
    "pyarrow": "partitions of events",
    "rich": "showing a failure",
    "scipy": "statistics of experiments",
    "tritonclient": "query pictures",
    "typer": "options of a command",
}

# As a worker does, and it tells what it has loaded once it serves.
WORKER = """
import json, os, signal, sys
from pathlib import Path
from ruiji_cli.picture_access import PictureAccess
from ruiji_cli.serving_process import ServingPlan, serve_here
from ruiji_server.services.settings import ServerSettings

folder = Path(sys.argv[1])
settings = ServerSettings("127.0.0.1:0", drain_s=0.0, grace_s=0.0)
plan = ServingPlan(settings, f"sqlite:///{folder / 'store.sqlite'}", folder / "generations", PictureAccess(), None)

def ready(_port):
    print(json.dumps(sorted(sys.modules)))
    os.kill(os.getpid(), signal.SIGTERM)

serve_here(plan, ready)
"""


def test_a_worker_loads_only_what_serving_needs(tmp_path: Path) -> None:
    store = fill_store(tmp_path, 50)
    build(store, tmp_path / "generations")
    store.database.close()

    ran = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )

    loaded = set(json.loads(ran.stdout))
    assert "ruiji_server.services.recommendation_service" in loaded
    assert {name: why for name, why in NEEDED_ONLY_FOR.items() if name in loaded} == {}


def test_the_script_that_workers_import_again_loads_nothing() -> None:
    statements = "import sys; import ruiji_cli.entry; print([name for name in sys.modules if name.startswith('ruiji')])"

    ran = subprocess.run([sys.executable, "-c", statements], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "['ruiji_cli', 'ruiji_cli.entry']"
