"""Runs programs that tell their stages, and keeps how long they took."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting import ScriptError

__all__ = ["SCRIPTS", "Run", "run_program"]

SCRIPTS = Path(__file__).resolve().parents[1]
"""The folder in which programs start."""


@dataclass(frozen=True)
class Run:
    """One run of one program.

    Attributes
    ----------
    who : str
    pictures : int
    seconds : dict of str to float
        By stage; ``start`` is all before the first thing that depends on the scene.
    total_s : float
        Wall time of the whole process.
    processor_s : float
        Of the process and of all that it started.
    workers : int
    """

    who: str
    pictures: int
    seconds: dict[str, float]
    total_s: float
    processor_s: float
    workers: int = 1

    @property
    def working_s(self) -> float:
        """Wall time without the start."""
        return self.total_s - self.seconds["start"]

    @property
    def an_hour(self) -> float:
        """Pictures, the start left out."""
        return 3600 * self.pictures / self.working_s

    @property
    def a_processor_hour(self) -> float:
        """Pictures in an hour of one core, the start included."""
        return 3600 * self.pictures / self.processor_s

    @property
    def overhead(self) -> float:
        """The part of items and formats in which a worker does not render, from 0 to 1."""
        return 1 - self.seconds["renders"] / (
            self.workers * (self.seconds["items"] + self.seconds["formats"])
        )


def run_program(
    who: str, command: Sequence[str], environ: Mapping[str, str], pictures: int, workers: int = 1
) -> Run:
    """Run a program that prints its stages as its last line of JSON.

    Blender as a module may crash when Python ends, after all is written, so the line counts and no status.

    Raises
    ------
    ScriptError
        It printed none.
    """
    before, started_s = os.times(), time.perf_counter()
    done = subprocess.run(
        command, env=environ, cwd=SCRIPTS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    total_s, after = time.perf_counter() - started_s, os.times()
    told = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not told:
        raise ScriptError(f"{who}: ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    processor_s = sum(after[2:4]) - sum(before[2:4])
    return Run(who, pictures, json.loads(told[-1]), total_s, processor_s, workers)
