"""BlenderProc on this machine: its installation, and running a job. `Orbit.job` describes what it renders."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reporting import ScriptError

from .programs import SCRIPTS, Run, run_program

__all__ = ["BLENDERPROC", "SETTING_UP", "Peer", "add_peer_options", "peer_of"]

BLENDERPROC = "BlenderProc"

SETTING_UP = """\
how BlenderProc's current sources are set up (Python 3.11, for they need Blender 4.2):
  git clone https://github.com/DLR-RM/BlenderProc
  uv venv --python 3.11 BlenderProc/venv
  uv pip install --python BlenderProc/venv/bin/python bpy==4.2.0 "numpy<2" pyyaml imageio gitpython \\
      scikit-image pypng scipy matplotlib pytz h5py pillow "opencv-python-headless<4.9" scikit-learn \\
      python-dateutil rich trimesh progressbar
  mkdir BlenderProc/path && ln -s ../blenderproc BlenderProc/path/"""


@dataclass(frozen=True)
class Peer:
    """An installation of BlenderProc.

    Attributes
    ----------
    python : Path
        The Python with its dependencies.
    sources : Path
        A folder that contains only ``blenderproc/``.
    """

    python: Path
    sources: Path

    def run(self, job: dict[str, Any], out: Path) -> Run:
        """Run the job of an orbit, and write the results to a new folder `out`."""
        path = out.with_suffix(".json")
        path.write_text(json.dumps(job | {"out": str(out)}))
        command = [str(self.python), str(SCRIPTS / "benchmarking" / "blenderproc_orbit.py"), str(path)]
        environ = os.environ | {"PYTHONPATH": str(self.sources.resolve()), "USE_EXTERNAL_BPY_MODULE": "1"}
        return run_program(BLENDERPROC, command, environ, len(job["poses"]))


def add_peer_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `peer_of` reads."""
    add = parser.add_argument
    add("--blenderproc", type=Path, metavar="PYTHON", help="the Python that has what BlenderProc needs")
    add("--sources", type=Path, metavar="DIR", help="a folder that holds blenderproc/ and nothing else")


def peer_of(options: argparse.Namespace) -> Peer | None:
    """Return BlenderProc, if the options say where it is installed.

    Raises
    ------
    ScriptError
        Only one of the two options is given.
    """
    if (options.blenderproc is None) != (options.sources is None):
        raise ScriptError(
            "--blenderproc and --sources go together; dataset_speed.py --help tells how they are set up"
        )
    return Peer(options.blenderproc, options.sources) if options.blenderproc else None
