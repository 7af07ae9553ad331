"""The render engines, and the camera that sees the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydrake.geometry import (
    LightParameter,
    MakeRenderEngineGltfClient,
    MakeRenderEngineVtk,
    Meshcat,
    RenderEngine,
    RenderEngineGltfClientParams,
    RenderEngineVtkParams,
    RenderLabel,
    SceneGraph,
)
from pydrake.math import RigidTransform, RotationMatrix
from pydrake.systems.framework import Context, DiagramBuilder, OutputPort
from pydrake.systems.sensors import CameraConfig, RgbdSensor

from gltf_render_server.labels import DONT_CARE
from reporting import ScriptError

from .server import ServerAddress

__all__ = ["ENGINES", "EngineName", "Frame", "Viewpoint", "add_camera", "capture", "engine", "show_from_here"]

EngineName = Literal["client", "vtk"]
ENGINES: tuple[EngineName, ...] = ("client", "vtk")

_EYE, _TARGET = (0.0, -1.16, 0.64), (0.0, -0.045, 0.105)
_FOV_Y_DEGREES = 31.0
_DEPTH_RANGE_M = (0.3, 3.0)


@dataclass(frozen=True, eq=False)
class Frame:
    """The images of one camera at one moment.

    Attributes
    ----------
    color : (height, width, 3) uint8
    depth : (height, width) float32, metres along the optical axis; 0 = too close, inf = too far
    label : (height, width) uint16, the body's index; `DONT_CARE` = none
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    label: NDArray[np.uint16]


@dataclass(frozen=True)
class Viewpoint:
    """The size of the images in pixels."""

    width: int
    height: int

    def config(self, name: EngineName) -> CameraConfig:
        """Return the camera configuration for an engine."""
        return CameraConfig(
            name=name,
            renderer_name=name,
            width=self.width,
            height=self.height,
            focal=CameraConfig.FovDegrees(y=_FOV_Y_DEGREES),
            clipping_near=0.05,
            clipping_far=10.0,
            z_near=_DEPTH_RANGE_M[0],
            z_far=_DEPTH_RANGE_M[1],
        )


def engine(name: EngineName, server: ServerAddress) -> RenderEngine:
    """Create a render engine. The client engine sends its requests to `server`."""
    if name == "client":
        params = RenderEngineGltfClientParams(base_url=server.base_url, render_endpoint=server.endpoint)
        return MakeRenderEngineGltfClient(params)
    # EGL needs no display
    return MakeRenderEngineVtk(RenderEngineVtkParams(backend="EGL", lights=_vtk_lights()))


def _vtk_lights() -> list[LightParameter]:
    """Return a sun from above and a fill light beside the camera. The server uses an environment instead."""
    sun = LightParameter(
        type="directional", frame="world", direction=np.array([0.4, 0.5, -1.0]), intensity=2.6
    )
    return [sun, LightParameter(type="directional", frame="camera", intensity=1.0)]


def add_camera(builder: DiagramBuilder, scene_graph: SceneGraph, config: CameraConfig) -> RgbdSensor:
    """Add a static camera for colour, depth and labels."""
    color, depth = config.MakeCameras()
    sensor = RgbdSensor(scene_graph.world_frame_id(), _looking(_EYE, _TARGET), color, depth)
    builder.AddSystem(sensor)
    builder.Connect(scene_graph.get_query_output_port(), sensor.query_object_input_port())
    return sensor


def show_from_here(meshcat: Meshcat) -> None:
    """Set Meshcat's camera to the pose of the simulated camera."""
    meshcat.SetCameraPose(np.array(_EYE), np.array(_TARGET))


def capture(sensor: RgbdSensor, context: Context) -> Frame:
    """Render the three images of a moment.

    Raises
    ------
    ScriptError
        The server rejected the request, or has ended.
    """
    ports = (
        sensor.color_image_output_port(),
        sensor.depth_image_32F_output_port(),
        sensor.label_image_output_port(),
    )
    try:
        color, depth, label = (_pixels(port, context) for port in ports)
    except RuntimeError as error:
        raise ScriptError(f"a picture failed: {error}") from error
    return Frame(color[..., :3], depth[..., 0], _numbers(label[..., 0]))


def _pixels(port: OutputPort, context: Context) -> NDArray[Any]:
    image: Any = port.Eval(context)
    return image.data.copy()


def _numbers(label: NDArray[np.int16]) -> NDArray[np.uint16]:
    """Replace VTK's label "empty" with "don't care", which the client uses."""
    return np.where(label == int(RenderLabel.kEmpty), DONT_CARE, label).astype(np.uint16)


def _looking(eye: Sequence[float], target: Sequence[float]) -> RigidTransform:
    """Return the pose of a camera with x right, y down, z forward."""
    forward = np.subtract(target, eye)
    right = np.cross(forward, (0, 0, 1))
    columns = [right, np.cross(forward, right), forward]
    matrix: Any = np.column_stack([column / np.linalg.norm(column) for column in columns])
    return RigidTransform(RotationMatrix(matrix), np.array(eye))
