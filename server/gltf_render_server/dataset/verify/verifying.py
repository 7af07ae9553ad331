"""Reads a dataset once, item by item, and applies every check to it."""

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
    """Prove a dataset: our own store, or one in the layout of BOP, COCO or BlenderProc's HDF5.

    Parameters
    ----------
    path : str or Path
        The dataset's folder. Its layout is recognised by its files.
    progress : callable, optional
        It is called after each item, with the number of finished items and the number of all items.
    every : int
        The images of every Nth item are checked. The files of all items are read in any case.

    Returns
    -------
    Report
        The findings. `Report.is_good` is true if there are no faults.

    Raises
    ------
    DatasetError
        The folder holds no dataset in a known layout, or a package that reads the layout is missing.
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
    """Return each view together with the view before it, if both show the same objects."""
    is_same = last is not None and scene.scene and last.scene == scene.scene
    views: list[SeenView] = [*(last.views[-1:] if last and is_same else []), *scene.views]
    return [SeenPair(first, second) for first, second in pairwise(views)]


def _kept(scene: SeenScene) -> SeenScene:
    """Return the scene with its last view only, which is compared with the next scene's first view."""
    return SeenScene(scene.where, scene.views[-1:], scene.sequence, scene.split, scene.scene)
