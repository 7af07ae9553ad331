"""The dataset options of a scene, which are saved with it, and the job for a child Blender."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import bpy

from .dataset_specification import MOST_CAMERAS
from .gltf_render_server.environments import DEFAULT_ENVIRONMENT, ENVIRONMENTS, NO_ENVIRONMENT
from .gltf_render_server.settings import DEFAULT_QUALITY, QUALITIES
from .rendered import SURFACES, gltf_knows_light, objects

__all__ = [
    "FILE_LIGHT",
    "DatasetError",
    "DatasetProperties",
    "choices_of",
    "folder_of",
    "job_of",
    "what_is_left_out",
]

FILE_LIGHT = "FILE"
"""The choice to use the lighting of the file."""

_AROUND = {"ORBIT", "HEMISPHERE"}
_MOST_BOXES = 32  # Blender's limit for a vector property


class DatasetError(Exception):
    """The dataset cannot be made with these options. The message says why, and what to do."""


@cache
def choices_of(kind: str) -> tuple[str, ...]:
    """Return the names of all passes or formats. This imports their tables, which need the wheels."""
    if kind == "passes":
        from .gltf_render_server.passes import PASSES

        return tuple(PASSES)
    from .gltf_render_server.dataset.formats import FORMATS

    return tuple(FORMATS)


def _boxes(kind: str, description: str) -> Any:
    """Return a property with a checkbox for each name. The names of the checked boxes are stored."""

    def get(own: Any) -> list[bool]:
        ticked = getattr(own, f"{kind}_names").split()
        ticks = [name in ticked for name in choices_of(kind)]
        return ticks + [False] * (_MOST_BOXES - len(ticks))

    def put(own: Any, ticks: Any) -> None:
        named = zip(choices_of(kind), ticks, strict=False)
        setattr(own, f"{kind}_names", " ".join(name for name, is_ticked in named if is_ticked))

    return bpy.props.BoolVectorProperty(
        name=kind.title(), description=description, size=_MOST_BOXES, get=get, set=put
    )


def _environments() -> list[tuple[str, str, str]]:
    return [
        *(
            (name, name.title(), "An HDRI that Blender brings, and the scene's lights")
            for name in ENVIRONMENTS
        ),
        (NO_ENVIRONMENT, "None", "Only the scene's lights"),
        (FILE_LIGHT, "This File's", "World, lights and render settings of this file, as they are now"),
    ]


class DatasetProperties(bpy.types.PropertyGroup):
    """The dataset options of a scene; saved with it."""

    folder: bpy.props.StringProperty(
        name="Folder",
        description="Where the specification and the scene are written; // is the folder of this file",
        subtype="DIR_PATH",
        default="//dataset/",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5) else set(),
    )
    cameras: bpy.props.EnumProperty(
        name="Cameras",
        description="From where the scene is seen",
        items=[
            ("ORBIT", "Orbit", "A ring around what is looked at, in equal steps"),
            ("HEMISPHERE", "Hemisphere", "Poses from above, spread evenly"),
            ("ALL", "All Cameras", "Every camera of the scene"),
            ("ACTIVE", "Active Camera", "The scene's camera"),
        ],
    )
    around: bpy.props.EnumProperty(
        name="Around",
        description="What the cameras look at",
        items=[
            ("SCENE", "Scene", "The middle of all that is rendered"),
            ("SELECTION", "Selected", "The middle of the selected objects"),
        ],
    )
    count: bpy.props.IntProperty(name="Count", description="How many poses", default=50, min=1, max=100_000)
    fov_deg: bpy.props.FloatProperty(
        name="Field of View", description="Vertical, in degrees", default=40.0, min=1.0, max=170.0
    )
    width: bpy.props.IntProperty(name="Width", description="In pixels", default=640, min=16, max=16384)
    height: bpy.props.IntProperty(name="Height", description="In pixels", default=480, min=16, max=16384)
    moments: bpy.props.EnumProperty(
        name="Time",
        description="When the scene is shown",
        items=[
            ("STILL", "This Frame", "The scene as it is at the current frame; an item for each pose"),
            ("ANIMATION", "Frame Range", "An item for each frame of the scene's range, at its frame rate"),
        ],
    )
    passes_names: bpy.props.StringProperty(default="color depth instance instances")
    passes: _boxes("passes", "Whether this is stored of each view")
    formats_names: bpy.props.StringProperty()
    formats: _boxes("formats", "Whether the dataset is written in this format, too, when all of it is there")
    quality: bpy.props.EnumProperty(
        name="Quality",
        description="Samples of colour",
        items=[(name, name.title(), what[0].upper() + what[1:]) for name, what in QUALITIES.items()],
        default=DEFAULT_QUALITY,
    )
    light: bpy.props.EnumProperty(
        name="Light",
        description="What lights the scene",
        items=_environments(),
        default=DEFAULT_ENVIRONMENT,
    )

    @property
    def is_around(self) -> bool:
        """Whether the cameras are generated, instead of using the scene's own."""
        return self.cameras in _AROUND

    def ticked(self, kind: str) -> list[str]:
        """Return the names of the passes or formats that are checked and known."""
        names = getattr(self, f"{kind}_names").split()
        return [name for name in choices_of(kind) if name in names]


def folder_of(own: DatasetProperties) -> Path:
    """Return the chosen folder.

    Raises
    ------
    DatasetError
    """
    if not own.folder.strip():
        raise DatasetError("Choose a folder for the dataset first")
    if own.folder.startswith("//") and not bpy.data.filepath:
        raise DatasetError("Save this file first, or choose a folder that does not begin with //")
    return Path(bpy.path.abspath(own.folder)).absolute()


def job_of(scene: Any, selected: list[Any], depsgraph: Any) -> dict[str, Any]:
    """Return the job for the child Blender, as a JSON value.

    Parameters
    ----------
    scene : bpy.types.Scene
    selected : list of bpy.types.Object
    depsgraph : bpy.types.Depsgraph

    Raises
    ------
    DatasetError
        There is no camera, or nothing visible.
    """
    own = scene.gltf_render_server.dataset
    shown = objects(scene)
    if not any(item.type in SURFACES or item.instance_type == "COLLECTION" for item in shown):
        raise DatasetError("The scene renders no object: show one in renders first")
    if not own.ticked("passes"):
        raise DatasetError("No pass is ticked: tick color at least")
    cameras = [] if own.is_around else _cameras(own, scene)
    return {
        "scene": scene.name,
        "around": _around(own, [item for item in selected if item in shown], depsgraph)
        if own.is_around
        else None,
        "cameras": [item.name for item in cameras],
        "shifts": {item.name: _shift(item.data) for item in cameras},
        "width": own.width,
        "height": own.height,
        "animation": own.moments == "ANIMATION",
        "passes": own.ticked("passes"),
        "formats": own.ticked("formats"),
        "quality": own.quality,
        "light": own.light,
    }


def what_is_left_out(scene: Any) -> str:
    """Describe in a sentence which light of a scene its dataset will lack with these options."""
    light = scene.gltf_render_server.dataset.light
    if light == FILE_LIGHT:
        return "World and lights are those of this file, as they stand at this frame"
    world = (
        "the world gives no light" if light == NO_ENVIRONMENT else f"the world is replaced by {light.title()}"
    )
    lost = [item for item in objects(scene) if item.type == "LIGHT" and not gltf_knows_light(item)]
    areas = (
        f"; {len(lost)} area light{'s are' if len(lost) > 1 else ' is'} left out, as glTF has none"
        if lost
        else ""
    )
    return f"The scene's lights are taken, and {world}{areas}"


def _cameras(own: DatasetProperties, scene: Any) -> list[Any]:
    if own.cameras == "ACTIVE":
        if scene.camera is None or scene.camera.type != "CAMERA":
            raise DatasetError("The scene has no active camera: set one, or choose Orbit")
        found = [scene.camera]
    else:
        found = sorted((item for item in scene.objects if item.type == "CAMERA"), key=lambda item: item.name)
    if not found:
        raise DatasetError("The scene has no camera: add one, or choose Orbit")
    if other := [item.name for item in found if item.data.type != "PERSP"]:
        raise DatasetError(f"The camera {other[0]} has no perspective: choose other cameras, or Orbit")
    if len(found) > MOST_CAMERAS:
        raise DatasetError(f"The scene has {len(found)} cameras, and a dataset at most {MOST_CAMERAS}")
    return found


def _shift(lens: Any) -> dict[str, Any]:
    return {"x": lens.shift_x, "y": lens.shift_y, "fit": lens.sensor_fit}


def _around(own: DatasetProperties, selected: list[Any], depsgraph: Any) -> dict[str, Any]:
    """Return the target of generated cameras, with a box in Blender's world if objects are selected."""
    around = {"kind": own.cameras.lower(), "count": own.count, "fov_deg": own.fov_deg, "box": None}
    if own.around == "SELECTION":
        corners = [
            item.matrix_world @ _vector(corner)
            for item in (item.evaluated_get(depsgraph) for item in selected if item.type in SURFACES)
            for corner in item.bound_box
        ]
        if not corners:
            raise DatasetError("No object is selected that renders: select one, or choose Scene")
        low, high = ([pick(corner[axis] for corner in corners) for axis in range(3)] for pick in (min, max))
        if not math.dist(low, high):
            raise DatasetError("What is selected has no size: select something else, or choose Scene")
        around["box"] = [low, high]
    return around


def _vector(corner: Any) -> Any:
    from mathutils import Vector

    return Vector(corner)
