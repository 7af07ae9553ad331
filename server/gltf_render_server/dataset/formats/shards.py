"""Tar shards for WebDataset: the files of a sample are consecutive, and their names begin with its key."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

__all__ = ["Shards"]

_MOST_BYTES = 2**30
_BLOCK = tarfile.BLOCKSIZE


class Shards:
    """Writes samples into consecutive shards. Files are copied in small pieces.

    Tar headers contain neither time nor owner, so the same samples give the same bytes.

    Parameters
    ----------
    folder : Path
        An existing folder.
    prefix : str
        The shards are named ``<prefix>-000000.tar`` and so on.
    most_samples, most_bytes : int
        Limits for a shard. A sample that exceeds `most_bytes` alone gets a shard of its own.

    Attributes
    ----------
    samples : list of int
        The number of samples in each shard so far.
    """

    def __init__(
        self, folder: Path, prefix: str, most_samples: int = 1000, most_bytes: int = _MOST_BYTES
    ) -> None:
        self.samples: list[int] = []
        self._folder = folder
        self._prefix = prefix
        self._most_samples, self._most_bytes = most_samples, most_bytes
        self._bytes = 0
        self._tar: tarfile.TarFile | None = None

    def __enter__(self) -> Shards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def name(self, index: int) -> str:
        """Return the file name of a shard."""
        return f"{self._prefix}-{index:06d}.tar"

    def add(self, key: str, members: Mapping[str, bytes | Path]) -> int:
        """Add a sample, and return the index of its shard.

        Parameters
        ----------
        key : str
            The sample's key: unique, without dots and slashes.
        members : mapping of str to bytes or Path
            The content of each file, or a path to it, by the file's extension.
        """
        sizes = {name: _size(content) for name, content in members.items()}
        length = sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in sizes.values())
        tar = self._tar
        if tar is None or self.samples[-1] >= self._most_samples or self._bytes + length > self._most_bytes:
            tar = self._next()
        for name, content in members.items():
            info = tarfile.TarInfo(f"{key}.{name}")
            info.size = sizes[name]
            with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
                tar.addfile(info, file)
        self.samples[-1] += 1
        self._bytes += length
        return len(self.samples) - 1

    def _next(self) -> tarfile.TarFile:
        self._close()
        self._tar = tarfile.TarFile(
            self._folder / self.name(len(self.samples)), "w", format=tarfile.PAX_FORMAT
        )
        self.samples.append(0)
        self._bytes = 0
        return self._tar

    def _close(self) -> None:
        if self._tar is not None:
            self._tar.close()


def _size(content: bytes | Path) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)
