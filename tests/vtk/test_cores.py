"""The script that says what more cores give."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vtkmodules")

SCRIPT = Path(__file__).parents[2] / "scripts" / "cores.py"


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_it_measures_models_and_checks(tmp_path):
    # a busy machine has no more than the least number of pictures ready in time
    options = ["--types", "depth", "--sizes", "64x48", "--seconds", "0", "--turns", "1", "--check", "1"]
    options += ["--options=--backend vtk", "--model", "16", "--json", tmp_path / "found.json"]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for word in ("serial", "parallel", "16 cores", "measured / model", "depth 64 x 48"):
        assert word in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    [[kind, costs]] = found["costs"]
    assert kind == {"image_type": "depth", "size": [64, 48]}
    assert costs["server_s"] > 0 < costs["serial_s"] + costs["parallel_s"]
    assert {(check["cores"], check["workers"]) for check in found["checks"]} == {(1, 1)}
    assert all(check["measured"] > 0 for check in found["checks"])


def test_cores_that_are_not_there_are_told():
    done = subprocess.run([sys.executable, SCRIPT, "--check", "4096"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "--check 4096: there are" in done.stderr
