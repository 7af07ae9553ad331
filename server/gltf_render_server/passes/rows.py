"""The rows of the table of passes: the meaning of each pass, and how it is computed from a view's renders.

Conventions of all passes: the camera's axes are glTF's (x right, y up, z towards the viewer). The world and
the objects have the axes of the client's file. A pixel is sampled at its centre. Where there is no value,
floating-point passes are NaN, except that depth and distance are infinite; numbers are 0, except that labels
are 32764.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RenderError
from ..labels import DONT_CARE, label_number
from ..scene import Scene
from .hits import normals_of_points, ray_grid, rotated
from .table import Render, add_row
from .views import ViewRender

__all__: list[str] = []


def _color(render: ViewRender) -> NDArray[np.uint8]:
    """What the scene looks like, (height, width, 3 or 4) uint8, display-referred; alpha 255 = opaque."""
    return render.colour


def _color_linear(render: ViewRender) -> NDArray[np.float32]:
    """The light that the camera receives, (height, width, 3 or 4) float32, linear Rec. 709.

    It is of the same render as `color`, before exposure and view transform. Where the background is
    transparent, colours are premultiplied by alpha, the fourth channel.
    """
    return render.linear


def _depth(render: ViewRender) -> NDArray[np.float32]:
    """The distance along the optical axis of what is met first, (height, width) float32, m; inf = nothing."""
    return render.exact.depth


def _distance(render: ViewRender) -> NDArray[np.float32]:
    """The distance from the camera of what is met first, (height, width) float32, m; inf = nothing.

    It is the depth times the length of the ray that ends at depth 1.
    """
    x, y = ray_grid(render.view.lens)
    length = np.sqrt(x * x + (y * y + 1.0)[:, None])
    return (render.exact.depth * length).astype(np.float32)


def _label(render: ViewRender) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """The number of the material's label, (height, width); 32764 (Drake's "don't care") = none.

    It is red + 256 green + 65536 blue of the material's base colour, as Drake writes labels.
    """
    scene = render.scene
    numbers = [DONT_CARE if colour is None else label_number(colour) for colour in scene.labels]
    by_primitive = np.array(numbers, LABEL.dtype_in(scene))
    exact = render.exact_of(LABEL.shows(scene))
    return exact.looked_up(by_primitive[scene.placements.primitive], DONT_CARE)


def _instance(render: ViewRender) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """The number of the object, (height, width), from 1; 0 = nothing, or nothing of the scene's.

    The objects of a .blend have the numbers after the scene's, where the server is told to number them.
    """
    exact, scene = render.exact, render.scene
    numbers = exact.looked_up((scene.placements.instance + 1).astype(INSTANCE.dtype_in(scene)), 0)
    if exact.others is not None:
        if len(scene.instances) + len(exact.others.matrix) > np.iinfo(numbers.dtype).max:
            raise RenderError(
                "the scene and the .blend together have too many objects for numbers of 16 bits"
            )
        is_numbered = exact.others.index >= 0
        numbers[is_numbered] = len(scene.instances) + 1 + exact.others.index[is_numbered]
    return numbers


def _material(render: ViewRender) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """The document's number of the material, plus 1, (height, width); 0 = nothing, or no material."""
    scene = render.scene
    numbers = [0 if item.material is None else item.material + 1 for item in scene.primitives]
    by_primitive = np.array(numbers, MATERIAL.dtype_in(scene))
    return render.exact.looked_up(by_primitive[scene.placements.primitive], 0)


def _normal(render: ViewRender) -> NDArray[np.float32]:
    """The shading normal in the camera's axes, (height, width, 3) float32, of length 1; NaN = nothing.

    The camera's axes are x right, y up, z towards the viewer. The normal is the file's NORMAL attribute, or
    else what colour is shaded by, without normal maps. Where a surface is seen from behind, it is turned
    round, as it is shaded. Objects of a .blend are shaded with their normal maps.
    """
    return render.normals


def _normal_world(render: ViewRender) -> NDArray[np.float32]:
    """The shading normal in the world's axes, (height, width, 3) float32, of length 1; NaN = nothing."""
    return rotated(render.view.camera_to_world[:3, :3], render.normals)


def _normal_geometric(render: ViewRender) -> NDArray[np.float32]:
    """The normal of the triangle itself, in the camera's axes, (height, width, 3) float32; NaN = nothing.

    It points to the camera's side. That of a .blend's objects is told from the points around it.
    """
    normals = render.hits.image(render.hits.geometric_normals)
    is_other = render.exact.is_other
    if is_other.any():
        normals[is_other] = normals_of_points(render.camera_points)[is_other]
    return normals


def _position(render: ViewRender) -> NDArray[np.float32]:
    """The point that is met first, in the world, (height, width, 3) float32, m; NaN = nothing."""
    return render.points.astype(np.float32, order="C")


def _object_coordinates(render: ViewRender) -> NDArray[np.float32]:
    """The point in its object's own axes, (height, width, 3) float32, in the object's unit; NaN = nothing.

    The object's matrix, as the frame's instances tell it, brings it back to the world. Where that matrix is
    flat, the point is the one of least length.
    """
    return render.object_points.astype(np.float32, order="C")


def _nocs(render: ViewRender) -> NDArray[np.float32]:
    """The point in its object's box, (height, width, 3) float32: 0 to 1 along each of the object's axes.

    NaN = nothing, or nothing of the scene's. The box is that of all the object's surfaces in the object's
    axes. Where it is flat, the value is 0.5.
    """
    low, high = render.object_boxes
    is_flat = high <= low
    scale = np.where(is_flat, 0.0, 1.0 / np.where(is_flat, 1.0, high - low))
    offset = np.where(is_flat, 0.5, -low * scale)
    which = render.exact.looked_up(render.scene.placements.instance, -1)
    found = np.empty(render.object_points.shape, np.float32)
    for axis in range(3):
        plane = render.object_points[..., axis] * np.append(scale[:, axis], np.nan).take(which)
        plane += np.append(offset[:, axis], np.nan).take(which)
        found[..., axis] = plane.clip(0.0, 1.0, out=plane)
    return found


def _uv(render: ViewRender) -> NDArray[np.float32]:
    """The first texture coordinates, (height, width, 2) float32, v pointing down; NaN = there are none."""
    return render.hits.image(render.hits.texcoords)


def _largest_instance(scene: Scene) -> int:
    return len(scene.instances)


def _largest_label(scene: Scene) -> int:
    return max((label_number(colour) for colour in scene.labels if colour), default=0)


def _largest_material(scene: Scene) -> int:
    return max((item.material or 0 for item in scene.primitives), default=0) + 1


def _is_labelled(scene: Scene) -> NDArray[np.bool_]:
    is_shown = np.array([colour is not None for colour in scene.labels], bool)
    return is_shown[scene.placements.primitive]


def _unlabelled(scene: Scene) -> list[str]:
    return [
        f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]: has no material, so no label; "
        "it is painted white"
        for primitive in scene.primitives
        if primitive.material is None
    ]


_NORMAL: dict[str, Any] = {"channels": (3,), "needs_triangles": True, "span": (-1.0, 1.0)}

add_row(
    "color",
    _color,
    "uint8",
    "sRGB, or as the view transform says",
    channels=(3, 4),
    render=Render.COLOUR,
    components="RGBA",
    nothing=None,
)
add_row(
    "color_linear",
    _color_linear,
    "float32",
    "linear Rec. 709",
    channels=(3, 4),
    render=Render.LINEAR,
    components="RGBA",
    nothing=None,
)
add_row("depth", _depth, "float32", "m", nothing=np.inf)
add_row("distance", _distance, "float32", "m", nothing=np.inf)
LABEL = add_row(
    "label",
    _label,
    "uint16",
    "number",
    nothing=DONT_CARE,
    largest=_largest_label,
    shows=_is_labelled,
    remarks=_unlabelled,
)
INSTANCE = add_row("instance", _instance, "uint16", "number", largest=_largest_instance)
MATERIAL = add_row("material", _material, "uint16", "number", largest=_largest_material)
add_row("normal", _normal, "float32", "1", needs_meshes=True, **_NORMAL)
add_row("normal_world", _normal_world, "float32", "1", needs_meshes=True, **_NORMAL)
add_row("normal_geometric", _normal_geometric, "float32", "1", **_NORMAL)
add_row("position", _position, "float32", "m", channels=(3,))
add_row("object_coordinates", _object_coordinates, "float32", "unit of the object", channels=(3,))
add_row("nocs", _nocs, "float32", "1", channels=(3,), span=(0.0, 1.0))
add_row("uv", _uv, "float32", "1", channels=(2,), span=(0.0, 1.0), needs_triangles=True, needs_meshes=True)
