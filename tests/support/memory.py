"""How much memory processes take."""

from __future__ import annotations

import psutil


def own_bytes(process: psutil.Process) -> int:
    """What a process has in memory beside files, whose pages the system takes and brings back as it likes."""
    memory = process.memory_info()
    return memory.rss - memory.shared
