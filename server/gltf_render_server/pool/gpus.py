"""One GPU for each worker, by what the vendors' drivers read from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["gpu_ids", "pinned"]

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


def gpu_ids(wanted: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the ids of the GPUs that there are to share.

    Parameters
    ----------
    wanted : sequence of str
        What the user names; empty for those that CUDA may see, or else all that NVIDIA's driver has.
    environ : mapping
        ``CUDA_VISIBLE_DEVICES`` of it is read.
    """
    if wanted:
        return tuple(wanted)
    if visible := environ.get("CUDA_VISIBLE_DEVICES"):
        return tuple(part.strip() for part in visible.split(",") if part.strip())
    count = len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
    return tuple(str(number) for number in range(count))


def pinned(ids: Sequence[str], worker: int) -> dict[str, str]:
    """Return the environment in which worker number `worker` sees its one GPU only; empty without GPUs."""
    if not ids:
        return {}
    return dict.fromkeys(_VARIABLES, ids[worker % len(ids)])
