"""The program for BlenderProc: renders a file from given poses with BlenderProc, as HDF5 and COCO.

It runs in a Python with BlenderProc's sources and the bpy package, and needs nothing from this project. Its
only argument is the path of a `job`. The last line of its output is JSON: the seconds of each stage.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

_STARTED_S = time.perf_counter()

import blenderproc as bproc  # noqa: E402  # pyright: ignore[reportMissingImports]  it is measured, too
import numpy as np  # noqa: E402

_LUMENS_PER_WATT = 683  # Blender's importer divides by this, which makes a sun of pi lux almost invisible
# the change of axes when Blender imports glTF
_TO_BLENDER = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def main(path: str) -> None:
    """Run a job."""
    job = json.loads(Path(path).read_text())
    bproc.init()
    laps = [("start", time.perf_counter())]
    _set_up(job, _load(job))
    laps.append(("load", time.perf_counter()))
    data = bproc.renderer.render()
    laps.append(("render", time.perf_counter()))
    _write(job, data)
    laps.append(("write", time.perf_counter()))
    begins = [_STARTED_S, *(end for _, end in laps)]
    sys.stdout.flush()
    print(json.dumps({name: end - begin for begin, (name, end) in zip(begins, laps, strict=False)}))


def _load(job: dict[str, Any]) -> Any:
    """Load the file, and return Blender's scene. Each object becomes a separate category."""
    objects = bproc.loader.load_obj(job["file"])
    meshes = [item for item in objects if item.blender_obj.type == "MESH"]
    for number, item in enumerate(meshes, start=1):
        item.set_cp("category_id", number)
    if job["environment"]:
        bproc.world.set_world_background_hdr_img(job["environment"])
    else:
        bproc.renderer.set_world_background([0, 0, 0], strength=0)
    return meshes[0].blender_obj.users_scene[0]


def _set_up(job: dict[str, Any], scene: Any) -> None:
    """Set the camera poses and the render settings."""
    bproc.camera.set_intrinsics_from_K_matrix(np.array(job["K"]), job["width"], job["height"])
    for pose in job["poses"]:
        bproc.camera.add_camera_pose(_TO_BLENDER @ np.array(pose))
    for item in scene.objects:
        if item.type == "LIGHT":
            item.data.energy *= _LUMENS_PER_WATT
    scene.view_settings.view_transform = "Standard"
    bproc.renderer.set_max_amount_of_samples(job["samples"])
    bproc.renderer.set_noise_threshold(0)
    bproc.renderer.set_denoiser("INTEL")
    if job["bounces"]:
        bproc.renderer.set_light_bounces(**job["bounces"])
        scene.cycles.caustics_reflective = job["caustics"]
        scene.cycles.sample_clamp_indirect = job["clamp"]
    bproc.renderer.enable_depth_output(activate_antialiasing=False)
    bproc.renderer.enable_normals_output()
    bproc.renderer.enable_segmentation_output(
        map_by=["category_id", "instance", "name"], default_values={"category_id": 0}
    )


def _write(job: dict[str, Any], data: dict[str, Any]) -> None:
    bproc.writer.write_hdf5(job["out"] + "/hdf5", data)
    bproc.writer.write_coco_annotations(
        job["out"] + "/coco",
        instance_segmaps=data["instance_segmaps"],
        instance_attribute_maps=data["instance_attribute_maps"],
        colors=data["colors"],
    )


if __name__ == "__main__":
    main(sys.argv[1])
