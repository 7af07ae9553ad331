#!/usr/bin/env python3
"""Measures a render server, or compares it with a peer that speaks the same protocol.

It plays frames as a simulation would: objects and the camera move from one to the next, and each image is
asked for over a new connection. With a peer, the two are asked in turn. With --blenderproc, the server and
BlenderProc take turns at one scene from a ring of poses, in the same light and with as many samples.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

try:
    from rich.console import Console

    from benchmarking.exchange import Server, servers_of
    from benchmarking.measures import Measure, Plan, Run, Settings, carry_out, plans
    from benchmarking.memory import MemoryWatch
    from benchmarking.peer import Peer, add_peer_options, peer_of
    from benchmarking.plot import save_plot
    from benchmarking.record import record_of
    from benchmarking.scenes import ImageType
    from benchmarking.tables import tables
    from option_types import image_types, whole_number
    from reporting import add_output_options, check_outputs, end, progress, report, run
except ModuleNotFoundError as error:
    sys.exit(
        f"benchmark: {error.name} is not installed; in the project's folder: pip install . --group benchmark"
    )

_MEASURES = """\
what --measure takes:
  frames      times of each kind of image and of whole frames, and where they go (default)
  scene-size  how cost grows with the size of the scene; --values in MB [1,3,10,30,100]
  objects     how cost grows with the number of objects [10,100,1000,10000]
  image-size  how cost grows with the image [160x120,320x240,640x480,1280x960,1920x1080,3840x2160]
  memory      memory of the server's process, on this machine, over thousands of requests for changing scenes

examples:
  scripts/benchmark.py --url http://127.0.0.1:8000
  scripts/benchmark.py --peer-url http://127.0.0.1:9000 --scenes recorded/kitchen --json result.json
  scripts/benchmark.py --measure objects --values 10,100,1000 --types depth,label --plot objects.png
  scripts/benchmark.py --blenderproc BlenderProc/venv/bin/python --sources BlenderProc/path --frames 6
"""

_ORBIT_SIZE = (640, 480)
_ORBIT_FRAMES = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, and return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments without the program's name. The default is the arguments of this process.
    """
    options = _parser().parse_args(arguments)
    stopped = "stopped before anything was measured"
    return run("benchmark", lambda console: _measure(options, console), stopped)


def _measure(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    peer = peer_of(options)
    if peer is not None:
        return _beside(peer, options, console)
    settings = _settings(options)
    points = plans(settings)
    servers = servers_of(options)
    about = {server.name: server.greet() for server in servers}
    watches = [MemoryWatch(server) for server in servers] if settings.measure is Measure.MEMORY else []
    runs = _runs(points, settings, servers, watches, console)
    report(
        tables(settings.measure, runs, servers),
        record_of(settings, runs, servers, about),
        options,
        lambda path: save_plot(path, settings.measure, runs, servers),
    )
    return 0


def _beside(peer: Peer, options: argparse.Namespace, console: Console) -> int:
    """Compare with BlenderProc. The modules for that are imported only here."""
    from benchmarking.beside import beside, beside_tables
    from benchmarking.orbit import Orbit

    [server] = servers_of(options)[:1]
    server.greet()
    size = (options.width or _ORBIT_SIZE[0], options.height or _ORBIT_SIZE[1])
    orbit = Orbit(options.frames or _ORBIT_FRAMES, size, options.samples)
    with progress(console) as bars:
        task = bars.add_task("turns", total=options.turns)
        turns = beside(server.client, peer, orbit, options.turns, partial(bars.advance, task))
    report(beside_tables(turns, orbit), {"orbit": orbit, "turns": turns}, options)
    return 0


def _runs(
    points: Sequence[Plan],
    settings: Settings,
    servers: Sequence[Server],
    watches: Sequence[MemoryWatch],
    console: Console,
) -> list[Run]:
    """Measure point after point with a progress bar. If the user stops, the completed points count."""
    runs: list[Run] = []
    requests = (settings.warm_up + settings.frames) * len(settings.image_types) * len(servers)
    with progress(console) as bars:
        for point in points:
            task = bars.add_task(point.name, total=None)
            try:
                sequence = point.make()
                bars.update(task, total=requests)
                on_answer = partial(bars.advance, task)
                runs.append(carry_out(point, sequence, settings, servers, watches, on_answer))
            except KeyboardInterrupt:
                if not runs:
                    raise
                bars.console.print("stopped; this is what was measured before")
                break
            bars.update(task, total=requests, completed=requests)
    return runs


def _settings(options: argparse.Namespace) -> Settings:
    measure = options.measure
    return Settings(
        measure=measure,
        image_types=options.types,
        frames=options.frames or measure.frames,
        warm_up=options.warm_up,
        values=options.values,
        scenes=tuple(options.scenes),
        width=options.width,
        height=options.height,
        seed=options.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark.py",
        description=__doc__,
        epilog=_MEASURES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--url",
        type=_url,
        default="http://127.0.0.1:8000",
        help="the server to measure [default: %(default)s]",
    )
    add("--peer-url", type=_url, metavar="URL", help="a server to compare it with; it must be up as well")
    add(
        "--measure",
        type=Measure,
        choices=list(Measure),
        default=Measure.FRAMES,
        metavar="WHAT",
        help="see below [default: %(default)s]",
    )
    add("--values", type=_list, default=(), metavar="A,B,...", help="points of a measure of growth")
    add(
        "--scenes",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="recorded requests to play, instead of scenes of its own: folders that hold color.gltf (the "
        "file that was sent), color.json (the form's other fields), and so for depth and label",
    )
    add(
        "--types",
        "--order",
        type=image_types,
        default=tuple(ImageType),
        metavar="A,B,...",
        help="kinds of image, in the order of asking; a server may use one's work for the next "
        "[default: color,depth,label]",
    )
    add(
        "--frames",
        type=whole_number(1),
        metavar="N",
        help="frames at each point [default: 20; growth 5; memory 1000; of a turn beside BlenderProc 6]",
    )
    add(
        "--warm-up",
        type=whole_number(0),
        default=1,
        metavar="N",
        help="frames before them that do not count [default: %(default)s]",
    )
    add(
        "--width",
        type=whole_number(1),
        metavar="PX",
        help="of the images [default: 640, memory 160, or as recorded]",
    )
    add(
        "--height",
        type=whole_number(1),
        metavar="PX",
        help="of the images [default: 480, memory 120, or as recorded]",
    )
    add_peer_options(parser)
    add(
        "--samples",
        type=whole_number(1),
        default=16,
        metavar="N",
        help="a pixel, beside BlenderProc [default: %(default)s]",
    )
    add(
        "--turns",
        type=whole_number(1),
        default=3,
        metavar="N",
        help="of each, beside BlenderProc [default: %(default)s]",
    )
    add("--seed", type=int, default=0, help="another seed, another motion [default: %(default)s]")
    add(
        "--timeout",
        type=whole_number(1),
        default=600,
        metavar="S",
        help="seconds to wait for an answer [default: %(default)s]",
    )
    add_output_options(parser)
    return parser


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"must begin with http:// or https://; got {text!r}")
    return text.rstrip("/")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


if __name__ == "__main__":
    end(main())
