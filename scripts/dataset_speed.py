#!/usr/bin/env python3
"""Measures how many pictures an hour datasets are made at, and compares that with BlenderProc.

orbit     one scene, a ring of cameras, denoised colour with depth, normals and instances, kept as HDF5
          and COCO; this program and BlenderProc take turns. Both read the same file, from the same poses.
overhead  the same with one worker and with two: the part of the time in which Blender does not render.
objects   single objects from eight sides, 512 x 512.

Without --blenderproc the program measures itself alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    from rich.console import Console, RenderableType

    import still_life
    from gltf_render_server.blender.compat import importer_extensions
    from gltf_render_server.blender.lighting import find_environment
    from gltf_render_server.dataset.engines.documents import Documents
    from gltf_render_server.dataset.making import read_plan
    from gltf_render_server.dataset.shot import Shot
    from gltf_render_server.errors import RenderServerError
    from gltf_render_server.settings import ServerSettings
    from option_types import size, whole_number
    from reporting import ScriptError, add_output_options, check_outputs, progress, run, table, tell
except ModuleNotFoundError as error:
    sys.exit(
        f"dataset_speed: {error.name} is not installed; in the project's folder: "
        'pip install ".[dataset]" --group benchmark'
    )

_SETTING_UP = """\
how BlenderProc's current sources are set up (Python 3.11, for they need Blender 4.2):
  git clone https://github.com/DLR-RM/BlenderProc
  uv venv --python 3.11 BlenderProc/venv
  uv pip install --python BlenderProc/venv/bin/python bpy==4.2.0 "numpy<2" pyyaml imageio gitpython \\
      scikit-image pypng scipy matplotlib pytz h5py pillow "opencv-python-headless<4.9" scikit-learn \\
      python-dateutil rich trimesh progressbar
  mkdir BlenderProc/path && ln -s ../blenderproc BlenderProc/path/
then:
  scripts/dataset_speed.py --blenderproc BlenderProc/venv/bin/python --sources BlenderProc/path"""

_FOLDER = Path(__file__).resolve().parent
_STILL_LIFE = _FOLDER.parent / "examples" / "still_life" / "still_life.glb"
_PARTS = ("orbit", "overhead", "objects")
_PREFILTERS = {"FAST": "preview", "ACCURATE": "balanced"}
_SUN = "sun"
_POSES = (
    '{ kind = "orbit", target = { kind = "object", name = "teapot" }, distance = 1.2, elevation_deg = 30, '
    "start_deg = -60, turns = 0.33 }"
)
_VIEWS = 8
_OBJECTS_PX = 512

_PASSES = 'passes = ["color", "depth", "normal", "instance", "instances"]\nformats = ["hdf5", "coco"]\n'
_OURS, _PEER = "this program, prefilter {}", "BlenderProc"
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
class Run:
    """One run of one program.

    Attributes
    ----------
    who : str
    pictures : int
    seconds : dict of str to float
        By stage; ``start`` is all before the first thing that depends on the scene.
    total_s : float
        Wall time of the whole process.
    processor_s : float
        Of the process and of all that it started.
    workers : int
    """

    who: str
    pictures: int
    seconds: dict[str, float]
    total_s: float
    processor_s: float
    workers: int = 1

    @property
    def working_s(self) -> float:
        """Wall time without the start."""
        return self.total_s - self.seconds["start"]

    @property
    def an_hour(self) -> float:
        """Pictures, the start left out."""
        return 3600 * self.pictures / self.working_s

    @property
    def a_processor_hour(self) -> float:
        """Pictures in an hour of one core, the start included."""
        return 3600 * self.pictures / self.processor_s

    @property
    def overhead(self) -> float:
        """The part of items and formats in which a worker does not render, from 0 to 1."""
        return 1 - self.seconds["renders"] / (
            self.workers * (self.seconds["items"] + self.seconds["formats"])
        )


def main() -> int:
    """Measure, and show; return the exit status."""
    options = _parser().parse_args()
    return run("dataset_speed", lambda console: _measure(options, console))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/dataset_speed.py",
        description=__doc__,
        epilog=_SETTING_UP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scene", type=Path, nargs="?", default=_STILL_LIFE, help="glTF or GLB file [the still life]")
    add("--up-axis", choices=("y", "z"), default="y", help="of the file; z = as Drake writes it [y]")
    add("--blenderproc", type=Path, metavar="PYTHON", help="the Python that has what BlenderProc needs")
    add("--sources", type=Path, metavar="DIR", help="a folder that holds blenderproc/ and nothing else")
    add("--parts", default=",".join(_PARTS), metavar="NAMES", help="[%(default)s]")
    add("--frames", type=whole_number(1), default=24, help="of the orbit [%(default)s]")
    add("--turns", type=whole_number(1), default=3, help="of each program [%(default)s]")
    add("--poses", default=_POSES, metavar="TABLE", help="as a specification has them [%(default)s]")
    add("--size", type=size, default=(640, 480), metavar="WxH", help="of the orbit [640x480]")
    add("--samples", type=whole_number(1), default=16, help="of the orbit, a pixel [%(default)s]")
    add("--light", default=_SUN, help="a sun in the file, or an environment that Blender ships [sun]")
    add("--own-bounces", action="store_true", help="let BlenderProc have its own, which are fewer")
    add("--objects", type=whole_number(1), default=8, help="how many, of eight views each [%(default)s]")
    add_output_options(parser, plot=False)
    return parser


def _measure(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    parts = options.parts.split(",")
    if not set(parts) <= set(_PARTS):
        raise ScriptError(f"--parts {options.parts}: there are {', '.join(_PARTS)}")
    if (options.blenderproc is None) != (options.sources is None):
        raise ScriptError("--blenderproc and --sources go together; --help tells how they are set up")
    runs: dict[str, list[Run]] = {}
    measures = {"orbit": _orbit, "overhead": _overhead, "objects": _objects}
    with tempfile.TemporaryDirectory(prefix="dataset_speed") as folder, progress(console) as bars:
        for part in parts:
            room = Path(folder, part)
            room.mkdir()
            found = measures[part](options, room)
            try:
                runs[part] = list(bars.track(found, total=_count(part, options), description=part))
            except RenderServerError as error:
                raise ScriptError(str(error)) from None
    tell(_tables(runs), runs, options)
    return 0


def _count(part: str, options: argparse.Namespace) -> int:
    """How many runs a part takes."""
    return options.turns * {"orbit": 2 + (options.blenderproc is not None), "overhead": 2, "objects": 4}[part]


def _orbit(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    specifications = {prefilter: folder / f"{prefilter}.toml" for prefilter in _PREFILTERS}
    for prefilter, path in specifications.items():
        path.write_text(_orbit_specification(options, prefilter))
    job = _job(options, specifications["FAST"], folder) if options.blenderproc else None
    for turn in range(options.turns):
        for prefilter, path in specifications.items():
            yield _ours(_OURS.format(prefilter), path, folder / f"{prefilter}-{turn}", options.frames)
        if job is not None:
            yield _peer(options, job, folder / f"peer-{turn}")


def _overhead(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    path = folder / "orbit.toml"
    path.write_text(_orbit_specification(options, "FAST"))
    for turn in range(options.turns):
        for workers in (1, 2):
            who = f"--workers {workers}"
            yield _ours(who, path, folder / f"{workers}-{turn}", options.frames, workers)


def _objects(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    names = list(still_life.labels())[: options.objects]
    models = folder / "models"
    models.mkdir()
    for name in names:
        (models / f"{name}.gltf").write_text(json.dumps(still_life.model(name)))
    for turn in range(options.turns):
        for quality in ("preview", "balanced"):
            path = folder / f"{quality}.toml"
            path.write_text(_objects_specification(quality))
            for workers in (1, 2):
                out = folder / f"{quality}-{workers}-{turn}"
                yield _ours(f"{quality}, --workers {workers}", path, out, len(names) * _VIEWS, workers)


def _orbit_specification(options: argparse.Namespace, prefilter: str) -> str:
    width, height = options.size
    light = (
        'environment = "none"\nsun = { elevation_deg = 45, azimuth_deg = 30 }'
        if options.light == _SUN
        else f"environment = {json.dumps(options.light)}"
    )
    return _PASSES + (
        f'up_axis = "{options.up_axis}"\n'
        f'[source]\nkind = "scene"\nfile = {json.dumps(str(options.scene.resolve()))}\n'
        f'[[cameras]]\nname = "ring"\nwidth = {width}\nheight = {height}\nfov_y_deg = 45\n'
        f"count = {options.frames}\nposes = {options.poses}\n"
        f'[look]\nquality = "{_PREFILTERS[prefilter]}"\nsamples = {options.samples}\n{light}\n'
    )


def _objects_specification(quality: str) -> str:
    return _PASSES + (
        '[source]\nkind = "objects"\nfiles = "models/*.gltf"\n'
        f'[[cameras]]\nname = "around"\nwidth = {_OBJECTS_PX}\nheight = {_OBJECTS_PX}\nfov_y_deg = 40\n'
        f'count = {_VIEWS}\nposes = {{ kind = "sphere", spread = "even" }}\n'
        f'[look]\nquality = "{quality}"\n'
    )


def _job(options: argparse.Namespace, specification: Path, folder: Path) -> dict[str, Any]:
    """Return what BlenderProc is told: the very file that is rendered here, and the poses."""
    shots = _shots(specification)
    lens = shots[0].views[0].lens
    scene = folder / "scene.glb"
    scene.write_bytes(shots[0].document.data)
    return {
        "file": str(scene),
        "environment": None if options.light == _SUN else str(find_environment(options.light)),
        "width": lens.width,
        "height": lens.height,
        "K": [[lens.focal_x, 0, lens.center_x - 0.5], [0, lens.focal_y, lens.center_y - 0.5], [0, 0, 1]],
        "poses": [shot.views[0].camera_to_world.tolist() for shot in shots],
        "samples": options.samples,
        **(_ITS_OWN if options.own_bounces else _SAME_AS_OURS),
    }


def _shots(specification: Path) -> list[Shot]:
    plan, documents, known = read_plan(specification), Documents(ServerSettings()), importer_extensions()
    return [
        plan.item(index, lambda document: documents.asset(document, known)).shot for index in range(len(plan))
    ]


def _ours(who: str, specification: Path, out: Path, pictures: int, workers: int = 1) -> Run:
    module = [sys.executable, "-m", "benchmarking.dataset_run"]
    command = [*module, str(specification), str(out), str(workers)]
    return _run(who, command, dict(os.environ), pictures, workers)


def _peer(options: argparse.Namespace, job: dict[str, Any], out: Path) -> Run:
    path = out.with_suffix(".json")
    path.write_text(json.dumps(job | {"out": str(out)}))
    command = [str(options.blenderproc), str(_FOLDER / "benchmarking" / "blenderproc_orbit.py"), str(path)]
    environ = os.environ | {"PYTHONPATH": str(options.sources.resolve()), "USE_EXTERNAL_BPY_MODULE": "1"}
    return _run(_PEER, command, environ, len(job["poses"]))


def _run(who: str, command: Sequence[str], environ: dict[str, str], pictures: int, workers: int = 1) -> Run:
    """Run a program that prints its stages as its last line of JSON.

    Blender as a module may crash when Python ends, after all is written, so the line counts and no status.
    """
    before, started_s = os.times(), time.perf_counter()
    done = subprocess.run(
        command, env=environ, cwd=_FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    total_s, after = time.perf_counter() - started_s, os.times()
    told = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not told:
        raise ScriptError(f"{who}: ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    processor_s = sum(after[2:4]) - sum(before[2:4])
    return Run(who, pictures, json.loads(told[-1]), total_s, processor_s, workers)


def _tables(runs: dict[str, list[Run]]) -> Iterator[RenderableType]:
    if "orbit" in runs:
        yield from _orbit_tables(runs["orbit"])
    if "overhead" in runs:
        headings = ["pictures an hour", "renders, s", "items, s", "formats, s", "overhead"]
        made = table("Overhead, medians", ["run"], headings)
        for who, group in _by_who(runs["overhead"]).items():
            stages = [f"{_median_stage(group, name):.1f}" for name in ("renders", "items", "formats")]
            overhead = statistics.median(each.overhead for each in group)
            made.add_row(who, f"{_median_rate(group):.0f}", *stages, f"{overhead:.1%}")
        yield made
    if "objects" in runs:
        made = table("Objects, medians", ["quality"], ["pictures an hour", "of a core's hour"])
        for who, group in _by_who(runs["objects"]).items():
            made.add_row(who, f"{_median_rate(group):.0f}", f"{_median_processor_rate(group):.0f}")
        yield made


def _orbit_tables(runs: list[Run]) -> Iterator[RenderableType]:
    groups = _by_who(runs)
    headings = ["pictures an hour", "of a core's hour", "start, s", "of the turns"]
    made = table("Orbit, medians; pictures an hour without the start", ["program"], headings)
    for who, group in groups.items():
        made.add_row(
            who,
            f"{_median_rate(group):.0f}",
            f"{_median_processor_rate(group):.0f}",
            f"{_median_stage(group, 'start'):.1f}",
            " ".join(f"{each.an_hour:.0f}" for each in group),
        )
    yield made
    for who, group in groups.items():
        if _PEER in groups and who != _PEER:
            pairs = list(zip(group, groups[_PEER], strict=True))
            wall = statistics.median(ours.an_hour / peer.an_hour for ours, peer in pairs)
            core = statistics.median(ours.a_processor_hour / peer.a_processor_hour for ours, peer in pairs)
            yield f"{who} : {_PEER} = {wall:.2f} by the clock, {core:.2f} of the cores' time (medians)"


def _by_who(runs: list[Run]) -> dict[str, list[Run]]:
    return {who: [each for each in runs if each.who == who] for who in dict.fromkeys(r.who for r in runs)}


def _median_rate(group: list[Run]) -> float:
    return statistics.median(each.an_hour for each in group)


def _median_processor_rate(group: list[Run]) -> float:
    return statistics.median(each.a_processor_hour for each in group)


def _median_stage(group: list[Run], name: str) -> float:
    return statistics.median(each.seconds[name] for each in group)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Blender's own end hangs now and then
