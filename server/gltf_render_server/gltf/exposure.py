"""The scale of light intensities: as in a glTF viewer, unless the image would be dark or overexposed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..limits import ask_time
from ..scene import Primitive, Scene
from .content import Content, content_of
from .geometry import read_attribute, vertex_count
from .lights import read_light

__all__ = ["Boxes", "light_scale"]

_DIMMEST_LUX, _BRIGHTEST_LUX = 2.0, 4.0
"""The accepted range of illuminance. A white surface that receives pi lux appears white."""

_STEPS_PER_STOP = 4  # quantised, so that the brightness of lights stays the same while objects move
_MOST_SAMPLES = 1000  # the limit for the numbers of placements, of lights, and of vertices of deformed meshes

Points = NDArray[np.float64]

Boxes = dict[tuple[int, int], Points]
"""By mesh and number, the lowest and highest corners, (2, 3), of primitives without skin and morph targets.
"""


def light_scale(scene: Scene, boxes: Boxes) -> float:
    """Return the common factor for the intensities of ``scene.lights``.

    Parameters
    ----------
    scene : Scene
    boxes : dict
        The cached boxes of the scene's asset. New ones are added, which saves time for later scenes of the
        asset.

    Returns
    -------
    float
        The factor is 1 if the geometric mean of the illuminance over the scene's objects is between 2 and 4
        lux. Otherwise, it scales the lights just enough to reach that range. Shadows and spot cones are
        ignored.
    """
    received = _received_lux(scene, boxes)
    if not received.any():  # no objects, or no light reaches them
        return 1.0
    typical = np.exp(np.log(received[received > 0]).mean())
    wanted = np.clip(typical, _DIMMEST_LUX, _BRIGHTEST_LUX)
    return float(2 ** (np.round(_STEPS_PER_STOP * np.log2(wanted / typical)) / _STEPS_PER_STOP))


def _received_lux(scene: Scene, boxes: Boxes) -> Points:
    """Return the illuminance of each object, (n,), on a surface that faces the light."""
    centres, radii = _things(scene, boxes)
    lux = np.zeros(len(centres))
    lights = _spread(np.arange(len(scene.lights)))
    for placement in lights.tolist():
        ask_time()
        light = read_light(content_of(scene), scene.lights[placement].light)
        strongest = light.intensity * max(light.colour)
        if light.type == "directional":
            lux += strongest
            continue
        distance = np.linalg.norm(centres - scene.lights[placement].matrix[:3, 3], axis=1)
        nearest = np.maximum(distance, radii / 2)  # a light inside an object still shines on its outside
        lux += strongest / np.maximum(nearest, 1e-6) ** 2
    return lux * len(scene.lights) / max(len(lights), 1)


def _things(scene: Scene, known: Boxes) -> tuple[Points, Points]:
    """Return the centres, (n, 3), and the radii, (n,), of the bounding spheres of objects in the world."""
    some = _spread(np.arange(len(scene.placements)))
    primitives, which = np.unique(scene.placements.primitive[some], return_inverse=True)
    content = content_of(scene)
    boxes = [_box(content, scene.primitives[index], known) for index in primitives.tolist()]
    low, high = np.moveaxis(np.array(boxes).reshape(-1, 2, 3)[which.reshape(-1)], 1, 0)
    matrix = scene.placements.matrix[some]
    centres = np.einsum("nij,nj->ni", matrix[:, :3, :3], (low + high) / 2) + matrix[:, :3, 3]
    halves = np.einsum("nij,nj->ni", np.abs(matrix[:, :3, :3]), (high - low) / 2)
    return centres, np.linalg.norm(halves, axis=1)


def _box(content: Content, primitive: Primitive, known: Boxes) -> Points:
    """Return the lowest and highest corners of a primitive, (2, 3).

    A skinned or morphed primitive may change at every moment, so only a sample of its vertices is examined.
    """
    ask_time()
    if primitive.pose or any(primitive.weights):
        count = vertex_count(content, primitive)
        return _ends(read_attribute(content, primitive, "POSITION", -(-count // _MOST_SAMPLES)))
    place = (primitive.mesh, primitive.number)
    if place not in known:
        known[place] = _ends(read_attribute(content, primitive, "POSITION"))
    return known[place]


def _ends(points: NDArray[np.float32]) -> Points:
    return np.array([points.min(0), points.max(0)], float)


def _spread(items: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return an evenly spread sample of limited size."""
    return items[np.linspace(0, len(items) - 1, min(len(items), _MOST_SAMPLES)).astype(np.intp)]
