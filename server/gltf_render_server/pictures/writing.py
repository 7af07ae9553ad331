"""Where the files of a picture go, and what they are called; each is there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dataset.store import write_whole
from ..encode import encode, encode_png
from ..false_colours import false_colours, legend
from ..passes import Pass, find_pass
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
        What its colours stand for; empty = they are what they look like, or it is for programs.
    """

    path: Path
    legend: str = ""


def write_pass(folder: Path, stem: str, view: str, name: str, array: Any, scene: Scene) -> Iterator[Written]:
    """Write the array of a pass, and what shows it to a person where the first does not.

    Parameters
    ----------
    folder : Path
        Is there.
    stem : str
        Of the model's file: the names of all of its pictures begin with it.
    view, name : str
        Of the view and of the pass; the view that is framed here is not named.
    array : object
        As the pass's row describes it.
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
    """Tell whether a viewer of pictures shows nothing of a pass."""
    return row.dtype != "json" and not row.unit.startswith(_COLOUR_UNITS)
