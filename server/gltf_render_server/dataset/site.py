"""The scene to which lights, distractors and backgrounds are added: its bounds, its axes and its files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..gltf import Asset
from ..settings import UpAxis
from .cameras import Bounds, bounds
from .cameras.matrices import direction
from .composition import media_type_of
from .shot import Document

__all__ = ["Site", "find_files", "read_image", "shown_path"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Site:
    """A scene to which something is added.

    Attributes
    ----------
    document : Document
        The scene before anything is added.
    read : callable of Document
        Returns the `Asset` of a document.
    folder : Path
        Folder to which the paths in the specification are relative.
    up_axis : {"y", "z"}
    poses : mapping of str to (4, 4) float64
        World matrices of nodes, by their names.
    time_s : float
        Time of the document's animation.
    """

    document: Document
    read: Callable[[Document], Asset]
    folder: Path
    up_axis: UpAxis = "y"
    poses: Mapping[str, Matrix] = field(default_factory=dict)
    time_s: float = 0.0

    @cached_property
    def bounds(self) -> Bounds:
        """Bounds of the scene.

        Raises
        ------
        SceneError
            The scene shows nothing.
        """
        return bounds(self.read(self.document).scene(self.poses, self.time_s))

    @property
    def up(self) -> Vector:
        """The direction that points up, (3,)."""
        return self.direction(0.0, 90.0)

    def direction(self, azimuth_deg: float, elevation_deg: float) -> Vector:
        """Return a unit vector, (3,); see `cameras.matrices.direction`."""
        return direction(float(np.radians(azimuth_deg)), float(np.radians(elevation_deg)), self.up_axis)

    def files(self, patterns: str | list[str], where: str) -> list[Path]:
        """Return the files that match patterns of the specification; see `find_files`."""
        return find_files(self.folder, patterns, where)

    def image(self, path: Path) -> bytes:
        """Return the content of an image; see `read_image`."""
        return read_image(path, self.shown(path))

    def shown(self, path: Path) -> str:
        """Return a path relative to the specification's folder, with forward slashes."""
        return shown_path(self.folder, path)


def shown_path(folder: Path, path: Path) -> str:
    """Return a path relative to a folder, with forward slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def read_image(path: Path, shown: str) -> bytes:
    """Return the content of a PNG or JPEG file.

    Parameters
    ----------
    path : Path
    shown : str
        The name of the file for the message of an error.

    Raises
    ------
    DatasetError
        The file cannot be read.
    RequestError
        The file is of another kind.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{shown}: cannot be read: {error.strerror}") from None
    media_type_of(data, shown)
    return data


def find_files(folder: Path, patterns: str | list[str], where: str) -> list[Path]:
    """Return the files that match any of some patterns, sorted by their paths.

    Parameters
    ----------
    folder : Path
        Folder to which the patterns are relative.
    patterns : str or list of str
        Glob patterns such as ``textures/**/*.png``.
    where : str
        Key of the patterns in the specification, for the message of an error.

    Raises
    ------
    DatasetError
        A pattern matches no file, or is not valid.
    """
    found: set[Path] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        try:
            matches = [path for path in folder.glob(pattern) if path.is_file()]
        except (ValueError, NotImplementedError, IndexError) as error:
            said = f"{where}: {pattern[:200]!r}: {error}; give a pattern relative to {folder}"
            raise DatasetError(said) from None
        if not matches:
            raise DatasetError(f"{where}: {pattern[:200]!r} matches no file below {folder}")
        found.update(matches)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix().split("/"))
