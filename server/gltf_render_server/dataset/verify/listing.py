"""Checks across all items: images and camera poses that occur twice, sequences in several splits."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from .report import Report
from .seen import SeenScene, SeenView

__all__ = ["Listing"]

_CELL = 1e-4  # step for the numbers of a rotation; for positions, times the distance to the nearest object


class Listing:
    """Remembers a few bytes of each view, to find what occurs twice.

    Parameters
    ----------
    report : Report
        It receives the findings.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pictures: dict[bytes, str] = {}
        self._cameras: dict[bytes, str] = {}
        self._splits: dict[str, set[str]] = {}

    def add(self, scene: SeenScene) -> None:
        """Remember the views of a scene, and report those that were there before."""
        if scene.sequence and scene.split:
            self._splits.setdefault(scene.sequence, set()).add(scene.split)
        for view in scene.views:
            if view.colour and _shows_something(view):
                # several annotation files may describe one image
                key = view.picture or view.where
                self._check("duplicates.pictures", self._pictures, view.colour[:16], view.where, key)
            if scene.scene and view.camera_to_world is not None:
                key = f"{scene.scene} {_cell(view, view.camera_to_world)}".encode()
                digest = hashlib.blake2b(key, digest_size=16).digest()
                self._check("duplicates.poses", self._cameras, digest, view.where)

    def finish(self) -> None:
        """Report sequences in several splits. A dataset of one sequence can only be split within it."""
        for sequence, splits in self._splits.items():
            leaks = len(splits) > 1 and len(self._splits) > 1
            detail = f"the sequence is in the splits {' and '.join(sorted(splits))}"
            self._report.check("splits.sequences", sequence, leaks, detail)

    def _check(self, check: str, known: dict[bytes, str], key: bytes, where: str, name: str = "") -> None:
        first = known.setdefault(key, name or where)
        is_again = first != name if name else first is not where
        what = "image" if check == "duplicates.pictures" else "camera pose"
        self._report.check(check, where, is_again, f"the {what} is the same as in {first}")


def _shows_something(view: SeenView) -> bool:
    """Whether an image shows an object; images without objects may well be identical."""
    if view.has_masks:
        return any(extent.pixels for extent in view.extents.values())
    return bool(view.objects)


def _cell(view: SeenView, pose: NDArray[np.float64]) -> list[int]:
    """Return a camera pose, rounded to steps; poses that round to the same steps count as equal."""
    places = [each.to_camera[:3, 3] for each in view.objects if each.to_camera is not None]
    reach = max(1e-9, float(np.linalg.norm(places, axis=1).min())) if places else 1.0
    # a power of two, so that the step does not differ from one view to the next
    step = 2.0 ** np.floor(np.log2(reach)) * _CELL
    with np.errstate(invalid="ignore"):
        numbers = np.nan_to_num([*(pose[:3, 3] / step), *(pose[:3, :3].ravel() / _CELL)])
    return np.round(np.clip(numbers, -1e15, 1e15)).astype(np.int64).tolist()
