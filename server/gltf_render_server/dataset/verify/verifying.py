"""Proves a dataset: reads it once, item by item, and lets every check look."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from . import checks as _fill_the_table  # noqa: F401
from .check import CHECKS, Scope
from .layouts import find_layout
from .listing import Listing
from .report import Report
from .seen import SeenPair, SeenScene, SeenView

__all__ = ["verify"]

Progress = Callable[[int, int], None]


def verify(path: str | Path, *, progress: Progress | None = None, every: int = 1) -> Report:
    """Prove a dataset: our own store, or one in the layout of BOP, COCO, or BlenderProc's HDF5.

    Parameters
    ----------
    path : str or Path
        The dataset's folder; what it is in is told by its files.
    progress : callable, optional
        Is called with the number of items done and the number of all, after each item.
    every : int
        Of how many items one is looked at as a picture; the files of all are read in any case.

    Returns
    -------
    Report
        What was found; `is_good` tells whether there are no faults.

    Raises
    ------
    DatasetError
        The folder is no dataset that is known, or a package to read it is missing.
    """
    folder = Path(path)
    layout = find_layout(folder)
    report = Report(folder, layout.name)
    reading = layout.read(folder, report)
    count, listing = len(reading), Listing(report)
    last: SeenScene | None = None
    for done, scene in enumerate(reading, start=1):
        report.scenes += 1
        report.views += len(scene.views)
        listing.add(scene)
        if (done - 1) % every == 0:
            _check(report, scene, last)
            last = _kept(scene)
        if progress is not None:
            progress(done, max(count, done))
    listing.finish()
    return report


def _check(report: Report, scene: SeenScene, last: SeenScene | None) -> None:
    for check in CHECKS.values():
        if check.scope is Scope.SCENE:
            report.add(check.name, scene.where, *check.measure(scene))
        elif check.scope is Scope.VIEW:
            for view in scene.views:
                report.add(check.name, view.where, *check.measure(view))
        elif check.scope is Scope.PAIR:
            for pair in _pairs(scene, last):
                report.add(check.name, pair.first.where, *check.measure(pair))


def _pairs(scene: SeenScene, last: SeenScene | None) -> list[SeenPair]:
    """Return each view with the one before it."""
    is_same = last is not None and scene.scene and last.scene == scene.scene
    views: list[SeenView] = [*(last.views[-1:] if last and is_same else []), *scene.views]
    return [SeenPair(first, second) for first, second in pairwise(views)]


def _kept(scene: SeenScene) -> SeenScene:
    """Return the scene with the one view that the next one is compared with."""
    return SeenScene(scene.where, scene.views[-1:], scene.sequence, scene.split, scene.scene)
