"""The script that measures how fast datasets are made."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from servers import running

from benchmarking.beside import Turn, beside, beside_tables
from benchmarking.orbit import Orbit
from benchmarking.peer import Peer
from benchmarking.programs import Run

SCRIPT = Path(__file__).parents[2] / "scripts" / "dataset_speed.py"


def test_what_is_told_of_a_run():
    seconds = {"start": 10.0, "items": 80.0, "formats": 20.0, "renders": 180.0}
    run = Run("it", 50, seconds, total_s=110.0, processor_s=200.0, workers=2)
    assert run.an_hour == pytest.approx(1800)
    assert run.a_processor_hour == pytest.approx(900)
    assert run.overhead == pytest.approx(0.1)


def test_it_measures_this_program_alone(tmp_path):
    options = ["--parts", "orbit,overhead", "--frames", "2", "--turns", "1", "--size", "32x24"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *options, "--json", tmp_path / "found.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "BlenderProc" not in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert [len(runs) for runs in found.values()] == [2, 2]
    for run in (*found["orbit"], *found["overhead"]):
        assert run["pictures"] == 2
        stages = run["seconds"]
        assert 0 < stages["renders"] < run["workers"] * (stages["items"] + stages["formats"])
        assert stages["start"] + stages["items"] + stages["formats"] < run["total_s"]


@dataclass(frozen=True)
class QuickPeer(Peer):
    """Renders nothing, and keeps what it was told."""

    jobs: list[dict] = field(default_factory=list)

    def run(self, job, out):
        assert out.parent == Path(job["file"]).parent
        self.jobs.append(job)
        return Run("it", len(job["poses"]), {"start": 1.0, "render": 100.0 * len(self.jobs)}, 120.0, 200.0)


def test_a_warm_server_beside_blenderproc():
    orbit = Orbit(frames=2, size=(32, 24), samples=3)
    peer = QuickPeer(Path("python"), Path("sources"))
    with running("--workers", "0", "--device", "cpu") as server:
        turns = beside(server.client, peer, orbit, turns=2)
    assert [turn.peer_s for turn in turns] == [50.0, 100.0]
    for job in peer.jobs:
        assert (job["width"], job["height"], job["samples"], len(job["poses"])) == (32, 24, 3, 2)
    for turn in turns:
        assert turn.ours_s.keys() == {"preview", "balanced"}
        assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in turn.ours_s.values())
    [table] = beside_tables(turns, orbit)
    assert table.row_count == 3
    assert Turn({"preview": [1.0, 3.0]}, 5.0).ratio("preview") == 2.5


def test_what_is_missing_for_the_other_tool_is_told():
    done = subprocess.run([sys.executable, SCRIPT, "--blenderproc", "python"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "--sources" in done.stderr
