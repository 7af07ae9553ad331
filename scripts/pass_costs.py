#!/usr/bin/env python3
"""Measures what the passes of geometry cost beside depth, in this process, without HTTP.

A frame is one view from the file's first camera, which moves a little from frame to frame, so that no render
is used twice. The two kinds of frame take turns, and what is told are medians, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import still_life
from gltf_render_server.backends import backend_names, make_renderer
from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.gltf import parse_scene
from gltf_render_server.renderer import Renderer
from gltf_render_server.scene import Scene
from gltf_render_server.settings import ServerSettings
from option_types import size, whole_number
from reporting import report, run

_GEOMETRY = (
    "depth,distance,label,instance,material,normal,normal_world,normal_geometric,position,"
    "object_coordinates,nocs,uv"
)
_WARM_UP = 3  # frames
_STEP_M = 1e-4


def main() -> int:
    """Measure and tell; return the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("scene", type=Path, nargs="?", help="glTF or GLB file; by default the still life")
    options.add_argument("--backend", choices=backend_names(), default="blender", help="[blender]")
    options.add_argument("--frames", type=whole_number(1), default=20, help="of each kind [20]")
    options.add_argument("--size", type=size, default=(640, 480), metavar="WxH", help="[640x480]")
    options.add_argument(
        "--passes",
        default=_GEOMETRY,
        help="what is compared with depth alone; by default\n" + _GEOMETRY.replace(",object", ",\nobject"),
    )
    given = options.parse_args()
    return run("pass_costs", lambda _: _measure(given))


def _measure(options: argparse.Namespace) -> int:
    renderer = make_renderer(ServerSettings(backend=options.backend))
    data = options.scene.read_bytes() if options.scene else still_life.scene("depth")
    scene = parse_scene(data, extensions=renderer.extensions)
    kinds = (("depth",), tuple(options.passes.split(",")))
    times = []
    for number in range(_WARM_UP + options.frames):
        times.append([_time_ms(renderer, scene, options.size, passes, number) for passes in kinds])
    depth_ms, all_ms = (statistics.median(column) for column in zip(*times[_WARM_UP:], strict=True))
    ratio = statistics.median(everything / depth for depth, everything in times[_WARM_UP:])
    info = renderer.info
    renderer.close()
    compared = f"depth {depth_ms:.0f} ms, {len(kinds[1])} passes {all_ms:.0f} ms, ratio {ratio:.2f}"
    report([f"{info.name} {info.version}: {compared}"])
    return 0


def _time_ms(
    renderer: Renderer, scene: Scene, size: tuple[int, int], passes: tuple[str, ...], number: int
) -> float:
    """Render one frame; each has a place of its own."""
    width, height = size
    focal = 0.9 * width
    pose = scene.cameras[0].camera_to_world.copy()
    pose[0, 3] += _STEP_M * (2 * number + (len(passes) > 1))
    lens = Lens(width, height, focal, focal, width / 2, height / 2, 0.01, 10.0)
    begin = time.perf_counter()
    renderer.render(Frame(scene, (View(lens, pose),), passes))
    return 1e3 * (time.perf_counter() - begin)


if __name__ == "__main__":
    sys.exit(main())
