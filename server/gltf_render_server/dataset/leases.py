"""Records which runners work on which items of a dataset, in files in the dataset's folder only.

::

    DIR/.running/
      <name>            the file of a runner, which the runner locks and touches every few seconds
      000012.0          a lease: the runner whose name the file contains is making item 12
      000012.1          a second lease of the same item, after the first runner was lost

A runner on this machine has ended when its lock is free. A runner on another machine counts as ended when its
file was not touched for a while. Only times of the file system that holds the files are compared, never the
clocks of two machines.

If a slow runner is wrongly taken for ended, an item is made twice. That costs time only: both runners make
the same bytes, and the item that is stored first stays.
"""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from uuid import getnode, uuid4

from .store import RUNNING

try:
    import fcntl
except ImportError:  # Windows: only the times can be used
    fcntl = None

__all__ = ["LEASE_S", "Leases", "alone"]

LEASE_S = 60.0
"""Seconds for which a runner may be silent before other runners take its items."""

_TOUCHES_A_LEASE = 6
_LEASE = re.compile(r"([0-9]+)\.[0-9]+")


class Leases:
    """The leases of one runner, all of which are returned at the end of a ``with`` block.

    Parameters
    ----------
    path : Path
        The dataset's folder, which is made if it does not exist.
    lease_s : float
        See `LEASE_S`; the same for all runners of the dataset.

    Attributes
    ----------
    name : str
        Unique name of the runner.

    Raises
    ------
    OSError
    """

    def __init__(self, path: Path, lease_s: float = LEASE_S) -> None:
        self.name = uuid4().hex
        self._folder = path / RUNNING
        self._lease_s = lease_s
        self._held: dict[int, list[Path]] = {}
        self._file = self._made_file()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._touch_again, name="leases", daemon=True)
        self._thread.start()

    def __enter__(self) -> Leases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def take(self, index: int) -> bool:
        """Take the lease of an item, unless a running runner holds it; return whether it was taken.

        The caller then checks again whether the item is stored: another runner may have made it in between.
        """
        if index in self._held:
            return True
        files: list[Path] = []
        for number in count():
            files.append(file := self._folder / f"{index:06d}.{number}")
            try:
                with file.open("xb") as new:
                    new.write(self.name.encode())
            except FileExistsError:
                if not self._is_free(file):
                    return False
            else:
                self._held[index] = files
                return True
        raise AssertionError

    def give_back(self, index: int) -> None:
        """Return the lease of an item that is finished, or that other runners may take."""
        for file in self._held.pop(index, ()):
            file.unlink(missing_ok=True)

    def others(self) -> bool:
        """Return whether other runners have files in the folder, including runners that have ended."""
        return any(
            not _LEASE.fullmatch(each.name) and each.name != self.name for each in self._folder.iterdir()
        )

    def is_gone(self, name: str) -> bool:
        """Return whether a runner has ended; a runner without a file has."""
        if name == self.name:
            return False
        try:
            with (self._folder / name).open("r+b") as file:
                if file.read().decode() == _this_machine() and (is_free := _try_to_lock(file)) is not None:
                    return is_free
                return self._is_old(file)
        except (FileNotFoundError, IsADirectoryError):
            return True

    def close(self) -> None:
        """Return all leases; the last runner also removes the folder."""
        self._ended.set()
        self._thread.join()
        for index in list(self._held):
            self.give_back(index)
        with suppress(OSError):
            self._remove_others()
        self._file.close()
        (self._folder / self.name).unlink(missing_ok=True)
        with suppress(OSError):  # other runners have files in it
            self._folder.rmdir()

    def _remove_others(self) -> None:
        """Remove the files of runners that have ended, and all leases if no other runner is left."""
        names = {path.name for path in self._folder.iterdir()} - {self.name}
        leases = {name for name in names if _LEASE.fullmatch(name)}
        gone = {name for name in names - leases if self.is_gone(name)}
        for name in gone | (leases if gone == names - leases else set()):
            (self._folder / name).unlink(missing_ok=True)

    def _made_file(self) -> BinaryIO:
        """Make and lock this runner's file, before another runner can take it for an ended runner's."""
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # the last runner has just removed the folder
                file = (self._folder / self.name).open("x+b", buffering=0)
                file.write(_this_machine().encode())
                _lock(file)
                if (self._folder / self.name).exists():
                    return file
                file.close()

    def _touch_again(self) -> None:
        while not self._ended.wait(self._lease_s / _TOUCHES_A_LEASE):
            self._touch()

    def _touch(self) -> float:
        """Update the time of this runner's file, and return that time as the file system reports it."""
        path = self._folder / self.name
        with suppress(FileNotFoundError):  # other runners assumed that this one had ended
            os.utime(path)
        return os.fstat(self._file.fileno()).st_mtime

    def _is_free(self, lease: Path) -> bool:
        """Return whether the runner that holds a lease has ended."""
        try:
            with lease.open("rb") as file:
                name = file.read().decode()
                # without a name: the runner was killed before it wrote it
                return self.is_gone(name) if name else self._is_old(file)
        except FileNotFoundError:  # just returned: the next round takes it
            return False

    def _is_old(self, file: BinaryIO) -> bool:
        return self._touch() - os.fstat(file.fileno()).st_mtime > self._lease_s


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file during a ``with`` block, so that one process at a time runs the block.

    The file is made and not removed. On a file system without locks, several processes can run the block.
    """
    with path.open("ab") as file:
        _lock(file)
        yield


def _this_machine() -> str:
    """Return a name of the running kernel, which holds the locks; all containers of a machine share it."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{platform.node()} {getnode():x}"


def _lock(file: BinaryIO) -> None:
    with suppress(OSError):  # a file system without locks
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)


def _try_to_lock(file: BinaryIO) -> bool | None:
    """Return whether a file is not locked; None = the file system cannot say."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
