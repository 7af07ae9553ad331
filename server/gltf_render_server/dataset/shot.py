"""What one item of a dataset shows, as data: it is made into a frame here, or sent to a server."""

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
    """A glTF file with all of its resources inside.

    Attributes
    ----------
    data : bytes
        GLB, or JSON with embedded resources.
    path : Path or None
        The file that it was read from; None = it was put together.
    """

    data: bytes
    path: Path | None = None

    @cached_property
    def sha256(self) -> str:
        """Digest of the bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, eq=False)
class ShotMoment:
    """How nodes and cameras stand at another moment; see `frame.Moment`.

    Attributes
    ----------
    poses, time_s
        As those of the shot.
    cameras : tuple of (4, 4) float64
        The `View.camera_to_world` of each of the shot's views then.
    """

    poses: Mapping[str, Matrix]
    time_s: float
    cameras: tuple[Matrix, ...]


@dataclass(frozen=True, eq=False)
class Shot:
    """All that an item shows, independent of who renders it.

    Attributes
    ----------
    document : Document
    views : tuple of View
        At least one; the names are unique.
    passes : tuple of str
        Names of rows of the table of passes, at least one.
    look : Look
    poses : mapping of str to (4, 4) float64
        World matrices that nodes have instead of their own, by the nodes' names.
    time_s : float
        When the document's animation is shown.
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
        """Return what a renderer needs.

        Parameters
        ----------
        asset : Asset
            The document, read.

        Raises
        ------
        RequestError
            A pose is none, or names no node, or several.
        SceneError
            What is drawn is not possible in these poses.
        """
        moments = {
            when: Moment(asset.scene(moment.poses, moment.time_s), moment.cameras)
            for when, moment in self.moments.items()
        }
        scene = asset.scene(self.poses, self.time_s)
        return Frame(
            scene, self.views, self.passes, self.look, alpha_threshold=self.alpha_threshold, **moments
        )
