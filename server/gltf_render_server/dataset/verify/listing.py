"""What is told only by all items together: pictures and cameras that come twice, sequences in two splits."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from .check import Measured
from .report import Report
from .seen import SeenScene, SeenView

__all__ = ["Listing"]

_CELL = 1e-4  # of the distance to the nearest object, and of a rotation's numbers


class Listing:
    """Remembers some bytes of each view.

    Parameters
    ----------
    report : Report
        Is told what comes twice.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pictures: dict[bytes, str] = {}
        self._cameras: dict[bytes, str] = {}
        self._splits: dict[str, set[str]] = {}

    def add(self, scene: SeenScene) -> None:
        """Take note of a scene."""
        if scene.sequence and scene.split:
            self._splits.setdefault(scene.sequence, set()).add(scene.split)
        for view in scene.views:
            if view.colour and _shows_something(view):
                # several files of annotations may be of one picture
                key = view.picture or view.where
                self._tell("duplicates.pictures", self._pictures, view.colour[:16], view.where, key)
            if scene.scene and view.camera_to_world is not None:
                key = f"{scene.scene} {_cell(view, view.camera_to_world)}".encode()
                digest = hashlib.blake2b(key, digest_size=16).digest()
                self._tell("duplicates.poses", self._cameras, digest, view.where)

    def finish(self) -> None:
        """Tell of what all scenes together say; one alone can only be split between its own pictures."""
        for sequence, splits in self._splits.items():
            leaks = len(splits) > 1 and len(self._splits) > 1
            detail = f"it is in {' and in '.join(sorted(splits))}" if leaks else ""
            self._report.add("splits.sequences", sequence, Measured(1.0 * leaks, detail=detail))

    def _tell(self, check: str, known: dict[bytes, str], key: bytes, where: str, name: str = "") -> None:
        first = known.setdefault(key, name or where)
        is_again = first != name if name else first is not where
        detail = f"the same as {first}" if is_again else ""
        self._report.add(check, where, Measured(1.0 * is_again, detail=detail))


def _shows_something(view: SeenView) -> bool:
    """Whether there is an object in a picture; where nothing is, all pictures are the same."""
    return not view.tells_masks or any(extent.pixels for extent in view.extents.values())


def _cell(view: SeenView, pose: NDArray[np.float64]) -> list[int]:
    """Return a camera's pose in steps; poses in the same steps are alike."""
    places = [each.to_camera[:3, 3] for each in view.objects if each.to_camera is not None]
    reach = max(1e-9, float(np.linalg.norm(places, axis=1).min())) if places else 1.0
    # reach is rounded to a power of two, lest it differ from one view to the next
    step = 2.0 ** np.floor(np.log2(reach)) * _CELL
    with np.errstate(invalid="ignore"):
        numbers = np.nan_to_num([*(pose[:3, 3] / step), *(pose[:3, :3].ravel() / _CELL)])
    return np.round(np.clip(numbers, -1e15, 1e15)).astype(np.int64).tolist()
