#!/usr/bin/env python3
"""A MuJoCo simulation, photographed by the render server: the geometry is sent once, then poses alone.

The geoms of the MjModel become a GLB with a node for each body. The server gets it with the first
picture; after that, each request has a few kilobytes with the current poses of the bodies. The
numbers in the pass "instance" are bodies, and depth is metres along the camera's axis. The camera is
one of the model's, or MuJoCo's free camera, with the field of view that the model gives it.

Run it beside a server, with the scene that is part of this file or with a model of your own:

    pip install "gltf-render-server[physics]"
    gltf-render-server --port 8000 &
    python examples/mujoco_scene.py --output falling
    python examples/mujoco_scene.py --model scene.xml --camera free

It writes colour, depth and instances of each moment into the folder, and picture.jpg, which shows
them side by side.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from gltf_render_server.client import RenderClient, RenderClientError
from gltf_render_server.false_colours import false_colours

Matrix = NDArray[np.float64]

WRECKING_BALL = """
<mujoco>
  <option timestep="0.002"/>
  <visual><global fovy="40" azimuth="145" elevation="-18"/></visual>
  <statistic center="0 0 0.45" extent="1.1"/>
  <asset>
    <texture name="tiles" type="2d" builtin="checker" rgb1="0.55 0.57 0.6" rgb2="0.35 0.37 0.4" width="256"
      height="256"/>
    <material name="tiles" texture="tiles" texrepeat="2 2" texuniform="true"/>
    <material name="steel" rgba="0.75 0.77 0.8 1" metallic="1" roughness="0.25"/>
    <mesh name="wedge" vertex="-.25 -.3 0  -.25 .3 0  .25 -.3 0  .25 .3 0  .25 -.3 .2  .25 .3 .2"/>
  </asset>
  <worldbody>
    <geom name="floor" type="plane" size="4 4 0.1" material="tiles"/>
    <geom name="wedge" type="mesh" mesh="wedge" pos="0.95 0 0.001" rgba="0.3 0.32 0.36 1"/>
    <camera name="front" pos="1.1 -2.3 1.05" xyaxes="0.9 0.43 0  -0.13 0.27 0.95" fovy="38"/>
    <body name="pendulum" pos="-0.3 0 1.5" euler="0 65 0">
      <joint type="hinge" axis="0 1 0" damping="0.01"/>
      <geom type="capsule" fromto="0 0 0 0 0 -1.05" size="0.015" material="steel"/>
      <geom type="sphere" pos="0 0 -1.15" size="0.13" density="6000" material="steel"/>
    </body>
    <replicate count="3" offset="0 0.21 0" sep="-">
      <replicate count="4" offset="0 0 0.2" sep="-">
        <body name="brick" pos="0 -0.21 0.1">
          <freejoint/>
          <geom type="box" size="0.06 0.1 0.098" rgba="0.72 0.26 0.16 1" density="300"/>
        </body>
      </replicate>
    </replicate>
    <body name="cylinder" pos="0.35 -0.25 0.15">
      <freejoint/>
      <geom type="cylinder" size="0.07 0.15" rgba="0.1 0.45 0.3 1"/>
    </body>
    <body name="egg" pos="0.4 0.25 0.1">
      <freejoint/>
      <geom type="ellipsoid" size="0.09 0.09 0.1" rgba="0.95 0.8 0.3 1"/>
    </body>
  </worldbody>
</mujoco>
"""


def main() -> None:
    """Simulate, and photograph moments of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="default: %(default)s")
    parser.add_argument("--model", type=Path, help="an MJCF or URDF file; default: a wrecking ball")
    parser.add_argument("--camera", default="", help='a camera of the model, or "free"; default: the first')
    parser.add_argument("--output", type=Path, default=Path("mujoco_scene"), help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="simulated time; default: %(default)s")
    parser.add_argument("--frames", type=int, default=4, help="pictures of it; default: %(default)s")
    parser.add_argument("--width", type=int, default=400, help="of each picture; default: %(default)s")
    options = parser.parse_args()

    model = load(options.model)
    data = mujoco.MjData(model)
    scene = as_glb(model)
    client = RenderClient(options.server)
    options.output.mkdir(parents=True, exist_ok=True)
    columns = []
    for number, time in enumerate(np.linspace(0, options.seconds, options.frames)):
        while data.time < time:
            mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)  # where bodies and cameras are now
        view = view_of(model, data, options.camera, options.width)
        answer = client.render(
            scene, view, ["color", "depth", "instance"], poses=poses(model, data), look={"up_axis": "z"}
        )
        images = answer["camera"]
        Image.fromarray(images["color"]).save(options.output / f"{number:04}_color.png")
        Image.fromarray(images["depth"]).save(options.output / f"{number:04}_depth.tiff")
        Image.fromarray(images["instance"]).save(options.output / f"{number:04}_instance.png")
        columns.append(np.vstack([false_colours(images[name], name) for name in images]))
        seen = {answer.instances[each] for each in np.unique(images["instance"]) if each}
        print(f"{data.time:.3f} s: {len(seen)} bodies are seen, such as {', '.join(sorted(seen)[:4])}")
    Image.fromarray(np.hstack(columns)).save(options.output / "picture.jpg", quality=88)
    print(f"the scene has {len(scene) / 1e3:.0f} kB and was sent once; look at {options.output}/picture.jpg")


def load(path: Path | None) -> mujoco.MjModel:
    """Return the user's model, or the one of this file."""
    return mujoco.MjModel.from_xml_path(str(path)) if path else mujoco.MjModel.from_xml_string(WRECKING_BALL)


def as_glb(model: mujoco.MjModel) -> bytes:
    """Write all visible geoms as a GLB: a node for each body, and below it one for each of its geoms."""
    scene = trimesh.Scene(base_frame="mujoco")
    for body in range(model.nbody):
        scene.graph.update(node_of(model, body), "mujoco", metadata={"instance": True})  # one object
    for geom in range(model.ngeom):
        mesh = mesh_of(model, geom)
        if mesh is not None:
            mesh.visual = look_of(model, geom, mesh)
            scene.add_geometry(
                mesh,
                node_name=f"geom {geom}",
                parent_node_name=node_of(model, model.geom_bodyid[geom]),
                transform=matrix(model.geom_pos[geom], model.geom_quat[geom]),
            )
    return export_glb(scene, include_normals=True)


def node_of(model: mujoco.MjModel, body: int) -> str:
    """Name a body's node: by the body's name, or by its number where it has none."""
    return model.body(body).name or f"body {body}"


def matrix(position: NDArray[Any], quaternion: NDArray[Any]) -> Matrix:
    """Return (4, 4): columns are axes, the last is the position."""
    pose, rotation = np.eye(4), np.empty(9)
    mujoco.mju_quat2Mat(rotation, quaternion)
    pose[:3, :3], pose[:3, 3] = rotation.reshape(3, 3), position
    return pose


def mesh_of(model: mujoco.MjModel, geom: int) -> trimesh.Trimesh | None:
    """Return a geom's triangles in its own axes; None for one that MuJoCo does not show either."""
    shape, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    if model.geom_rgba[geom, 3] == 0 or model.geom_group[geom] > 2:  # the groups that viewers show
        return None
    match shape:
        case mujoco.mjtGeom.mjGEOM_PLANE:
            return plane(model, geom)
        case mujoco.mjtGeom.mjGEOM_SPHERE:
            return ellipsoid(size[[0, 0, 0]])
        case mujoco.mjtGeom.mjGEOM_ELLIPSOID:
            return ellipsoid(size)
        case mujoco.mjtGeom.mjGEOM_CAPSULE:
            return capsule(radius=size[0], half_length=size[1])
        case mujoco.mjtGeom.mjGEOM_CYLINDER:
            return cylinder(radius=size[0], half_length=size[1])
        case mujoco.mjtGeom.mjGEOM_BOX:
            return flat(trimesh.creation.box(2 * size))
        case mujoco.mjtGeom.mjGEOM_MESH:
            return mesh_asset(model, int(model.geom_dataid[geom]))
    raise SystemExit(f"mujoco_scene: geom {geom} is a {shape.name}, which this example does not write")


def with_normals(corners: Matrix, faces: NDArray[Any], normals: Matrix) -> trimesh.Trimesh:
    """Return a mesh that is shaded by these normals, one for each corner."""
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return trimesh.Trimesh(corners, faces, vertex_normals=unit, process=False)


def flat(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Shade each triangle by its own normal."""
    corners = mesh.triangles.reshape(-1, 3)
    faces = np.arange(len(corners)).reshape(-1, 3)
    return with_normals(corners, faces, np.repeat(mesh.face_normals, 3, axis=0))


def ellipsoid(radii: NDArray[Any]) -> trimesh.Trimesh:
    """Return an ellipsoid about the origin."""
    ball = trimesh.creation.icosphere(4)
    return with_normals(ball.vertices * radii, ball.faces, ball.vertices / radii)


def capsule(radius: float, half_length: float) -> trimesh.Trimesh:
    """Return a capsule about the origin, along z: a ball whose halves are moved apart."""
    ball = trimesh.creation.icosphere(4)
    ends = np.where(ball.vertices[:, 2:] < 0, -half_length, half_length) * [0.0, 0.0, 1.0]
    return with_normals(radius * ball.vertices + ends, ball.faces, ball.vertices)


def cylinder(radius: float, half_length: float) -> trimesh.Trimesh:
    """Return a cylinder about the origin, along z: round at its side, flat at its ends."""
    made = flat(trimesh.creation.cylinder(radius, 2 * half_length, sections=64))
    is_side = np.abs(made.vertex_normals[:, 2:]) < 0.5
    return with_normals(
        made.vertices, made.faces, np.where(is_side, made.vertices * [1, 1, 0], made.vertex_normals)
    )


def plane(model: mujoco.MjModel, geom: int) -> trimesh.Trimesh:
    """Return a rectangle with texture coordinates in metres; an endless plane gets 50 m."""
    half_x, half_y = (length or 50.0 for length in model.geom_size[geom, :2])
    corners = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * [half_x, half_y, 0]
    mesh = with_normals(corners, np.array([[0, 1, 2], [0, 2, 3]]), np.tile([0.0, 0.0, 1.0], (4, 1)))
    mesh.visual = TextureVisuals(uv=corners[:, :2])
    return mesh


def mesh_asset(model: mujoco.MjModel, mesh: int) -> trimesh.Trimesh:
    """Return a mesh of the model's assets, each face with its own normals and texture coordinates."""
    faces = rows(model.mesh_faceadr, model.mesh_facenum, mesh)
    corners = model.mesh_vert[model.mesh_vertadr[mesh] :][model.mesh_face[faces].ravel()]
    normals = model.mesh_normal[model.mesh_normaladr[mesh] :][model.mesh_facenormal[faces].ravel()]
    triangles = np.arange(len(corners)).reshape(-1, 3)
    of_faces = flat(trimesh.Trimesh(corners, triangles, process=False)).vertex_normals
    is_edge = (normals * of_faces).sum(1, keepdims=True) < 0.5  # MuJoCo rounds these off
    made = with_normals(corners, triangles, np.where(is_edge, of_faces, normals))
    if model.mesh_texcoordadr[mesh] >= 0:
        uv = model.mesh_texcoord[model.mesh_texcoordadr[mesh] :][model.mesh_facetexcoord[faces].ravel()]
        made.visual = TextureVisuals(uv=uv)
    return made


def rows(starts: NDArray[Any], counts: NDArray[Any], number: int) -> slice:
    """Return where one asset's rows are in an array that all share."""
    return slice(starts[number], starts[number] + counts[number])


def look_of(model: mujoco.MjModel, geom: int, mesh: trimesh.Trimesh) -> TextureVisuals:
    """Return a geom's colour, texture and gloss as a material of glTF."""
    number = int(model.geom_matid[geom])
    rgba = model.mat_rgba[number] if number >= 0 else model.geom_rgba[geom]
    linear = np.where(rgba[:3] <= 0.04045, rgba[:3] / 12.92, ((rgba[:3] + 0.055) / 1.055) ** 2.4)
    material = PBRMaterial(
        baseColorFactor=[*linear, rgba[3]],
        metallicFactor=max(0.0, model.mat_metallic[number]) if number >= 0 else 0.0,
        roughnessFactor=gloss(model, number),
        doubleSided=True,
    )
    uv = getattr(mesh.visual, "uv", None)
    texture = model.mat_texid[number, mujoco.mjtTextureRole.mjTEXROLE_RGB] if number >= 0 else -1
    if uv is not None and texture >= 0:
        material.baseColorTexture = picture_of(model, int(texture))
        repeat = model.mat_texrepeat[number]
        extent = 1.0 if model.mat_texuniform[number] else 2 * model.geom_size[geom, :2]
        is_plane = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE
        uv = uv * repeat / extent if is_plane else uv
    return TextureVisuals(uv=uv, material=material)


def gloss(model: mujoco.MjModel, material: int) -> float:
    """Return the roughness: what the material says, else what suits its shininess."""
    if material < 0:
        return 0.6
    given = float(model.mat_roughness[material])
    return given if given >= 0 else 1 - 0.8 * float(model.mat_shininess[material])


def picture_of(model: mujoco.MjModel, texture: int) -> Image.Image:
    """Return a texture of the model."""
    height, width = model.tex_height[texture], model.tex_width[texture]
    channels, start = model.tex_nchannel[texture], model.tex_adr[texture]
    pixels = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
    return Image.fromarray(pixels.astype(np.uint8).squeeze())


def poses(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, Matrix]:
    """Return where the bodies are, by the names of their nodes."""
    return {node_of(model, body): matrix(data.xpos[body], data.xquat[body]) for body in range(1, model.nbody)}


def view_of(model: mujoco.MjModel, data: mujoco.MjData, camera: str, width: int) -> dict[str, Any]:
    """Describe a view by a camera of the model, or by the free camera of MuJoCo's viewers.

    Both libraries have cameras that look along -z with y up, so the pose is taken as it is.
    """
    names = [model.camera(number).name for number in range(model.ncam)]
    if camera == "free" or not (camera or names):
        pose, fov_y_deg = free_camera(model, data), float(model.vis.global_.fovy)
    else:
        number = names.index(camera) if camera else 0
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = data.cam_xmat[number].reshape(3, 3), data.cam_xpos[number]
        fov_y_deg = float(model.cam_fovy[number])
    size = {"width": width, "height": width * 3 // 4}
    return {"name": "camera", **size, "fov_y_deg": fov_y_deg, "camera_to_world": pose}


def free_camera(model: mujoco.MjModel, data: mujoco.MjData) -> Matrix:
    """Return the pose of an MjvCamera: here the default one, which looks at the whole model."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    scene = mujoco.MjvScene(model, maxgeom=1)
    mujoco.mjv_updateCamera(model, data, camera, scene)
    seen = scene.camera[0]
    right = np.cross(seen.forward, seen.up)
    pose = np.eye(4)
    pose[:3] = np.column_stack([right, seen.up, -np.array(seen.forward), seen.pos])
    return pose


if __name__ == "__main__":
    try:
        main()
    except (OSError, RenderClientError) as error:  # no server answers, or it refuses
        raise SystemExit(f"mujoco_scene: {error}") from None
