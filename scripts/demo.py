"""Starts the server, sends it a tabletop as a client would, and keeps the pictures that come back."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from contact_sheet import contact_sheet
from gltf_render_server.client import RenderAnswer, RenderClient
from tabletop import tabletop

_ROOT = Path(__file__).resolve().parent.parent
_SUFFIXES = {"image/png": ".png", "image/tiff": ".tiff"}
_Result = TypeVar("_Result")


def main() -> None:
    """Run the demo."""
    options = _options()
    console = Console(stderr=True)
    options.output.mkdir(parents=True, exist_ok=True)
    scene = _working(console, "Making the scene", tabletop)
    with _server(console, options.server_options) as url:
        client = RenderClient(url)
        answers: dict[str, RenderAnswer] = {}
        for image_type in ("color", "depth", "label"):
            request = scene.document(image_type), scene.fields(image_type, options.width, options.height)
            what = f"Rendering {image_type}, {options.width} x {options.height}"
            answers[image_type] = _working(console, what, partial(client.post, *request))
            _keep(answers[image_type], options.output / image_type)
    (options.output / "scene.gltf").write_bytes(scene.document("color"))
    sheet = contact_sheet(
        color=answers["color"].pixels(),
        depth=answers["depth"].pixels(),
        label=answers["label"].pixels(),
        names={label: name for name, label in scene.labels.items()},
    )
    Image.fromarray(sheet).save(options.output / "contact_sheet.png")
    console.print(f"[bold green]Done.[/] Look at [bold]{options.output / 'contact_sheet.png'}[/]")
    for path in sorted(options.output.iterdir()):
        print(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=__doc__,
        epilog="Further options go to the server: scripts/demo -- --quality final",
    )
    parser.add_argument("--width", type=int, default=960, help="pixels [default: %(default)s]")
    parser.add_argument("--height", type=int, default=720, help="pixels [default: %(default)s]")
    parser.add_argument(
        "--output",
        type=Path,
        default=_ROOT / "demo",
        help="folder for the pictures [default: demo/]",
    )
    parser.add_argument("server_options", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def _server(console: Console, options: list[str]) -> Iterator[str]:
    """Run the server on a free port; yield its address."""
    command = [sys.executable, "-m", "gltf_render_server", "--port", "0", "--log-level", "warning", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    try:
        yield _working(console, "Starting the server", lambda: _address(process))
    finally:
        process.terminate()
        process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if line.startswith("Running on "):
            return line.split()[-1]
    sys.exit("scripts/demo: the server did not start; what it says above tells why")


def _working(console: Console, what: str, work: Callable[[], _Result]) -> _Result:
    """Do `work` under a moving bar with a clock."""
    columns = (TextColumn("{task.description:32}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)
        result = work()
        progress.update(task, total=1, completed=1)
    return result


def _keep(answer: RenderAnswer, stem: Path) -> None:
    stem.with_suffix(_SUFFIXES[answer.mimetype]).write_bytes(answer.body)


if __name__ == "__main__":
    main()
