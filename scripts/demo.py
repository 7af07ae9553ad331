"""Starts the server, sends it a still life as a client would, and keeps the pictures that come back.

Colour comes small first, so that there is something to look at soon, then larger.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import requests
from PIL import Image
from rich.console import Console
from rich.markup import escape

import still_life
from contact_sheet import contact_sheet
from gltf_render_server.client import RenderAnswer, RenderClient, RenderClientError
from gltf_render_server.encode import encode_png
from gltf_render_server.false_colours import false_colours
from gltf_render_server.labels import decode_labels
from gltf_render_server.process.files import write_whole
from option_types import whole_number
from own_server import own_server
from reporting import ScriptError, run
from still_life import ImageType
from waiting import for_result

__all__ = ["main", "sizes"]

_ROOT = Path(__file__).resolve().parent.parent
_SUFFIXES = {"image/png": ".png", "image/tiff": ".tiff"}
_DIVISORS = (4, 2, 1)
_SMALLEST_STEP_PX = 120

_Size = tuple[int, int]


def main() -> int:
    """Run the demo, and return the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # the server ends with this process
    options = _options()
    stopped = f"stopped; what was rendered before is in {options.output}"
    return run("scripts/demo", lambda console: _run(options, console), stopped)


def sizes(width: int, height: int) -> list[_Size]:
    """Return the sizes of the colour images, the smallest first."""
    steps = [(width // divisor, height // divisor) for divisor in _DIVISORS]
    return [size for size in steps if min(size) >= _SMALLEST_STEP_PX or size == (width, height)]


def _run(options: argparse.Namespace, console: Console) -> int:
    folder: Path = options.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scene.gltf").write_bytes(still_life.scene("color"))
        (folder / "label_scene.gltf").write_bytes(still_life.scene("label"))
    except OSError as error:
        raise ScriptError(f"nothing can be written into {folder}: {error.strerror}") from error
    with own_server(*options.server_options) as server:
        client = for_result(console, "Starting the server", lambda: server.client)
        _render(Exchange(client, console), (options.width, options.height), folder, console)
    console.print(f"[bold green]Done.[/] Look at [bold]{escape(str(folder / 'contact_sheet.png'))}[/]")
    for path in sorted(folder.iterdir()):
        print(path)
    return 0


def _render(exchange: Exchange, size: _Size, folder: Path, console: Console) -> None:
    """Request a small colour image, depth and labels, and then larger colour images."""
    first, *larger = sizes(*size)
    color = exchange.ask("color", first)
    depth, label = exchange.ask("depth", size), exchange.ask("label", size)
    _keep({"color": color, "depth": depth, "label": label}, folder)
    if larger:
        sheet = escape(str(folder / "contact_sheet.png"))
        console.print(f"[bold]{sheet}[/] is there for a first look; its colour gets better.", soft_wrap=True)
    for each in larger:
        color = exchange.ask("color", each)
        _keep({"color": color, "depth": depth, "label": label}, folder)


class Exchange:
    """Requests one image after another from the server.

    Parameters
    ----------
    client : RenderClient
    console : Console
        The console for progress bars.
    """

    def __init__(self, client: RenderClient, console: Console) -> None:
        self._client = client
        self._console = console
        self._s_per_pixel: float | None = None

    def ask(self, image_type: ImageType, size: _Size) -> RenderAnswer:
        """Return the server's response. The expected time for colour is estimated from the previous one."""
        request = still_life.scene(image_type), still_life.request_fields(image_type, *size)
        what = f"Rendering {image_type}, {size[0]} x {size[1]}"
        pixels, is_color = size[0] * size[1], image_type == "color"
        expected_s = self._s_per_pixel * pixels if is_color and self._s_per_pixel else None
        try:
            answer = for_result(self._console, what, partial(self._client.post, *request), expected_s)
        except RenderClientError as error:
            raise ScriptError(f"the server refuses: {error}") from error
        except requests.RequestException as error:
            raise ScriptError("the server went away; what it says above tells why") from error
        if is_color:
            self._s_per_pixel = answer.stages_ms["render"] / 1e3 / pixels
        return answer


def _keep(answers: Mapping[ImageType, RenderAnswer], folder: Path) -> None:
    """Save the images as received, and versions that any viewer can display; Ctrl-C cuts none of them."""
    for name, answer in answers.items():
        write_whole((folder / name).with_suffix(_SUFFIXES[answer.mimetype]), answer.body)
    depth, label = answers["depth"].pixels(), answers["label"].pixels()
    write_whole(folder / "depth_colored.png", encode_png(false_colours(depth, "depth")).data)
    write_whole(folder / "label_colored.png", encode_png(false_colours(decode_labels(label), "label")).data)
    color = Image.fromarray(answers["color"].pixels()).convert("RGB").resize(depth.shape[::-1])
    sheet = contact_sheet(
        color=np.asarray(color),
        depth=depth,
        label=label,
        names={label: name for name, label in still_life.labels().items()},
    )
    write_whole(folder / "contact_sheet.png", encode_png(sheet).data)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=__doc__,
        epilog="Further options go to the server: scripts/demo -- --quality final",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    side = whole_number(16)
    parser.add_argument("--width", type=side, default=640, help="pixels [default: %(default)s]")
    parser.add_argument("--height", type=side, default=480, help="pixels [default: %(default)s]")
    parser.add_argument(
        "--output",
        type=Path,
        default=_ROOT / "demo",
        help="folder for the pictures [default: demo/]",
    )
    parser.add_argument("server_options", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
