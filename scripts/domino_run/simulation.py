"""The physics of the bodies, frame by frame, and the images of the cameras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydrake.geometry import (
    AddCompliantHydroelasticProperties,
    AddContactMaterial,
    AddRigidHydroelasticProperties,
    GeometryInstance,
    MakePhongIllustrationProperties,
    Meshcat,
    MeshcatVisualizer,
    PerceptionProperties,
    ProximityProperties,
    Rgba,
)
from pydrake.math import RigidTransform
from pydrake.multibody.plant import AddMultibodyPlant, CoulombFriction, MultibodyPlant, MultibodyPlantConfig
from pydrake.multibody.tree import CalcSpatialInertia, SpatialInertia
from pydrake.systems.analysis import Simulator
from pydrake.systems.framework import DiagramBuilder
from pydrake.systems.sensors import RgbdSensor

from .bodies import Body
from .cameras import EngineName, Frame, Viewpoint, add_camera, capture, engine
from .server import ServerAddress

__all__ = ["Simulation"]

_TIME_STEP_S = 0.002
_STIFFNESS_PA = 5e6
_RESOLUTION_M = 0.02
_FRICTION = CoulombFriction(0.45, 0.40)


class Simulation:
    """A table with bodies, and one camera for each render engine.

    Parameters
    ----------
    bodies : sequence of Body
    viewpoint : Viewpoint
    engines : sequence of {"client", "vtk"}
    server : ServerAddress
        The server for the client engine.
    meshcat : Meshcat, optional
        Displays the simulation in a browser.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        viewpoint: Viewpoint,
        engines: Sequence[EngineName],
        server: ServerAddress,
        meshcat: Meshcat | None = None,
    ) -> None:
        builder = DiagramBuilder()
        config = MultibodyPlantConfig(time_step=_TIME_STEP_S, contact_model="hydroelastic_with_fallback")
        plant, scene_graph = AddMultibodyPlant(config, builder)
        for name in engines:
            scene_graph.AddRenderer(name, engine(name, server))
        for body in bodies:
            _add(plant, body)
        plant.Finalize()
        self._sensors: dict[EngineName, RgbdSensor] = {
            name: add_camera(builder, scene_graph, viewpoint.config(name)) for name in engines
        }
        if meshcat:
            MeshcatVisualizer.AddToBuilder(builder, scene_graph, meshcat)
        self.labels: Mapping[int, str] = {
            int(plant.GetBodyByName(body.name).index()): body.name for body in bodies
        }
        self._simulator = Simulator(builder.Build())
        self._simulator.Initialize()

    def frames(self, count: int, fps: float) -> Iterator[dict[EngineName, Frame]]:
        """Yield the images of each engine at 0, 1/fps, 2/fps ... seconds.

        Raises
        ------
        ScriptError
            The server rejected a request, or has ended.
        """
        for number in range(count):
            self._simulator.AdvanceTo(number / fps)
            root = self._simulator.get_context()
            yield {
                name: capture(sensor, sensor.GetMyContextFromRoot(root))
                for name, sensor in self._sensors.items()
            }


def _add(plant: MultibodyPlant, body: Body) -> None:
    """Add a body. Drake uses its index as the label."""
    link = plant.AddRigidBody(body.name, _inertia(body))
    plant.RegisterVisualGeometry(link, _look(body))
    if body.solid is not None:
        plant.RegisterCollisionGeometry(
            link, RigidTransform(), body.solid, f"{body.name}_solid", _contact(body)
        )
    if body.density is None:
        plant.WeldFrames(plant.world_frame(), link.body_frame(), body.pose)
    else:
        plant.SetDefaultFloatingBaseBodyPose(link, body.pose)


def _inertia(body: Body) -> SpatialInertia:
    if body.solid is None or body.density is None:
        return SpatialInertia.Zero()  # irrelevant for bodies that are welded to the world
    return CalcSpatialInertia(shape=body.solid, density=body.density)


def _look(body: Body) -> GeometryInstance:
    """Return the visible shape. Without properties, the plant uses the mesh's own materials."""
    instance = GeometryInstance(RigidTransform(), body.look, f"{body.name}_look")
    if body.rgba:
        instance.set_perception_properties(PerceptionProperties())
        instance.set_illustration_properties(MakePhongIllustrationProperties(np.array(body.rgba)))
        instance.mutable_perception_properties().AddProperty("phong", "diffuse", Rgba(*body.rgba))
    return instance


def _contact(body: Body) -> ProximityProperties:
    """Make moving bodies compliant and fixed ones rigid, because Drake's contact model needs such pairs."""
    properties = ProximityProperties()
    AddContactMaterial(1.0, None, _FRICTION, properties)
    if body.density is None:
        AddRigidHydroelasticProperties(_RESOLUTION_M, properties)
    else:
        AddCompliantHydroelasticProperties(_RESOLUTION_M, _STIFFNESS_PA, properties)
    return properties
