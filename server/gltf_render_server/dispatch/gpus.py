"""One GPU for each worker, by what the vendors' drivers read from the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import SettingsError

__all__ = ["gpu_ids", "pinned"]

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_GRAPHICS = Path("/sys/class/drm")
_WINDOWS_HOST = Path("/dev/dxg")
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


def gpu_ids(wanted: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the ids of the GPUs that there are to share.

    Parameters
    ----------
    wanted : sequence of str
        What the user names; empty for those that CUDA may see, or else all that NVIDIA's driver has.
    environ : mapping
        ``CUDA_VISIBLE_DEVICES`` of it is read.

    Raises
    ------
    SettingsError
        The user names one that this machine does not have: its worker would render on the CPU instead.
    """
    if wanted:
        _check(wanted)
        return tuple(wanted)
    if visible := environ.get("CUDA_VISIBLE_DEVICES"):
        return tuple(part.strip() for part in visible.split(",") if part.strip())
    return tuple(str(number) for number in range(_count_of_nvidia()))


def pinned(ids: Sequence[str], worker: int) -> dict[str, str]:
    """Return the environment in which worker number `worker` sees its one GPU only; empty without GPUs."""
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
    """Return how many GPUs a vendor's driver may offer at most; None where that cannot be told."""
    if sys.platform != "linux" or _WINDOWS_HOST.exists():
        return None
    return _count_of_nvidia() or len(list(_GRAPHICS.glob("renderD*")))


def _count_of_nvidia() -> int:
    return len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
