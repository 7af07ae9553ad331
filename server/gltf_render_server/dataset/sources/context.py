"""What all sources are made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from blake3 import blake3
from msgspec import Meta

from ...errors import DatasetError
from ...settings import UpAxis
from ..embedding import read_document
from ..shot import Document
from ..site import find_files, shown_path

__all__ = ["Context", "ViewsPerItem", "digest_of_names"]

ViewsPerItem = Annotated[
    int, Meta(ge=1, le=64, description="Number of poses of each camera that form one item.")
]


@dataclass(frozen=True)
class Context:
    """What a source needs to know of the rest of the specification.

    Attributes
    ----------
    folder : Path
        That of the specification; its paths are relative to this.
    seed : int
    counts : tuple of int or None
        How many poses each camera has; None = only the scene tells.
    up_axis : {"y", "z"}
    """

    folder: Path
    seed: int
    counts: tuple[int | None, ...]
    up_axis: UpAxis

    @property
    def poses(self) -> int:
        """The largest number of poses that a camera has.

        Raises
        ------
        DatasetError
            Only a scene tells that.
        """
        if None in self.counts:
            raise DatasetError("cameras: say the count of each, as not all files have as many cameras")
        return max((count for count in self.counts if count is not None), default=1)

    def parts(self, views_per_item: int) -> list[range]:
        """Return the numbers of the poses of each item of one subject.

        Raises
        ------
        DatasetError
            Only a scene tells how many poses there are.
        """
        poses = range(self.poses)
        return [poses[first : first + views_per_item] for first in range(0, len(poses), views_per_item)]

    def file(self, name: str, where: str) -> Path:
        """Return a file that the specification names.

        Raises
        ------
        DatasetError
            It is not there.
        """
        path = self.folder / name
        if not path.is_file():
            raise DatasetError(f"{where}: {name}: there is no such file below {self.folder}")
        return path

    def files(self, patterns: str | list[str], where: str) -> list[Path]:
        """Return the files that patterns of the specification match; see `site.find_files`."""
        return find_files(self.folder, patterns, where)

    def shown(self, path: Path) -> str:
        """Return a path as the specification's folder sees it, with forward slashes."""
        return shown_path(self.folder, path)

    def assets(self, document: Document) -> dict[str, str]:
        """Return the path of a document's file by its digest."""
        return {} if document.path is None else {document.sha256: self.shown(document.path)}

    def document(self, path: Path) -> Document:
        """Read a file of the user's, with what lies below its folder."""
        return read_document(path)


def digest_of_names(names: Iterable[str]) -> str:
    """Digest names, in order."""
    digest = blake3()
    for name in names:
        digest.update(len(name.encode()).to_bytes(8, "little") + name.encode())
    return digest.hexdigest()
