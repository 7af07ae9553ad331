#!/usr/bin/env python3
"""Simulates a domino run in Drake, and keeps what its camera sees: colour, depth and labels, and a video.

The pictures come from a render server, through Drake's own glTF client, or from Drake's VTK; or from both,
to compare the two.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

try:
    from PIL import Image
    from pydrake.geometry import Meshcat
    from rich.console import Console
    from rich.markup import escape

    from domino_run.bodies import bodies
    from domino_run.cameras import ENGINES, EngineName, Frame, Viewpoint, show_from_here
    from domino_run.comparison import Comparison, checks, compare, pooled
    from domino_run.film import Film, clear_pictures, save_pictures
    from domino_run.models import Models
    from domino_run.report import tables
    from domino_run.server import ServerAddress, base_url, greet
    from domino_run.simulation import Simulation
    from option_types import whole_number
    from reporting import ScriptError, progress, report, run
except ModuleNotFoundError as error:
    sys.exit(
        f"drake_demo: {error.name} is not installed; "
        'pip install "gltf-render-server[drake]" brings all that it needs'
    )

_EPILOG = """\
what is written into the folder of --output:
  drake_demo.mp4         colour, depth and labels side by side (with --still: still.png)
  color/0000.png ...     8 bits; depth/0000.tiff: float32, metres; label/0000.png: 16 bits, the body's index
  simulation.html        with --visualize: the motion, for any browser

The exit status is 0, or 1 if the server fails or --compare finds more than its limits.

examples:
  gltf-render-server --port 8000 &
  scripts/drake_demo.py --still
  scripts/drake_demo.py --render_engine client --server_base_url http://127.0.0.1:8000
  scripts/drake_demo.py --compare --width 320 --height 240 --fps 4
  scripts/drake_demo.py --render_engine vtk --visualize
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, and return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments without the program's name. The default is the arguments of this process.
    """
    options = _parser().parse_args(arguments)
    stopped = f"stopped; what was rendered before is in {options.output}"
    return run("drake_demo", lambda console: _run(options, console), stopped)


def _run(options: argparse.Namespace, console: Console) -> int:
    engines = _engines(options)
    server = ServerAddress(options.server_base_url, options.render_endpoint)
    if "client" in engines:
        greet(server)
    _prepare(options.output)
    meshcat = _meshcat(console) if options.visualize else None
    with tempfile.TemporaryDirectory(prefix="drake_demo-") as folder:
        things = bodies(Models(Path(folder)), options.seed)
        view = Viewpoint(options.width, options.height)
        simulation = Simulation(things, view, engines, server, meshcat)
        comparisons = [
            _comparison(frames) for frames in _kept(simulation, options, console) if options.compare
        ]
    made = escape(str(options.output / _main_file(options)))
    console.print(f"[bold green]Done.[/] Look at [bold]{made}[/]", soft_wrap=True)
    if meshcat:
        _leave_to_look_at(meshcat, options.output, console)
    return _judge(comparisons) if options.compare else 0


def _prepare(output: Path) -> None:
    """Check that results can be saved, before anything is rendered."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        clear_pictures(output)
    except OSError as error:
        raise ScriptError(f"nothing can be written into {output}: {error.strerror}") from error


def _engines(options: argparse.Namespace) -> list[EngineName]:
    """Return the engine whose images are kept, and the one with which it is compared."""
    first: EngineName = options.render_engine
    return sorted(ENGINES, key=lambda name: name != first) if options.compare else [first]


def _kept(
    simulation: Simulation, options: argparse.Namespace, console: Console
) -> Iterator[dict[EngineName, Frame]]:
    """Save each frame, and yield it."""
    count = 1 if options.still else max(1, round(options.seconds * options.fps))
    with Film(options.output / _main_file(options), options.fps) as film:
        shown = _with_progress(simulation.frames(count, options.fps), count, console)
        for number, frames in enumerate(shown):
            save_pictures(frames[options.render_engine], options.output, number)
            if options.still:
                Image.fromarray(film.sheet(frames)).save(options.output / _main_file(options))
            else:
                film.add(frames)
            yield frames


def _with_progress(
    frames: Iterable[dict[EngineName, Frame]], count: int, console: Console
) -> Iterator[dict[EngineName, Frame]]:
    with progress(console) as bars:
        yield from bars.track(frames, total=count, description="Rendering frames")


def _main_file(options: argparse.Namespace) -> str:
    return "still.png" if options.still else "drake_demo.mp4"


def _comparison(frames: dict[EngineName, Frame]) -> Comparison:
    client, vtk = frames["client"], frames["vtk"]
    return compare(client.label, client.depth, vtk.label, vtk.depth)


def _judge(comparisons: Sequence[Comparison]) -> int:
    total = pooled(comparisons)
    verdict = list(checks(total))
    report(tables(comparisons, total, verdict))
    return 0 if all(check.passed for check in verdict) else 1


def _meshcat(console: Console) -> Meshcat:
    meshcat = Meshcat()
    console.print(f"The simulation is shown at [bold]{meshcat.web_url()}[/]")
    show_from_here(meshcat)
    meshcat.StartRecording()
    return meshcat


def _leave_to_look_at(meshcat: Meshcat, output: Path, console: Console) -> None:
    """Save the animation as a page, and keep the address available until the user quits."""
    meshcat.PublishRecording()
    (output / "simulation.html").write_text(meshcat.StaticHtml())
    if sys.stdin.isatty():
        console.input(f"The motion can be played at {meshcat.web_url()}; Enter ends it. ")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/drake_demo.py",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(name: str, **settings: object) -> None:
        """Add an option that can be written with underscores or with dashes."""
        spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        parser.add_argument(*spellings, **settings)  # pyright: ignore[reportArgumentType]

    add(
        "render_engine",
        choices=ENGINES,
        default="client",
        help="client: the render server, asked by Drake; vtk: Drake's own renderer [default: %(default)s]",
    )
    add(
        "server_base_url",
        type=_url,
        default="http://127.0.0.1:8000",
        metavar="URL",
        help="the render server [default: %(default)s]",
    )
    add(
        "render_endpoint",
        default="render",
        metavar="PATH",
        help="where the server is asked, with a token or a client's name: "
        "'render?token=TOKEN&client=robot-7' [default: %(default)s]",
    )
    add("still", action="store_true", help="one frame, and no simulation")
    add("visualize", action="store_true", help="show the simulation in MeshCat, in a browser, beside it")
    add(
        "compare",
        action="store_true",
        help="render every frame by both engines, and tell how far depth and labels are apart",
    )
    add(
        "output",
        type=Path,
        default=Path("drake_demo"),
        metavar="FOLDER",
        help="where pictures and video go; those of the last run are replaced [default: %(default)s]",
    )
    add("seconds", type=_positive, default=2.4, metavar="S", help="simulated time [default: %(default)s]")
    add("fps", type=_positive, default=15.0, metavar="N", help="frames per second [default: %(default)s]")
    add(
        "width",
        type=whole_number(1),
        default=640,
        metavar="PX",
        help="of the pictures [default: %(default)s]",
    )
    add(
        "height",
        type=whole_number(1),
        default=480,
        metavar="PX",
        help="of the pictures [default: %(default)s]",
    )
    add(
        "seed",
        type=int,
        default=0,
        metavar="N",
        help="another seed drops the fruit otherwise [default: %(default)s]",
    )
    return parser


def _url(text: str) -> str:
    try:
        return base_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0; got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
