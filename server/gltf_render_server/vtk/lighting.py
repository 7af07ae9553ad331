"""Lighting: the scene's own lights, or a sun and a sky if it has none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkRenderingCore import vtkLight, vtkRenderer

from ..gltf import Light, content_of, read_light
from ..scene import Scene

__all__ = ["UP", "Lighting", "light_scene"]

UP = {"z": np.array([0.0, 0.0, 1.0]), "y": np.array([0.0, 1.0, 0.0])}
"""The up axis in the client's world."""

_SUN_SIDE = 0.75  # the tangent of the sun's angle from the zenith
_SUN = 2.1
_SKY, _GROUND = (0.55, 0.56, 0.58), (0.22, 0.215, 0.21)
_NOTHING = (0.0, 0.0, 0.0)

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Lighting:
    """Ambient light, in the camera's axes.

    Attributes
    ----------
    upward : tuple of float
    sky, ground : tuple of float
        The radiance from above and below, as linear red, green and blue.
    """

    upward: tuple[float, float, float]
    sky: tuple[float, float, float] = _NOTHING
    ground: tuple[float, float, float] = _NOTHING


def light_scene(
    renderer: vtkRenderer, scene: Scene, world_to_camera: NDArray[np.float64], up: Vector
) -> Lighting:
    """Add a scene's lights, or a sun, to a renderer, and return the ambient light.

    Parameters
    ----------
    renderer : vtkRenderer
        The renderer, whose camera is at the origin.
    scene : Scene
    world_to_camera : (4, 4) float64
    up : (3,) float64
        The up axis in the client's world.
    """
    renderer.RemoveAllLights()
    upward: Any = tuple((world_to_camera[:3, :3] @ up).tolist())
    if not scene.lights:
        renderer.AddLight(_sun(world_to_camera[:3, :3], up))
        return Lighting(upward, _SKY, _GROUND)
    for placed in scene.lights:
        light = read_light(content_of(scene), placed.light)
        renderer.AddLight(_own_light(light, scene.light_scale, world_to_camera @ placed.matrix))
    return Lighting(upward)


def _sun(world_to_camera: NDArray[np.float64], up: Vector) -> vtkLight:
    """Make a light from above, in a z-up world from the diagonal -x -y, and correspondingly otherwise."""
    aside = -(1.0 - up) if up[2] else np.array([-1.0, 0.0, 1.0])
    source = world_to_camera @ (up + _SUN_SIDE / math.sqrt(2) * aside)
    return _directional(source, (1.0, 0.97, 0.92), _SUN)


def _own_light(source: Light, scale: float, to_camera: NDArray[np.float64]) -> vtkLight:
    """Make one of the scene's lights. The units are as in glTF: pi lux make white appear white."""
    backward = to_camera[:3, 2]
    light = _directional(backward, source.colour, scale * source.intensity)
    if source.type == "directional":
        return light
    light.SetPositional(True)
    light.SetPosition(*to_camera[:3, 3])
    light.SetFocalPoint(*(to_camera[:3, 3] - backward))
    light.SetAttenuationValues(0.0, 0.0, 1.0)
    light.SetConeAngle(_cone_deg(source))
    light.SetExponent(0.0)
    return light


def _directional(backward: Vector, colour: Sequence[float], intensity: float) -> vtkLight:
    light = vtkLight()
    light.SetLightTypeToSceneLight()
    light.SetPosition(*backward)
    light.SetFocalPoint(0.0, 0.0, 0.0)
    light.SetColor(*colour)
    light.SetIntensity(intensity)
    return light


def _cone_deg(source: Light) -> float:
    """Return half the opening angle of a spot, degrees. From 90 on, VTK treats it as a point light."""
    return 180.0 if source.type == "point" else min(math.degrees(source.outer_rad), 89.9)
