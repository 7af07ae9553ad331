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
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    from rich.console import Console, RenderableType

    import still_life
    from benchmarking.orbit import CONTENTS, POSES, QUALITIES, STILL_LIFE, SUN, Orbit
    from benchmarking.peer import BLENDERPROC, SETTING_UP, add_peer_options, peer_of
    from benchmarking.programs import Run, run_program
    from gltf_render_server.errors import RenderServerError
    from option_types import size, whole_number
    from reporting import ScriptError, add_output_options, check_outputs, end, progress, report, run, table
except ModuleNotFoundError as error:
    sys.exit(
        f"dataset_speed: {error.name} is not installed; in the project's folder: "
        'pip install ".[dataset]" --group benchmark'
    )

_SETTING_UP = f"""\
{SETTING_UP}
then:
  scripts/dataset_speed.py --blenderproc BlenderProc/venv/bin/python --sources BlenderProc/path"""

_PARTS = ("orbit", "overhead", "objects")
_VIEWS = 8
_OBJECTS_PX = 512

_OURS = "this program, {}"


def main() -> int:
    """Run the measurements, show the results, and return the exit status."""
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
    add("scene", type=Path, nargs="?", default=STILL_LIFE, help="glTF or GLB file [the still life]")
    add("--up-axis", choices=("y", "z"), default="y", help="of the file; z = as Drake writes it [y]")
    add_peer_options(parser)
    add("--parts", default=",".join(_PARTS), metavar="NAMES", help="[%(default)s]")
    add("--frames", type=whole_number(1), default=24, help="of the orbit [%(default)s]")
    add("--turns", type=whole_number(1), default=3, help="of each program [%(default)s]")
    add("--poses", default=POSES, metavar="TABLE", help="as a specification has them [%(default)s]")
    add("--size", type=size, default=(640, 480), metavar="WxH", help="of the orbit [640x480]")
    add("--samples", type=whole_number(1), default=16, help="of the orbit, a pixel [%(default)s]")
    add("--light", default=SUN, help="a sun in the file, or an environment that Blender ships [sun]")
    add("--own-bounces", action="store_true", help="let BlenderProc have its own, which are fewer")
    add("--objects", type=whole_number(1), default=8, help="how many, of eight views each [%(default)s]")
    add_output_options(parser, plot=False)
    return parser


def _measure(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    parts = options.parts.split(",")
    if not set(parts) <= set(_PARTS):
        raise ScriptError(f"--parts {options.parts}: there are {', '.join(_PARTS)}")
    peer_of(options)
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
    report(_tables(runs), runs, options)
    return 0


def _count(part: str, options: argparse.Namespace) -> int:
    """Return the number of runs that a part takes."""
    return options.turns * {"orbit": 2 + (options.blenderproc is not None), "overhead": 2, "objects": 4}[part]


def _orbit(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    orbit, specifications = _orbit_of(options), {name: folder / f"{name}.toml" for name in QUALITIES}
    for quality, path in specifications.items():
        path.write_text(orbit.specification(quality))
    peer, job = peer_of(options), {}
    if peer is not None:
        shots = orbit.shots(specifications["preview"])
        job = orbit.job(shots, folder, has_own_bounces=options.own_bounces)
    for turn in range(options.turns):
        for quality, path in specifications.items():
            yield _ours(_OURS.format(quality), path, folder / f"{quality}-{turn}", options.frames)
        if peer is not None:
            yield peer.run(job, folder / f"peer-{turn}")


def _overhead(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    path = folder / "orbit.toml"
    path.write_text(_orbit_of(options).specification("preview"))
    for turn in range(options.turns):
        for workers in (1, 2):
            who = f"--workers {workers}"
            yield _ours(who, path, folder / f"{workers}-{turn}", options.frames, workers)


def _orbit_of(options: argparse.Namespace) -> Orbit:
    return Orbit(
        options.frames,
        options.size,
        options.samples,
        options.light,
        options.scene,
        options.up_axis,
        options.poses,
    )


def _objects(options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    names = list(still_life.labels())[: options.objects]
    models = folder / "models"
    models.mkdir()
    for name in names:
        (models / f"{name}.gltf").write_text(json.dumps(still_life.model(name)))
    for turn in range(options.turns):
        for quality in QUALITIES:
            path = folder / f"{quality}.toml"
            path.write_text(_objects_specification(quality))
            for workers in (1, 2):
                out = folder / f"{quality}-{workers}-{turn}"
                yield _ours(f"{quality}, --workers {workers}", path, out, len(names) * _VIEWS, workers)


def _objects_specification(quality: str) -> str:
    return CONTENTS + (
        '[source]\nkind = "objects"\nfiles = "models/*.gltf"\n'
        f'[[cameras]]\nname = "around"\nwidth = {_OBJECTS_PX}\nheight = {_OBJECTS_PX}\nfov_y_deg = 40\n'
        f'count = {_VIEWS}\nposes = {{ kind = "sphere", spread = "even" }}\n'
        f'[look]\nquality = "{quality}"\n'
    )


def _ours(who: str, specification: Path, out: Path, pictures: int, workers: int = 1) -> Run:
    module = [sys.executable, "-m", "benchmarking.dataset_run"]
    command = [*module, str(specification), str(out), str(workers)]
    return run_program(who, command, os.environ, pictures, workers)


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
        if BLENDERPROC in groups and who != BLENDERPROC:
            pairs = list(zip(group, groups[BLENDERPROC], strict=True))
            wall = statistics.median(ours.an_hour / peer.an_hour for ours, peer in pairs)
            core = statistics.median(ours.a_processor_hour / peer.a_processor_hour for ours, peer in pairs)
            yield f"{who} : {BLENDERPROC} = {wall:.2f} by the clock, {core:.2f} of the cores' time (medians)"


def _by_who(runs: list[Run]) -> dict[str, list[Run]]:
    return {who: [each for each in runs if each.who == who] for who in dict.fromkeys(r.who for r in runs)}


def _median_rate(group: list[Run]) -> float:
    return statistics.median(each.an_hour for each in group)


def _median_processor_rate(group: list[Run]) -> float:
    return statistics.median(each.a_processor_hour for each in group)


def _median_stage(group: list[Run], name: str) -> float:
    return statistics.median(each.seconds[name] for each in group)


if __name__ == "__main__":
    end(main())
