"""What an item of a dataset shows, as data that becomes a frame here or is sent to a server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frame import ALPHA_THRESHOLD, Frame, Look, Moment, View, When
from ..gltf import Asset

__all__ = ["Document", "Shot", "ShotMoment"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Document:
    """A glTF file with all of its resources embedded.

    Attributes
    ----------
    data : bytes
        GLB, or JSON with embedded resources.
    path : Path or None
        The file that the document was read from; None = it was composed in memory.
    """

    data: bytes
    path: Path | None = None

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, eq=False)
class ShotMoment:
    """Poses of nodes and cameras at another moment; see `frame.Moment`.

    Attributes
    ----------
    poses, time_s
        See `Shot`.
    cameras : tuple of (4, 4) float64
        `View.camera_to_world` at that moment, for each view of the shot.
    """

    poses: Mapping[str, Matrix]
    time_s: float
    cameras: tuple[Matrix, ...]


@dataclass(frozen=True, eq=False)
class Shot:
    """Everything that an item shows, independent of the renderer.

    Attributes
    ----------
    document : Document
    views : tuple of View
        At least one view; their names are unique.
    passes : tuple of str
        At least one name of a row in the table of passes.
    look : Look
    poses : mapping of str to (4, 4) float64
        World matrices that replace those of the document, by the names of their nodes.
    time_s : float
        Time of the document's animation.
    moments : mapping of {"before", "after"} to ShotMoment
    alpha_threshold : float or None
        See `frame.Frame`.
    """

    document: Document
    views: tuple[View, ...]
    passes: tuple[str, ...]
    look: Look = field(default_factory=Look)
    poses: Mapping[str, Matrix] = field(default_factory=dict)
    time_s: float = 0.0
    moments: Mapping[When, ShotMoment] = field(default_factory=dict)
    alpha_threshold: float | None = ALPHA_THRESHOLD

    def frame(self, asset: Asset) -> Frame:
        """Return the frame that a renderer takes.

        Parameters
        ----------
        asset : Asset
            The parsed document.

        Raises
        ------
        RequestError
            A pose is not a valid matrix, or its name matches no node or several nodes.
        SceneError
            The scene cannot be drawn in these poses.
        """
        moments = {
            when: Moment(asset.scene(moment.poses, moment.time_s), moment.cameras)
            for when, moment in self.moments.items()
        }
        scene = asset.scene(self.poses, self.time_s)
        return Frame(
            scene, self.views, self.passes, self.look, alpha_threshold=self.alpha_threshold, **moments
        )
