"""Runs programs that report their stages, and records their times."""

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
"""The working folder of the programs."""


@dataclass(frozen=True)
class Run:
    """One run of a program.

    Attributes
    ----------
    who : str
    pictures : int
    seconds : dict of str to float
        By stage. ``start`` is everything before the first step that depends on the scene.
    total_s : float
        The wall time of the whole process.
    processor_s : float
        The processor time of the process and of all its children.
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
        """The wall time without the start."""
        return self.total_s - self.seconds["start"]

    @property
    def an_hour(self) -> float:
        """Images per hour, without the start."""
        return 3600 * self.pictures / self.working_s

    @property
    def a_processor_hour(self) -> float:
        """Images per hour of one core, including the start."""
        return 3600 * self.pictures / self.processor_s

    @property
    def overhead(self) -> float:
        """The fraction of the stages items and formats in which a worker is not rendering, from 0 to 1."""
        return 1 - self.seconds["renders"] / (
            self.workers * (self.seconds["items"] + self.seconds["formats"])
        )


def run_program(
    who: str, command: Sequence[str], environ: Mapping[str, str], pictures: int, workers: int = 1
) -> Run:
    """Run a program whose last line of output is JSON with its stages.

    The exit status is ignored, because the bpy module may crash when Python ends, after everything was
    written.

    Raises
    ------
    ScriptError
        The program printed no such line.
    """
    before, started_s = os.times(), time.perf_counter()
    done = subprocess.run(
        command, env=environ, cwd=SCRIPTS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    total_s, after = time.perf_counter() - started_s, os.times()
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise ScriptError(f"{who}: ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    processor_s = sum(after[2:4]) - sum(before[2:4])
    return Run(who, pictures, json.loads(lines[-1]), total_s, processor_s, workers)
