"""A scene seen from a ring of poses, as a dataset of this program and as a job for BlenderProc."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gltf_render_server.blender.compat import importer_extensions
from gltf_render_server.blender.lighting import find_environment
from gltf_render_server.dataset.engines.documents import Documents
from gltf_render_server.dataset.making import read_plan
from gltf_render_server.dataset.shot import Shot
from gltf_render_server.settings import ServerSettings

from .programs import SCRIPTS

__all__ = [
    "CONTENTS",
    "PASSES",
    "POSES",
    "QUALITIES",
    "STILL_LIFE",
    "SUN",
    "Orbit",
]

STILL_LIFE = SCRIPTS.parent / "examples" / "still_life" / "still_life.glb"
SUN = "sun"
QUALITIES = ("preview", "balanced")
"""The qualities that are compared with BlenderProc."""

PASSES = ("color", "depth", "normal", "instance", "instances")
CONTENTS = f'passes = {json.dumps(PASSES)}\nformats = ["hdf5", "coco"]\n'
"""The part of the specification with the passes and formats."""

POSES = (
    '{ kind = "orbit", target = { kind = "object", name = "teapot" }, distance = 1.2, elevation_deg = 30, '
    "start_deg = -60, turns = 0.33 }"
)
"""The poses for the still life, as a table of the specification."""

_SAME_AS_OURS = {
    "bounces": {
        "diffuse_bounces": 4,
        "glossy_bounces": 4,
        "max_bounces": 8,
        "transmission_bounces": 12,
        "transparent_max_bounces": 8,
        "volume_bounces": 0,
    },
    "caustics": False,
    "clamp": 10.0,
}
_ITS_OWN = {"bounces": None, "caustics": None, "clamp": None}


@dataclass(frozen=True)
class Orbit:
    """What is rendered.

    Attributes
    ----------
    frames : int
    size : (width, height)
        Px.
    samples : int
        Per pixel.
    light : str
        `SUN`, which is added to the file, or the name of an environment.
    scene : Path
        A glTF or GLB file.
    up_axis : {"y", "z"}
        The up axis of the file.
    poses : str
        The poses, as a table of the specification.
    """

    frames: int
    size: tuple[int, int]
    samples: int
    light: str = SUN
    scene: Path = STILL_LIFE
    up_axis: str = "y"
    poses: str = POSES

    @property
    def environment(self) -> str:
        """The environment in a frame's look."""
        return "none" if self.light == SUN else self.light

    def specification(self, quality: str) -> str:
        """Return the specification of the dataset."""
        width, height = self.size
        sun = "sun = { elevation_deg = 45, azimuth_deg = 30 }\n" if self.light == SUN else ""
        return (
            f'{CONTENTS}up_axis = "{self.up_axis}"\n'
            f'[source]\nkind = "scene"\nfile = {json.dumps(str(self.scene.resolve()))}\n'
            f'[[cameras]]\nname = "ring"\nwidth = {width}\nheight = {height}\nfov_y_deg = 45\n'
            f"count = {self.frames}\nposes = {self.poses}\n"
            f'[look]\nquality = "{quality}"\nsamples = {self.samples}\n'
            'exposure = 0\nview_transform = "Standard"\n'
            f"environment = {json.dumps(self.environment)}\n{sun}"
        )

    def shots(self, specification: Path) -> list[Shot]:
        """Return the frames of a specification, each with the file that is rendered."""
        plan, documents, known = read_plan(specification), Documents(ServerSettings()), importer_extensions()
        return [
            plan.item(index, lambda document: documents.asset(document, known)).shot
            for index in range(len(plan))
        ]

    def job(self, shots: Sequence[Shot], folder: Path, *, has_own_bounces: bool = False) -> dict[str, Any]:
        """Return the job for BlenderProc: the same file, light, lens, poses and samples.

        Parameters
        ----------
        shots : sequence of Shot
        folder : Path
            The folder for the file.
        has_own_bounces : bool
            Whether BlenderProc keeps its default number of bounces, which is lower.
        """
        lens = shots[0].views[0].lens
        scene = folder / "scene.glb"
        scene.write_bytes(shots[0].document.data)
        return {
            "file": str(scene),
            "environment": None if self.light == SUN else str(find_environment(self.light)),
            "width": lens.width,
            "height": lens.height,
            "K": [[lens.focal_x, 0, lens.center_x - 0.5], [0, lens.focal_y, lens.center_y - 0.5], [0, 0, 1]],
            "poses": [shot.views[0].camera_to_world.tolist() for shot in shots],
            "samples": self.samples,
            **(_ITS_OWN if has_own_bounces else _SAME_AS_OURS),
        }
