"""Who works on a dataset, and on which of its items: files in the dataset's folder, and nothing else.

::

    DIR/.running/
      <name>            a runner's own file, which it locks, and touches every few seconds
      000012.0          a lease: the item is being made by the runner whose name is in it
      000012.1          the same item again, after the runner that had it was lost

A runner on this machine is gone when its lock is. One on another machine is gone when its file was not
touched for long; that is told by the times of the file system that keeps the files, so no two clocks are
compared.

Where a runner was taken for gone that was only held up, an item is made twice: that costs time, and nothing
else, because both make the same bytes, and what is in its place first stays.
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
except ImportError:  # Windows: there the times tell alone
    fcntl = None

__all__ = ["LEASE_S", "Leases", "alone"]

LEASE_S = 60.0
"""For how long a runner may not be heard of before others take its items."""

_TOUCHES_A_LEASE = 6
_LEASE = re.compile(r"([0-9]+)\.[0-9]+")


class Leases:
    """The leases of one runner, which are given back at the end of a ``with`` block.

    Parameters
    ----------
    path : Path
        The dataset's folder, which is made if it is not there.
    lease_s : float
        See `LEASE_S`; the same for all runners of the dataset.

    Attributes
    ----------
    name : str
        Of the runner; no other has it.

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
        """Take the lease of an item, unless another runner has it that is not gone.

        Who takes it looks again whether the item is there: it may have been made in between.
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
        """Give back the lease of an item that is made, or is to be left to others."""
        for file in self._held.pop(index, ()):
            file.unlink(missing_ok=True)

    def others(self) -> bool:
        """Tell whether other runners have files here, be they gone or not."""
        return any(
            not _LEASE.fullmatch(each.name) and each.name != self.name for each in self._folder.iterdir()
        )

    def is_gone(self, name: str) -> bool:
        """Tell whether a runner will do nothing more; one that nobody has heard of never does."""
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
        """Give everything back; the last runner leaves nothing behind."""
        self._ended.set()
        self._thread.join()
        for index in list(self._held):
            self.give_back(index)
        with suppress(OSError):
            self._remove_others()
        self._file.close()
        (self._folder / self.name).unlink(missing_ok=True)
        with suppress(OSError):  # it holds the files of others
            self._folder.rmdir()

    def _remove_others(self) -> None:
        """Remove the files of runners that are gone, and where nobody else is there, all leases."""
        names = {path.name for path in self._folder.iterdir()} - {self.name}
        leases = {name for name in names if _LEASE.fullmatch(name)}
        gone = {name for name in names - leases if self.is_gone(name)}
        for name in gone | (leases if gone == names - leases else set()):
            (self._folder / name).unlink(missing_ok=True)

    def _made_file(self) -> BinaryIO:
        """Make this runner's file, and lock it before anybody takes it for that of one that is gone."""
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
        """Set the time of this runner's file, and return it, as the file system tells it."""
        path = self._folder / self.name
        with suppress(FileNotFoundError):  # it was taken for gone
            os.utime(path)
        return os.fstat(self._file.fileno()).st_mtime

    def _is_free(self, lease: Path) -> bool:
        """Tell whether the runner is gone that has a lease."""
        try:
            with lease.open("rb") as file:
                name = file.read().decode()
                # killed before it wrote its name
                return self.is_gone(name) if name else self._is_old(file)
        except FileNotFoundError:  # given back just now: the next round will see
            return False

    def _is_old(self, file: BinaryIO) -> bool:
        return self._touch() - os.fstat(file.fileno()).st_mtime > self._lease_s


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep others out that ask for the same file's lock, for the length of a ``with`` block.

    The file is made, and stays. Where the file system has no locks, nobody is kept out.
    """
    with path.open("ab") as file:
        _lock(file)
        yield


def _this_machine() -> str:
    """Name the kernel that keeps the locks, the same in all containers of a machine."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{platform.node()} {getnode():x}"


def _lock(file: BinaryIO) -> None:
    with suppress(OSError):  # a file system without locks
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)


def _try_to_lock(file: BinaryIO) -> bool | None:
    """Tell whether nobody locks a file; None = that cannot be told."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
