"""What all sources need beside their own table of the specification."""

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
    """What a source needs from the rest of the specification.

    Attributes
    ----------
    folder : Path
        Folder of the specification, to which its paths are relative.
    seed : int
    counts : tuple of int or None
        Number of poses of each camera; None = it depends on the scene.
    up_axis : {"y", "z"}
    """

    folder: Path
    seed: int
    counts: tuple[int | None, ...]
    up_axis: UpAxis

    @property
    def poses(self) -> int:
        """Largest number of poses of a camera.

        Raises
        ------
        DatasetError
            The number of poses depends on the scene.
        """
        if None in self.counts:
            raise DatasetError(
                "cameras: give each camera a count, because files may have different numbers of cameras"
            )
        return max((count for count in self.counts if count is not None), default=1)

    def parts(self, views_per_item: int) -> list[range]:
        """Return the numbers of the poses of each item of one subject.

        Raises
        ------
        DatasetError
            The number of poses depends on the scene.
        """
        poses = range(self.poses)
        return [poses[first : first + views_per_item] for first in range(0, len(poses), views_per_item)]

    def file(self, name: str, where: str) -> Path:
        """Return a file that the specification names.

        Raises
        ------
        DatasetError
            The file does not exist.
        """
        path = self.folder / name
        if not path.is_file():
            raise DatasetError(f"{where}: {name}: there is no such file below {self.folder}")
        return path

    def files(self, patterns: str | list[str], where: str) -> list[Path]:
        """Return the files that match patterns of the specification; see `site.find_files`."""
        return find_files(self.folder, patterns, where)

    def shown(self, path: Path) -> str:
        """Return a path relative to the specification's folder, with forward slashes."""
        return shown_path(self.folder, path)

    def name_and_size(self, path: Path) -> str:
        """Return the path and the size of a file, for a digest; another size means other content."""
        return f"{self.shown(path)} {path.stat().st_size}"

    def assets(self, document: Document) -> dict[str, str]:
        """Return the path of a document's file, by its digest; empty if it has no file."""
        return {} if document.path is None else {document.sha256: self.shown(document.path)}

    def document(self, path: Path) -> Document:
        """Read a file of the user, and the files below its folder that it refers to."""
        return read_document(path)


def digest_of_names(names: Iterable[str]) -> str:
    """Return the digest of names in their order."""
    digest = blake3()
    for name in names:
        digest.update(len(name.encode()).to_bytes(8, "little") + name.encode())
    return digest.hexdigest()
