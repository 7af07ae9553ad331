"""The measurements as JSON: every sample, and the numbers in the tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from collections.abc import Sequence as ListOf
from typing import Any

from .exchange import Server
from .measures import Run, Settings
from .summary import growth, image_types, ratio, stages, timing

__all__ = ["record_of"]

_FORMAT = 1


def record_of(
    settings: Settings,
    runs: ListOf[Run],
    servers: ListOf[Server],
    about: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of the JSON file.

    Parameters
    ----------
    settings : Settings
    runs : sequence of Run
    servers : sequence of Server
    about : mapping of str to mapping
        What each server reports about itself.
    """
    return {
        "format": _FORMAT,
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "settings": settings,
        "servers": {server.name: {"url": server.url, "about": about[server.name]} for server in servers},
        "runs": [_run(run, servers) for run in runs],
    }


def _run(run: Run, servers: ListOf[Server]) -> dict[str, Any]:
    kinds = image_types(run)
    names = {kind.value: kind for kind in kinds} | {"frame": None}
    return {
        "name": run.name,
        "value": run.value,
        "request_mb": run.scene_mb,
        "timing": {
            server.name: {name: timing(run, server.name, kind) for name, kind in names.items()}
            for server in servers
        },
        "ratio": {name: ratio(run, kind) for name, kind in names.items()},
        "stages_ms": {server.name: stages(run, server.name) for server in servers},
        "memory": {server.name: growth(run.memory, server.name) for server in servers},
        "failures": run.failures,
        "readings": run.memory,
        "samples": run.samples,
    }
