"""The specification of a dataset: types for its TOML file, which also define its JSON schema."""

from __future__ import annotations

import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from ..errors import DatasetError, RenderServerError
from ..frame import ALPHA_THRESHOLD, When
from ..mismatch import what_and_where
from ..passes import Render, find_pass
from ..settings import Engine, UpAxis
from .cameras import Camera, check_cameras
from .choices import matches
from .formats import find_format
from .item import Extras, categorise_by_name
from .looks import LookChoices
from .mistakes import helped
from .sources import AnySource, FunctionSource, ObjectsSource, RecordingSource
from .variation import Vary

__all__ = ["Categories", "RendererChoice", "Specification", "read_specification", "schema"]

LOOK_OF_BLENDER = ("environment", "rotation_deg", "strength", "view_transform", "quality", "samples")
"""Keys of a look that the back end vtk does not support."""

RENDERS_OF_VTK = frozenset({Render.COLOUR, Render.EXACT})

_SPLIT_NAME = re.compile(r"\w{1,64}([.-]\w{1,64}){0,8}")
_ROUNDING = 1e-9
_PASSES = ["color", "depth", "instance", "instances"]
_TITLE = "Dataset of glTF Render Server"


class Categories(Struct, frozen=True, forbid_unknown_fields=True):
    """What objects are called by, in annotations."""

    names: Annotated[
        dict[str, str | list[str]],
        Meta(
            description="Glob patterns of nodes' names for each category. Categories are numbered in "
            "this order."
        ),
    ] = {}
    background: Annotated[
        str | list[str], Meta(description="Glob patterns of the names of nodes that are not annotated.")
    ] = []
    others: Annotated[
        Literal["name", "background"],
        Meta(
            description="What becomes of objects that no pattern matches. name: their category is "
            "`category` of their "
            "extras, or else their name without numbers; background: they are not annotated."
        ),
    ] = "name"

    def categorise(self, name: str, extras: Extras) -> str | None:
        """Return the category of an object from its node's name and extras; None = it is background."""
        if matches(name, self.background):
            return None
        for category, patterns in self.names.items():
            if matches(name, patterns):
                return category
        return categorise_by_name(name, extras) if self.others == "name" else None


class RendererChoice(Struct, frozen=True, forbid_unknown_fields=True):
    """What renders, as far as pictures depend on it. Servers that are running have options of their own."""

    backend: Annotated[
        str, Meta(description="blender; or vtk, which renders many pictures a second, without shadows.")
    ] = "blender"
    engine: (
        Annotated[
            Engine,
            Meta(
                description="Blender's engine for colour; the exact passes are the same with both. Default: "
                "cycles, or the .blend file's."
            ),
        ]
        | None
    ) = None
    blend_file: (
        Annotated[
            str, Meta(description="A .blend file that the objects are placed in, relative to this file.")
        ]
        | None
    ) = None
    number_blend_objects: Annotated[
        bool,
        Meta(
            description="Whether the objects of the .blend file are numbered and listed as instances, after "
            "those of the scene."
        ),
    ] = False

    @property
    def has_qualities(self) -> bool:
        """Whether the renderer has quality presets, and no .blend file sets its quality."""
        return self.backend == "blender" and self.blend_file is None


class Specification(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dataset: what it is of, from where it is seen, how it is lit, and what is written of it."""

    source: AnySource
    seed: Annotated[int, Meta(ge=0, le=2**62, description="Seed of all random choices.")] = 0
    cameras: Annotated[list[Camera], Meta(max_length=64)] = []
    look: LookChoices = LookChoices()
    vary: Vary = Vary()
    draw_per: Annotated[
        Literal["scene", "item"],
        Meta(
            description="Whether look and variation are chosen once for each scene, or anew for each of "
            "its items."
        ),
    ] = "scene"
    passes: Annotated[
        list[str], Meta(description="Passes to render. Passes that the formats need are added.")
    ] = field(default_factory=_PASSES.copy)
    formats: Annotated[list[str], Meta(description="Formats to write when all items are rendered.")] = []
    categories: Categories = Categories()
    split: Annotated[
        dict[str, Annotated[float, Meta(ge=0, le=1)]],
        Meta(description="Splits besides train: for each name, its share of the scenes."),
    ] = {}
    given_up_axis: (
        Annotated[
            UpAxis,
            Meta(
                description="Axis of the files that points up. Default: y, as glTF says, and z for a "
                "recording, as Drake writes it."
            ),
        ]
        | None
    ) = field(default=None, name="up_axis")
    alpha_threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="Least alpha with which surfaces of the mode BLEND are solid in the exact passes; "
            "null = all surfaces are solid."
        ),
    ] = ALPHA_THRESHOLD
    renderer: RendererChoice = RendererChoice()

    @property
    def up_axis(self) -> UpAxis:
        """Axis of the files that points up."""
        return self.given_up_axis or ("z" if isinstance(self.source, RecordingSource) else "y")

    @property
    def all_passes(self) -> tuple[str, ...]:
        """Names of the passes, including those that the formats need."""
        needed = (name for each in self.formats for name in find_format(each).passes)
        return tuple(dict.fromkeys((*self.passes, *needed)))

    @property
    def moments(self) -> set[When]:
        """The other moments that the passes need."""
        return {row.moment for name in self.all_passes if (row := find_pass(name)).moment}

    def check(self) -> None:
        """Check that the values fit together.

        Raises
        ------
        DatasetError, RequestError
            They do not; the message says where.
        """
        for name in self.all_passes:
            find_pass(name)
        if len(set(self.passes)) < len(self.passes):
            raise DatasetError("passes: a pass is named twice; name each only once")
        if len(set(self.formats)) < len(self.formats):
            raise DatasetError("formats: a format is named twice; name each only once")
        if not self.all_passes:
            raise DatasetError("passes: there are none, so nothing would be rendered; name at least one")
        self._check_split()
        check_cameras(self.cameras)
        self._check_motion()
        if self.renderer.backend == "vtk":
            self._check_vtk()
        decides_itself = isinstance(self.source, RecordingSource | FunctionSource)
        if not self.cameras and not decides_itself:
            raise DatasetError(
                "cameras: there are no cameras; add a table [[cameras]] with width, height and poses"
            )
        if self.cameras and isinstance(self.source, FunctionSource):
            raise DatasetError("cameras: the function chooses the views itself; leave the cameras out")

    def _check_split(self) -> None:
        """Check that shares are possible, and that each split can have files and folders of its own."""
        if math.fsum(self.split.values()) > 1 + _ROUNDING:
            raise DatasetError(
                f"split: the shares add up to {sum(self.split.values()):g}, which is more than 1"
            )
        if "train" in self.split:
            raise DatasetError('split: leave "train" out; it gets the scenes that no other split gets')
        known = {"train"}
        for name in self.split:
            if not _SPLIT_NAME.fullmatch(name):
                raise DatasetError(
                    f"split: the name {name[:40]!r} is not possible, because files and folders are named "
                    "after splits; use letters, digits and _, and single dots or - between them"
                )
            if name.casefold() in known:
                raise DatasetError(f"split: {name!r} differs from another split only in case")
            known.add(name.casefold())
        for name in self.formats:
            find_format(name).check_splits(self.split)

    def _check_motion(self) -> None:
        source = self.source
        stands = isinstance(source, ObjectsSource) or getattr(source, "views_per_item", 1) > 1
        moving = [name for name in self.all_passes if find_pass(name).moment]
        if stands and moving:
            raise DatasetError(
                f"passes: {moving[0]} shows motion, but nothing moves between the poses of one item; leave "
                "it out, or use a scene with views_per_item = 1, or an animation"
            )

    def _check_vtk(self) -> None:
        for name in self.all_passes:
            if find_pass(name).render not in RENDERS_OF_VTK:
                raise DatasetError(
                    f"passes: the back end vtk cannot render {name}; leave it out, or use blender"
                )
        for name in LOOK_OF_BLENDER:
            if getattr(self.look, name) is not None:
                raise DatasetError(
                    f"look.{name}: the back end vtk does not support this; leave it out, or use blender"
                )


def read_specification(path: Path) -> Specification:
    """Read a TOML or JSON file and check all of it.

    Raises
    ------
    DatasetError
        The file cannot be read, or does not match the types; the message says what is wrong and where.
    """
    try:
        data = path.read_bytes().removeprefix(BOM_UTF8)  # which some editors of Windows write
        raw = msgspec.json.decode(data) if path.suffix == ".json" else msgspec.toml.decode(data)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: {error}") from None
    return convert(raw, str(path))


def convert(raw: Any, where: str) -> Specification:
    """Convert decoded data to a specification, and check it.

    Parameters
    ----------
    raw : Any
        Data that was read from a file or made by a program.
    where : str
        Where the data come from, for the message of an error.

    Raises
    ------
    DatasetError
        The data do not match the types; the message says what is wrong and where.
    """
    try:
        specification = msgspec.convert(raw, Specification)
        specification.check()
    except msgspec.ValidationError as error:
        what, place = helped(*what_and_where(error), raw, schema(), _same_error(error))
        raise DatasetError(f"{where}: {place or 'file'}: {what}") from None
    except RenderServerError as error:
        raise DatasetError(f"{where}: {error}") from None
    return specification


def _same_error(error: msgspec.ValidationError) -> Callable[[Any], bool]:
    """Return a function that tells whether other data have the same error."""

    def is_same(raw: Any) -> bool:
        try:
            msgspec.convert(raw, Specification)
        except msgspec.ValidationError as other:
            return str(other) == str(error)
        return False

    return is_same


def schema() -> dict[str, Any]:
    """Return the JSON schema of a specification, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        **msgspec.json.schema(Specification),
    }
