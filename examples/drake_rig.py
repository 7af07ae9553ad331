#!/usr/bin/env python3
"""A rig of cameras in Drake, whose pictures are rendered while the simulation goes on.

Kitchenware falls onto a table. Three cameras ride on a frame that turns around the table; they take
their pictures one after another, as cameras on a real robot do. Each camera is an RgbdSensorAsync:
Drake asks the render server on a background thread, and the picture arrives in the simulation after a
delay, so the simulation need not wait for it as it does with an RgbdSensor. Each camera has its picture
before the next one looks, because Drake's cameras share meshes: two that write them as glTF at the same
time end the process now and then.

Run it beside a server:

    pip install "gltf-render-server[drake]"
    gltf-render-server --port 8000 &
    python examples/drake_rig.py --output rig

It writes a colour, a depth and a label image for each camera and moment into the folder, and
picture.jpg, which shows the cameras side by side. Drake may warn that it is "Unable to eglMakeCurrent": its
client uses VTK on two threads, to write glTF and not to render, and the pictures are right all the same.
"""

from __future__ import annotations

import argparse
import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydrake.geometry import (
    Box,
    Cylinder,
    DefaultProximityProperties,
    GeometryInstance,
    MakeRenderEngineGltfClient,
    Mesh,
    RenderEngineGltfClientParams,
    SceneGraph,
    SceneGraphConfig,
    Shape,
    Sphere,
)
from pydrake.math import RigidTransform, RollPitchYaw, RotationMatrix
from pydrake.multibody.plant import AddMultibodyPlantSceneGraph, CoulombFriction, MultibodyPlant
from pydrake.multibody.tree import RevoluteJoint, RigidBody, SpatialInertia
from pydrake.systems.analysis import Simulator
from pydrake.systems.framework import Context, DiagramBuilder
from pydrake.systems.sensors import CameraConfig, RgbdSensorAsync

from gltf_render_server.client import RenderClient, RenderClientError
from gltf_render_server.false_colours import false_colours

MODELS = Path(__file__).parent / "datasets" / "models"
TABLE_HEIGHT = 0.7
FPS = 4.0
STAGGER = 1 / FPS / 3  # seconds from one camera to the next
DELAY = 0.9 * STAGGER  # seconds until the picture is there, before the next camera looks
BROWN = np.array([0.45, 0.3, 0.18, 1.0])
THINGS: dict[str, tuple[Shape, tuple[float, float, float]]] = {
    # the shape for physics, and where in the model its middle is
    "mug": (Cylinder(0.04, 0.094), (0, 0, 0.047)),
    "bottle": (Cylinder(0.032, 0.155), (0, 0, 0.0775)),
    "carton": (Box(0.09, 0.13, 0.06), (0, 0, 0)),
    "ball": (Sphere(0.035), (0, 0, 0)),
    "bowl": (Cylinder(0.075, 0.079), (0, 0, 0.0395)),
}


def main() -> None:
    """Simulate, and keep what the cameras saw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("drake_rig"), help="folder; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.5, help="simulated time; default: %(default)s")
    parser.add_argument("--width", type=int, default=480, help="of each picture; default: %(default)s")
    options = parser.parse_args()
    RenderClient(options.server).health()  # an error on a thread of Drake's may end the whole process
    with tempfile.TemporaryDirectory() as folder:
        simulator, sensors = build(options.server, options.width, Path(folder))
        saved = simulate(simulator, sensors, options.seconds, options.output)
    if not saved:
        parser.error(f"--seconds: the first pictures come after {1 / FPS:g} s of simulated time")
    rows = [np.hstack([saved[-1][name][kind] for name in sensors]) for kind in ("color", "depth", "label")]
    picture = options.output / "picture.jpg"
    Image.fromarray(np.vstack(rows)).save(picture, quality=88)
    print(f"{len(saved)} moments of {len(sensors)} cameras; look at {picture}")


def build(server: str, width: int, folder: Path) -> tuple[Simulator, dict[str, RgbdSensorAsync]]:
    """Put together the table, what falls onto it, and the rig."""
    builder = DiagramBuilder()
    plant, scene_graph = AddMultibodyPlantSceneGraph(builder, time_step=0.002)
    soft = DefaultProximityProperties(compliance_type="compliant")  # contact by area: boxes lie flat
    scene_graph.set_config(SceneGraphConfig(default_proximity_properties=soft))
    scene_graph.AddRenderer(
        "photo", MakeRenderEngineGltfClient(RenderEngineGltfClientParams(base_url=server))
    )
    add_table(plant)
    for number, name in enumerate(THINGS):
        add_thing(plant, name, folder, number)
    rig = add_turntable(plant)
    plant.Finalize()
    sensors = {
        name: add_camera(builder, scene_graph, plant, rig, number, width)
        for number, name in enumerate(("left", "front", "right"))
    }
    diagram = builder.Build()
    simulator = Simulator(diagram)
    context = plant.GetMyMutableContextFromRoot(simulator.get_mutable_context())
    plant.GetJointByName("turntable").set_angular_rate(context, 0.6)
    return simulator, sensors


def add_table(plant: MultibodyPlant) -> None:
    """Add a table that stands still."""
    top, pose = Box(1.2, 1.2, 0.04), RigidTransform(np.array([0, 0, TABLE_HEIGHT - 0.02]))
    plant.RegisterVisualGeometry(plant.world_body(), pose, top, "table", BROWN)
    plant.RegisterCollisionGeometry(plant.world_body(), pose, top, "table", CoulombFriction(0.8, 0.6))


def add_thing(plant: MultibodyPlant, name: str, folder: Path, number: int) -> None:
    """Add a body that looks like its model and falls like a simpler shape."""
    shape, middle = THINGS[name]
    inertia = SpatialInertia.SolidSphereWithMass(mass=0.3, radius=0.05)
    body = plant.AddRigidBody(name, inertia.Shift(-np.array(middle)))
    look = Mesh(as_gltf(MODELS / f"{name}.glb", folder))
    plant.RegisterVisualGeometry(body, GeometryInstance(RigidTransform(), look, name))
    plant.RegisterCollisionGeometry(
        body, RigidTransform(np.array(middle)), shape, name, CoulombFriction(0.6, 0.5)
    )
    angle = 2 * np.pi * number / len(THINGS)
    height = TABLE_HEIGHT + 0.1 + 0.05 * number
    start = np.array([0.16 * np.cos(angle), 0.16 * np.sin(angle), height])
    pose = RigidTransform(RollPitchYaw(0.1 * number, 0.1, angle), start)
    plant.SetDefaultFloatingBaseBodyPose(body, pose)


def as_gltf(glb: Path, folder: Path) -> str:
    """Write a .glb as the .gltf that Drake reads, with its data inside; return the path."""
    data = glb.read_bytes()
    json_length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + json_length])
    binary = base64.b64encode(data[28 + json_length :]).decode()
    document["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{binary}"
    path = folder / f"{glb.stem}.gltf"
    path.write_text(json.dumps(document))
    return str(path)


def add_turntable(plant: MultibodyPlant) -> RigidBody:
    """Add what carries the cameras: it turns about the middle of the table without falling."""
    rig = plant.AddRigidBody("rig", SpatialInertia.SolidSphereWithMass(mass=1.0, radius=0.1))
    plant.AddJoint(RevoluteJoint("turntable", plant.world_frame(), rig.body_frame(), np.array([0, 0, 1])))
    return rig


def add_camera(
    builder: DiagramBuilder,
    scene_graph: SceneGraph,
    plant: MultibodyPlant,
    rig: RigidBody,
    number: int,
    width: int,
) -> RgbdSensorAsync:
    """Fix a camera to the rig; each takes its pictures a third of a period after the one before."""
    config = CameraConfig(
        renderer_name="photo",
        width=width,
        height=width * 3 // 4,
        focal=CameraConfig.FovDegrees(y=32.0),
        z_near=0.1,
        z_far=5.0,
    )
    color, depth = config.MakeCameras()
    azimuth = np.radians(-140 + 50 * number)
    eye = np.array([0.9 * np.cos(azimuth), 0.9 * np.sin(azimuth), TABLE_HEIGHT + 0.5])
    sensor = RgbdSensorAsync(
        scene_graph,
        plant.GetBodyFrameIdOrThrow(rig.index()),
        looking(eye, np.array([0.0, 0.0, TABLE_HEIGHT + 0.03])),
        fps=FPS,
        capture_offset=number * STAGGER,
        output_delay=DELAY,
        color_camera=color,
        depth_camera=depth,
        render_label_image=True,
    )
    builder.AddSystem(sensor)
    builder.Connect(scene_graph.get_query_output_port(), sensor.get_input_port())
    return sensor


def looking(eye: np.ndarray, target: np.ndarray) -> RigidTransform:
    """Return the pose of a camera in Drake's axes: x right, y down, z forward."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 0, 1]) / np.linalg.norm(np.cross(forward, [0, 0, 1]))
    return RigidTransform(RotationMatrix(np.column_stack([right, np.cross(forward, right), forward])), eye)


def simulate(
    simulator: Simulator, sensors: dict[str, RgbdSensorAsync], seconds: float, output: Path
) -> list[dict[str, dict[str, np.ndarray]]]:
    """Advance from one set of new pictures to the next, and save each."""
    saved = []
    root = simulator.get_context()
    first = 2 * STAGGER + DELAY + 1e-6  # when the last camera's first picture is there
    for number, time in enumerate(np.arange(first, seconds, 1 / FPS)):
        simulator.AdvanceTo(time)
        moment = {name: read(sensor, sensor.GetMyContextFromRoot(root)) for name, sensor in sensors.items()}
        for name, images in moment.items():
            save(images, output / name, number)
        saved.append({name: shown(images) for name, images in moment.items()})
        times = ", ".join(f"{name} {images['time']:.3f} s" for name, images in moment.items())
        print(f"{simulator.get_context().get_time():.3f} s: the pictures show {times}")
    return saved


def read(sensor: RgbdSensorAsync, context: Context) -> dict[str, np.ndarray]:
    """Copy what a camera shows now, and the time at which it looked."""
    time: Any = sensor.image_time_output_port().Eval(context)
    images = {
        "color": sensor.color_image_output_port().Eval(context).data[..., :3],
        "depth": sensor.depth_image_32F_output_port().Eval(context).data[..., 0],
        "label": sensor.label_image_output_port().Eval(context).data[..., 0],
        "time": time[0],
    }
    return {name: np.array(image) for name, image in images.items()}


def save(images: dict[str, np.ndarray], folder: Path, number: int) -> None:
    """Write a moment of one camera: depth as float32 metres, labels as the indices of bodies."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(images["color"]).save(folder / f"{number:04}_color.png")
    Image.fromarray(images["depth"]).save(folder / f"{number:04}_depth.tiff")
    Image.fromarray(images["label"].astype(np.uint16)).save(folder / f"{number:04}_label.png")


def shown(images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the images as people like to see them."""
    return {
        "color": images["color"],
        "depth": false_colours(images["depth"], "depth", (0.6, 1.6)),
        "label": false_colours(images["label"].astype(np.uint16), "label"),
    }


if __name__ == "__main__":
    try:
        main()
    except (OSError, RenderClientError, RuntimeError) as error:  # no server answers, or it refuses
        raise SystemExit(f"drake_rig: {' '.join(str(error).split())}") from None
