"""The scene that lights and other things are added to: where they may stand, and what files they are of."""

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
from .shot import Document

__all__ = ["Site", "find_files", "shown_path"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Site:
    """What is known of a scene that something is added to.

    Attributes
    ----------
    document : Document
        The scene, before anything is.
    read : callable of Document
        Returns its `Asset`.
    folder : Path
        That the specification's paths are relative to.
    up_axis : {"y", "z"}
    poses : mapping of str to (4, 4) float64
        World matrices of nodes, by their names.
    time_s : float
        When its animation is shown.
    """

    document: Document
    read: Callable[[Document], Asset]
    folder: Path
    up_axis: UpAxis = "y"
    poses: Mapping[str, Matrix] = field(default_factory=dict)
    time_s: float = 0.0

    @cached_property
    def bounds(self) -> Bounds:
        """How large the scene is.

        Raises
        ------
        SceneError
            It shows nothing.
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
        """Return the files that patterns of the specification match; see `find_files`."""
        return find_files(self.folder, patterns, where)

    def data(self, path: Path) -> bytes:
        """Return what is in a file.

        Raises
        ------
        DatasetError
            It cannot be read.
        """
        try:
            return path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{self.shown(path)}: cannot be read: {error.strerror}") from None

    def shown(self, path: Path) -> str:
        """Return a path as the specification's folder sees it, with forward slashes."""
        return shown_path(self.folder, path)


def shown_path(folder: Path, path: Path) -> str:
    """Return a path as a folder sees it, with forward slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def find_files(folder: Path, patterns: str | list[str], where: str) -> list[Path]:
    """Return the files that patterns match, sorted by their paths, each once.

    Parameters
    ----------
    folder : Path
        That the patterns are relative to.
    patterns : str or list of str
        Such as ``textures/**/*.png``.
    where : str
        Their place in the specification.

    Raises
    ------
    DatasetError
        One matches no file, or is no pattern.
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
