"""The script that measures how fast datasets are made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dataset_speed import Run

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


def test_what_is_missing_for_the_other_tool_is_told():
    done = subprocess.run([sys.executable, SCRIPT, "--blenderproc", "python"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "--sources" in done.stderr
