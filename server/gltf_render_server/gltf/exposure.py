"""How bright lights are shown: as a viewer of glTF shows them, unless all would be dark or burnt out."""

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
"""What things may receive: pi lux show a white surface as white."""

_STEPS_PER_STOP = 4  # so that the lights stay the same while things move
_MOST_SAMPLES = 1000  # of places, of lights, and of the vertices of what is posed

Points = NDArray[np.float64]

Boxes = dict[tuple[int, int], Points]
"""By mesh and number, the least and the greatest corner, (2, 3), of what is neither posed nor morphed."""


def light_scale(scene: Scene, boxes: Boxes) -> float:
    """Return what the intensities of ``scene.lights`` are multiplied by, all alike.

    Parameters
    ----------
    scene : Scene
    boxes : dict
        Those that are known of the scene's asset; others are added, so that its next scene takes less time.

    Returns
    -------
    float
        It is 1 where the things in the scene receive between 2 and 4 lux, in the geometric mean over them;
        else the lights are made just so much brighter or darker. Shadows and cones are left out of account.
    """
    received = _received_lux(scene, boxes)
    if not received.any():  # of nothing, or by nothing
        return 1.0
    typical = np.exp(np.log(received[received > 0]).mean())
    wanted = np.clip(typical, _DIMMEST_LUX, _BRIGHTEST_LUX)
    return float(2 ** (np.round(_STEPS_PER_STOP * np.log2(wanted / typical)) / _STEPS_PER_STOP))


def _received_lux(scene: Scene, boxes: Boxes) -> Points:
    """Return what each of the things receives, (n,), if it faces the light."""
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
        nearest = np.maximum(distance, radii / 2)  # light falls on the outside
        lux += strongest / np.maximum(nearest, 1e-6) ** 2
    return lux * len(scene.lights) / max(len(lights), 1)


def _things(scene: Scene, known: Boxes) -> tuple[Points, Points]:
    """Return the middle, (n, 3), and the radius, (n,), of what stands in the world."""
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
    """Return the least and the greatest corner of a primitive, (2, 3).

    What is posed or morphed may be another at every moment, so only some of its vertices are looked at.
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
    """Take no more than can be looked at, from all over."""
    return items[np.linspace(0, len(items) - 1, min(len(items), _MOST_SAMPLES)).astype(np.intp)]
