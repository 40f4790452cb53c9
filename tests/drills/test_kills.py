"""A few deaths of each kind. The long form is `python -m tests.drills.run`."""

from __future__ import annotations

import pytest

from tests.drills.drill import Drill
from tests.drills.installation import run_installation
from tests.drills.kills import KINDS

pytestmark = [pytest.mark.drill, pytest.mark.triton]


@pytest.mark.parametrize(
    ("store", "server_workers", "deaths"),
    [
        ("sqlite", 1, ("index builder", "Triton's Python stub", "server", "embedding worker", "tritonserver")),
        ("postgresql", 2, ("server", "PostgreSQL", "everything at once")),
    ],
)
def test_nothing_acknowledged_is_lost_and_answers_are_those_of_a_clean_rebuild(
    store, server_workers, deaths, triton_installed, request, tmp_path
):
    postgresql = request.getfixturevalue("postgresql_server") if store == "postgresql" else None
    with (
        run_installation(tmp_path / "data", postgresql, server_workers=server_workers) as installation,
        Drill(installation, 1, longest_work_s=0.5) as drill,
    ):
        try:
            drill.prepare()
            outcome = drill.run(KINDS[death] for death in deaths)
        except TimeoutError as error:
            pytest.fail(f"{error}\n{installation.outputs()}")
    assert outcome.wrong == []
    assert [death.kind for death in outcome.deaths] == list(deaths)
    assert all(death.items > 0 for death in outcome.deaths)
    assert all(death.pages > 0 for death in outcome.deaths)
