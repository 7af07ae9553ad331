"""Writes image files. Each appears under its final name only when it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..encode import encode, encode_png
from ..false_colours import false_colours, legend
from ..passes import Pass, find_pass
from ..process.files import write_whole
from ..scene import Scene
from .cameras import AUTO

__all__ = ["Written", "write_pass"]

_FOR_PEOPLE = "colours"
_COLOUR_UNITS = "sRGB"


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes
    ----------
    path : Path
    legend : str
        The meaning of its colours; empty if they are natural, or if the file is for programs.
    """

    path: Path
    legend: str = ""


def write_pass(folder: Path, stem: str, view: str, name: str, array: Any, scene: Scene) -> Iterator[Written]:
    """Write the array of a pass, and a viewable image of it if the array itself cannot be viewed.

    Parameters
    ----------
    folder : Path
        An existing folder.
    stem : str
        The name of the model's file without its suffix, with which all image names begin.
    view, name : str
        The names of the view and of the pass. The automatic view does not appear in file names.
    array : object
        The array, as the pass's row describes it.
    scene : Scene

    Raises
    ------
    OSError
    """
    row = find_pass(name)
    beginning = stem if view == AUTO else f"{stem}.{view}"
    exact = folder / f"{beginning}.{name}.{row.storage(scene)}"
    write_whole(exact, encode(array, row, scene).data)
    yield Written(exact)
    if _needs_colours(row):
        shown = folder / f"{beginning}.{name}.{_FOR_PEOPLE}.png"
        write_whole(shown, encode_png(false_colours(array, row)).data)
        yield Written(shown, legend(array, row))


def _needs_colours(row: Pass) -> bool:
    """Return whether an image viewer cannot usefully display a pass."""
    return row.dtype != "json" and not row.unit.startswith(_COLOUR_UNITS)
