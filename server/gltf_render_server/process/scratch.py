"""A private in-memory folder that is removed when its process ends, in whatever way."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["ScratchFolder"]

_MEMORY = "/dev/shm"  # noqa: S108  the folder made in it is private
_REMOVE_AT_END = """
trap "" HUP INT TERM
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10; do  # a process that ends with this one may still write
    rm -rf -- "$@" && exit
    sleep 1
done
"""


class ScratchFolder:
    """A temporary folder of this process, readable only by its user.

    A shell process waits for the end of this process, which it notices even after SIGKILL, and removes what
    is left.

    Parameters
    ----------
    others : Path
        Existing folders that are removed together with it.

    Attributes
    ----------
    path : Path
        The path of the folder. It is in memory if the system has an in-memory file system.
    """

    def __init__(self, *others: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"gltf-render-server-{os.getpid()}-", dir=_in_memory()))
        self._folders = (self.path, *others)
        self._remover = _start_remover(self._folders)

    def lacks(self, size_bytes: int) -> bool:
        """Return whether the folder has no space for a file of that size."""
        return shutil.disk_usage(self.path).free < size_bytes

    def remove(self) -> None:
        """Remove the folders now."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        if self._remover is not None:
            self._remover.communicate()


def _in_memory() -> str | None:
    """Return an in-memory folder; None = the temporary folder is in memory already, or there is none."""
    if tempfile.gettempdir().startswith(f"{_MEMORY}/") or not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY


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
