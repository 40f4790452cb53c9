"""A violated guardrail stops the experiment on a real server."""

from __future__ import annotations

from ruiji_cli.main import app
from ruiji_client import Experiment, ExperimentStage, RuijiClient, Variant
from ruiji_experiments.simulation.event_log import SimulatedArm, SimulatedExperiment, write_event_log
from typer.testing import CliRunner

from tests.support.installations import product


def test_a_report_stops_an_experiment_that_violates_a_guardrail_and_no_other(tmp_path):
    arms = {"control": SimulatedArm(), "slow": SimulatedArm(latency_factor=3.0)}
    write_event_log(tmp_path / "slow", SimulatedExperiment(arms=arms, units_per_arm=100, days=2, pre_days=0))
    write_event_log(tmp_path / "fine", SimulatedExperiment(units_per_arm=100, days=2, pre_days=0))
    (tmp_path / "product").mkdir()
    with product(tmp_path / "product") as server, RuijiClient(server.target) as client:
        variants = [Variant(name="control", share_bp=5_000), Variant(name="slow", share_bp=5_000, candidates=500)]
        client.put_experiment(Experiment(name="simulated", variants=variants), author="ada", reason="to see")

        def report(events: str) -> ExperimentStage:
            command = ["experiment", "report", "simulated", "--events", str(tmp_path / events), "--resamples", "0"]
            command += ["--out", str(tmp_path / "out"), "--rollback-on-guardrail", "--target", server.target]
            result = CliRunner().invoke(app, command)
            assert result.exit_code == 0, result.output
            return client.get_experiment("simulated").status.stage

        assert report("fine") == ExperimentStage.EXPERIMENT_STAGE_RUNNING
        assert report("slow") == ExperimentStage.EXPERIMENT_STAGE_ENDED
        revision = client.list_experiment_revisions("simulated").revisions[0]
        assert revision.author == "ruiji experiment report"
        assert "slow violates the guardrail on latency p50" in revision.reason
