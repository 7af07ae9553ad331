"""Previews a dataset in seconds: a sheet of small pictures of some of its items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...decode import decode
from ...errors import DatasetError
from ...false_colours import false_colours
from ...frame import View
from ..engines import Engine, Failed, Outcome
from ..engines import Plan as AnyPlan
from ..item import Item, MadeItem, Read
from ..planning import Plan
from ..records import FileRecord, ItemRecord, Manifest, QuarantineRecord
from .objects import Colour, category_colours, colours_of_numbers, shown_pixels
from .overlay import Layer, draw_objects, tinted
from .sheet import Tile, note, sheet

__all__ = ["PreviewPlan", "preview"]

_WIDEST = 320
_PASSES = "color", "instance"
_QUALITY, _SAMPLES = "preview", 16
_MOST_COLUMNS = 4
_LAYERS: tuple[Layer, ...] = ("boxes", "names")
_JPEG_QUALITY = 88


@dataclass(frozen=True)
class PreviewPlan:
    """A plan of some items of another plan: one small view of each, at low quality.

    Attributes
    ----------
    plan : engines.Plan
    indices : tuple of int
        Indices of the items in the other plan.
    has_qualities : bool
        Whether the renderer has quality presets.
    """

    plan: AnyPlan
    indices: tuple[int, ...]
    has_qualities: bool

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """See `engines.Plan`."""
        return self.plan.name(self.indices[index])

    def item(self, index: int, read: Read) -> Item:
        """Return an item with the first view of one camera; successive items show successive cameras."""
        item = self.plan.item(self.indices[index], read)
        cameras = list(dict.fromkeys(item.cameras))
        camera = cameras[index % len(cameras)]
        view = _small(item.shot.views[item.cameras.index(camera)])
        look = item.shot.look
        if self.has_qualities:
            samples = min(look.samples or _SAMPLES, _SAMPLES)
            look = replace(look, quality=_QUALITY, samples=samples)
        shot = replace(item.shot, views=(view,), passes=_PASSES, look=look, moments={})
        return replace(item, index=index, shot=shot, cameras=(camera,))

    def manifest(self, versions: Mapping[str, str]) -> Manifest:
        """See `engines.Plan`."""
        return self.plan.manifest({**versions})


def preview(plan: Plan, engine: Engine, path: Path, items: int = 12) -> list[str]:
    """Write a sheet of small pictures of some items, spread evenly over a plan.

    Parameters
    ----------
    plan : planning.Plan
    engine : Engine
        The caller closes it.
    path : Path
        File of the picture, whose ending selects the format.
    items : int
        Largest number of items to show.

    Returns
    -------
    list of str
        A line for each item that cannot be shown, with the reason.

    Raises
    ------
    DatasetError
        The plan has no items, the ending of the picture's name is not known, or its folder does not exist.
    SettingsError
        The engine cannot make any item.
    OSError
        The picture cannot be written.
    """
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise DatasetError(f"{path}: the name of the picture must end in .png or .jpg")
    if not path.absolute().parent.is_dir():
        raise DatasetError(f"{path}: there is no folder {path.parent}; make it first")
    if not len(plan):
        raise DatasetError("preview: the specification has no items")
    spread = np.linspace(0, len(plan) - 1, max(1, min(items, len(plan))))
    indices = tuple(spread.round().astype(int).tolist())
    small = PreviewPlan(plan, indices, plan.specification.renderer.has_qualities)
    with closing(engine.run(small, range(len(small)))) as outcomes:
        found = sorted(outcomes, key=_place_of)
    made = [outcome.record for outcome in found if isinstance(outcome, MadeItem)]
    colours = _colours(plan, made)
    lens = made[0].views[0].lens if made else None
    size = (lens.width, lens.height) if lens else (_WIDEST, _WIDEST * 3 // 4)
    tiles = [_tile(outcome, indices[_place_of(outcome)], colours, size) for outcome in found]
    columns = min(_MOST_COLUMNS, math.ceil(math.sqrt(len(tiles))))
    Image.fromarray(sheet(tiles, columns, colours)).save(path, quality=_JPEG_QUALITY)
    return [
        f"item {indices[outcome.index]} ({outcome.name}): {outcome.reason}"
        for outcome in found
        if not isinstance(outcome, MadeItem)
    ]


def _small(view: View) -> View:
    """Return a view with fewer pixels that sees the same, except for rounding of its size."""
    lens = view.lens
    width = min(_WIDEST, lens.width)
    height = max(1, round(lens.height * width / lens.width))
    across, down = width / lens.width, height / lens.height
    smaller = replace(
        lens,
        width=width,
        height=height,
        focal_x=lens.focal_x * across,
        focal_y=lens.focal_y * down,
        center_x=lens.center_x * across,
        center_y=lens.center_y * down,
    )
    return replace(view, lens=smaller)


def _place_of(outcome: Outcome) -> int:
    return outcome.record.index if isinstance(outcome, MadeItem) else outcome.index


def _colours(plan: Plan, made: list[ItemRecord]) -> dict[str, Colour]:
    """Return the colours of the categories that occur; those of the specification come first."""
    used = {each.category for record in made for each in record.objects if each.category is not None}
    known = list(plan.specification.categories.names)
    colours = category_colours([*known, *sorted(used.difference(known))])
    return {name: colour for name, colour in colours.items() if name in used}


def _tile(outcome: Outcome, index: int, colours: Mapping[str, Colour], size: tuple[int, int]) -> Tile:
    if isinstance(outcome, QuarantineRecord):
        return Tile(note(outcome.reason, *size), (f"{index}: {outcome.name}", "cannot be made"))
    if isinstance(outcome, Failed):
        return Tile(note(outcome.reason, *size), (f"{index}: {outcome.name}", "failed"))
    record, [view] = outcome.record, outcome.record.views
    colour, numbers = (_array(outcome, view.files[name]) for name in _PASSES)
    shown = shown_pixels(record.objects, numbers)
    picture = tinted(false_colours(colour, "color"), numbers, colours_of_numbers(shown, colours))
    picture = draw_objects(picture, shown, colours, _LAYERS)
    objects = f"{len(shown)} object{'' if len(shown) == 1 else 's'}"
    return Tile(picture, (f"{index}: {record.name}", f"{record.split}, {view.camera}, {objects}"))


def _array(made: MadeItem, file: FileRecord) -> Any:
    return decode(made.files[file.file], file.dtype, file.count)
