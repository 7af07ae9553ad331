"""A private folder in memory that is gone when its process is, however that ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["ScratchFolder"]

_MEMORY = "/dev/shm"  # noqa: S108  the folder made in it is private
_REMOVE_AT_END = 'trap "" HUP INT TERM; read -r _; rm -rf -- "$@"'


class ScratchFolder:
    """Made for this process and readable by its user only.

    A shell waits for the end of this process, which even SIGKILL lets it see, and removes what is left.

    Parameters
    ----------
    others : Path
        Folders that somebody else made for this process, to be removed with it.

    Attributes
    ----------
    path : Path
        In memory, where the system has a file system there.
    """

    def __init__(self, *others: Path) -> None:
        memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self.path = Path(tempfile.mkdtemp(prefix=f"gltf-render-server-{os.getpid()}-", dir=memory))
        self._folders = (self.path, *others)
        self._remover = _start_remover(self._folders)

    def remove(self) -> None:
        """Remove the folders now."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        if self._remover is not None:
            self._remover.communicate()


def _start_remover(folders: tuple[Path, ...]) -> subprocess.Popen[bytes] | None:
    if os.name != "posix":
        return None
    return subprocess.Popen(  # noqa: S603  nothing but paths of our own
        ["/bin/sh", "-c", _REMOVE_AT_END, "gltf-render-server-remover", *map(str, folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
