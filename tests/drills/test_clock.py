"""The clock is wrong, and is put right while everything runs: leases, pauses and names of generations depend on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ruiji_client import EmbeddingStatus, RuijiClient

from tests.drills.answers import compare_answers
from tests.drills.installation import Installation, run_installation, wait_until_serving
from tests.drills.kills import Probe, everything_works
from tests.drills.ledger import Ledger
from tests.drills.processes import wait_for
from tests.drills.writers import Complaints, Writer, read_listing

pytestmark = [pytest.mark.drill, pytest.mark.triton]

HOUR_S = 3600
_SOON_S = 60.0
_WRONG_CLOCK = Path(__file__).parent / "wrong_clock"


def test_a_clock_that_jumps_loses_nothing_and_keeps_nothing_waiting(triton_installed, tmp_path):
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    environment = {
        "RUIJI_DRILL_CLOCK": str(clock),
        "PYTHONPATH": os.pathsep.join([str(_WRONG_CLOCK), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    ledger, complaints = Ledger(), Complaints([])
    with (
        run_installation(tmp_path / "data", environment=environment) as installation,
        installation.client() as client,
    ):
        writer = Writer("writer", client, ledger, complaints, seed=0)
        for _ in range(8):
            writer.create(5)
        wait_until_serving(installation, client)
        for jump_s in (HOUR_S, -HOUR_S):
            # What waits when the clock jumps must not wait for the time to come again.
            installation.processes["worker"].kill()
            [waiting] = writer.create(1)
            set_clock(clock, jump_s)
            installation.processes["worker"].start()
            wait_for(is_embedded(client, waiting), f"{waiting} after {jump_s:+d} s", timeout_s=_SOON_S)
            for _ in range(20):
                writer.step()
            everything_works(Probe(installation, client, lambda: writer.create(1)[0]))
            check(installation, client, ledger)
    assert complaints.messages == []


def set_clock(clock: Path, ahead_s: int) -> None:
    aside = clock.with_suffix(".aside")
    aside.write_text(str(ahead_s))
    aside.replace(clock)


def check(installation: Installation, client: RuijiClient, ledger: Ledger) -> None:
    assert ledger.audit(lambda item_id: read_listing(client, item_id)).wrong == ()
    assert compare_answers(installation, client, sample=20, seed=0).differences == ()


def is_embedded(client: RuijiClient, item_id: str) -> Callable[[], bool]:
    def ask() -> bool:
        return any(status.stage == EmbeddingStatus.STAGE_EMBEDDED for status in client.get_item(item_id).embeddings)

    return ask
