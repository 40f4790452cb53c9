"""Disks that fill up, for real: the kernel says ENOSPC."""

from __future__ import annotations

import subprocess
import time

import numpy as np
import pytest
from ruiji_client import RuijiClient, RuijiClientError

from tests.drills.answers import compare_answers
from tests.drills.installation import free_port, run_installation, wait_until_serving
from tests.drills.kills import Probe, new_item_is_embedded, unfinished
from tests.drills.ledger import Ledger
from tests.drills.processes import Process, ruiji, wait_for
from tests.drills.serving import served_generation
from tests.drills.small_disk import small_disk
from tests.drills.writers import Complaints, Reader, Writer, a_listing, a_picture, at_work, message_of, read_listing
from tests.support.catalogues import build, fill_store

pytestmark = pytest.mark.drill

MIB = 2**20
ITEMS = 300


@pytest.mark.triton
def test_a_store_without_room_loses_nothing_and_goes_on_when_there_is_room(triton_installed, tmp_path):
    ledger, complaints = Ledger(), Complaints([])
    with (
        small_disk(tmp_path / "disk", 64 * MIB) as disk,
        run_installation(tmp_path / "data", store=disk.folder / "store.sqlite") as installation,
        installation.client() as client,
    ):
        writers = [Writer(f"writer{n}", client, ledger, complaints, seed=n) for n in range(3)]
        writers[0].create(20)
        wait_until_serving(installation, client)
        reader = Reader(client, ledger, complaints, seed=0)
        disk.leave(64 * 1024)
        with at_work([*(writer.run for writer in writers), reader.run]):
            wait_for(lambda: refuses_for_lack_of_room(client), "a full disk", tend=installation.tend)
            answered = reader.answers
            time.sleep(1.0)
            assert reader.answers > answered, "pages are served as before"
            assert ledger.present(), "what was there is there"
            disk.resize(64 * MIB)
            acknowledged = ledger.acknowledgements
            wait_for(lambda: ledger.acknowledgements > acknowledged + 10, "writes to go on", tend=installation.tend)
        findings = ledger.audit(lambda item_id: read_listing(client, item_id))
        assert findings.items > 0
        assert findings.wrong == ()
        assert complaints.messages == []
        new_item_is_embedded(Probe(installation, client, lambda: writers[0].create(1)[0]))
        assert compare_answers(installation, client, sample=20, seed=0).differences == ()


def test_a_build_without_room_fails_and_the_former_generation_serves(tmp_path, drill_is_long):
    store = fill_store(tmp_path, ITEMS)
    generations = tmp_path / "generations"
    with small_disk(generations, 64 * MIB) as disk:
        directory, first = build(store, generations)
        size_bytes = disk.used_bytes()
        port = free_port()
        command = ruiji("index", "build", "--data", tmp_path)
        server = Process(
            "server", ruiji("serve", "--data", tmp_path, "--address", f"127.0.0.1:{port}"), tmp_path / "log"
        )
        server.start()
        try:
            with RuijiClient(f"127.0.0.1:{port}") as client:
                wait_for(lambda: served_generation(client) == first.generation_id, "the server")
                steps = 12 if drill_is_long else 2
                for free_bytes in range(4096, size_bytes, size_bytes // steps):
                    disk.leave(free_bytes)
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    assert done.returncode > 0, "it ends by itself, with a message, not by a signal"
                    # usearch, which writes one of the files, keeps the reason to itself.
                    message = " ".join(done.stderr.split())
                    assert "No space left" in message or "is the disk full?" in message
                    assert "Traceback" not in done.stderr
                    assert unfinished(generations) == [], "a build that failed gives its room back"
                    assert directory.open_current().manifest == first
                    assert served_generation(client) == first.generation_id
                disk.resize(64 * MIB)
                subprocess.run(command, capture_output=True, check=True)
                wait_for(lambda: served_generation(client) not in {"", first.generation_id}, "the new generation")
        finally:
            server.stop()


def refuses_for_lack_of_room(client: RuijiClient) -> bool:
    """Send an item that stays out of the books; return whether it was refused."""
    rng = np.random.default_rng()
    picture = a_picture(rng)
    message = message_of(f"filler-{rng.integers(1 << 60)}", a_listing(rng, picture), picture)
    try:
        client.upsert_items([message], timeout_s=10.0)
    except RuijiClientError as error:
        return error.reason == "STORE_FULL"
    return False
