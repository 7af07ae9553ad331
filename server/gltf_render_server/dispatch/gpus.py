"""Assigns one GPU to each worker, by the environment variables that the vendors' drivers read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from ..errors import SettingsError

__all__ = ["gpu_ids", "pinned"]

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_GRAPHICS = Path("/sys/class/drm")
_WINDOWS_HOST = Path("/dev/dxg")
_ID = re.compile(r"\d+|(GPU|MIG)-.+")
"""The id of a GPU. CUDA ignores its variable from the first part on that is none: empty, -1, NoDevFiles."""
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


def gpu_ids(wanted: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the ids of the GPUs that the workers share.

    Parameters
    ----------
    wanted : sequence of str
        The ids that the user names. If it is empty, those visible to CUDA, or else all of NVIDIA's driver.
    environ : mapping
        The environment variables. ``CUDA_VISIBLE_DEVICES`` is read.

    Raises
    ------
    SettingsError
        The user names a GPU that this machine does not have. Its worker would render on the CPU instead.
    """
    if wanted:
        _check(wanted)
        return tuple(wanted)
    if (visible := environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(takewhile(_ID.fullmatch, map(str.strip, visible.split(","))))
    return tuple(str(number) for number in range(_count_of_nvidia()))


def pinned(ids: Sequence[str], worker: int) -> dict[str, str]:
    """Return environment variables by which worker number `worker` sees only its GPU; empty without GPUs."""
    if not ids:
        return {}
    return dict.fromkeys(_VARIABLES, ids[worker % len(ids)])


def _check(wanted: Sequence[str]) -> None:
    count = _count()
    if count is None:
        return
    for name in wanted:
        if count == 0 or (name.isdecimal() and int(name) >= count):
            there = f"0 to {count - 1}" if count > 1 else "0 only" if count else "none"
            raise SettingsError(f"--gpus {name}: there is no such GPU; this machine has {there}")


def _count() -> int | None:
    """Return the largest number of GPUs that any vendor's driver may offer; None if it is unknown."""
    if sys.platform != "linux" or _WINDOWS_HOST.exists():
        return None
    return _count_of_nvidia() or len(list(_GRAPHICS.glob("renderD*")))


def _count_of_nvidia() -> int:
    return len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
