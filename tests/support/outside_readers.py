"""The programs that people load datasets with, in the environment that scripts/readers makes."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "dataset" / "readers"

# each of them would ask the network for something, or write into the user's home
_ALONE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "CUDA_VISIBLE_DEVICES": "",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
}


def read_with(script: str, *arguments: object, limit_s: float = 500) -> Any:
    """Run a script in the environment of the readers; skip if there is none.

    Parameters
    ----------
    script : str
        Of a file in tests/dataset/readers, without ".py". It prints what it has read as JSON, in one line and
        last; what libraries print before is no harm.
    *arguments
        Of its command line, such as paths.
    limit_s : float
        How long it may take; to import torch alone takes some seconds.

    Returns
    -------
    Any
        What it has read.
    """
    python = os.environ.get("DATASET_READERS")
    if not python:
        pytest.skip("DATASET_READERS does not name a Python; scripts/readers makes one, and prints its path")
    with tempfile.TemporaryDirectory() as home:
        places = {"HF_HOME": home, "YOLO_CONFIG_DIR": home, "MPLCONFIGDIR": home, "XDG_CACHE_HOME": home}
        environment = {**os.environ, **_ALONE, **places}
        environment.pop("PYTHONPATH", None)
        command = [python, SCRIPTS / f"{script}.py", *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=limit_s, check=False
        )
    assert done.returncode == 0, f"{script} failed:\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])
