"""Writes files in such a way that readers see the whole file or none."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes, prefix: str = ".partial-", is_synced: bool = False) -> None:
    """Write a temporary file beside a file, and rename it.

    Parameters
    ----------
    path : Path
        The file; a file that exists is replaced.
    data : bytes
    prefix : str
        The beginning of the temporary file's name. A process that is killed leaves it behind.
    is_synced : bool
        Whether to wait until the data are on the disk (some milliseconds). Without, the file may be empty
        after a loss of power.

    Raises
    ------
    OSError
        The file could not be written. The temporary file is removed.
    """
    beside = path.with_name(f"{prefix}{uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
