#!/usr/bin/env python3
"""Measures how many requests a second a render server answers to many clients at once, or compares two.

Each client is a simulation of its own, with a scene of its own that moves from frame to frame, and asks for
colour, depth and labels in turn. With a peer, the two servers have turns of some seconds each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

try:
    from rich.console import Console, RenderableType

    from benchmarking.crowd import Turn, simulations, take_turn
    from benchmarking.exchange import Server, servers_of
    from benchmarking.scenes import ImageType
    from option_types import image_types
    from reporting import add_output_options, check_outputs, progress, report, run, table
except ModuleNotFoundError as error:
    sys.exit(
        f"throughput: {error.name} is not installed; in the project's folder: pip install . --group benchmark"
    )

_EXAMPLES = """\
example, two servers on one machine, of which one is measured at a time:
  gltf-render-server --port 8000 --samples 4 --no-denoise &
  gltf-render-server --port 8001 --samples 4 --no-denoise --workers 2 &
  scripts/throughput.py --url http://127.0.0.1:8001 --peer-url http://127.0.0.1:8000"""


def main() -> int:
    """Run the measurements, show the results, and return the exit status."""
    options = _parser().parse_args()
    return run("throughput", lambda console: _measure(options, console))


def _measure(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    servers = servers_of(options)
    for server in servers:
        server.greet()
    turns = list(_turns(servers, options, console))
    report(_tables(turns), turns, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/throughput.py",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8000", help="the server to measure [default: %(default)s]")
    add("--peer-url", metavar="URL", help="a server to compare it with")
    add("--clients", type=int, default=8, metavar="N", help="at once [default: %(default)s]")
    add("--turns", type=int, default=6, metavar="N", help="of each server [default: %(default)s]")
    add("--seconds", type=float, default=5.0, metavar="S", help="of a turn [default: %(default)s]")
    add("--width", type=int, default=160, metavar="PX", help="of the images [default: %(default)s]")
    add("--height", type=int, default=120, metavar="PX", help="of the images [default: %(default)s]")
    add(
        "--types",
        type=image_types,
        default=tuple(ImageType),
        metavar="A,B,...",
        help="kinds of image, in the order of asking [default: color,depth,label]",
    )
    add("--timeout", type=float, default=600.0, metavar="S", help="for an answer [default: %(default)s]")
    add_output_options(parser, plot=False)
    return parser


def _turns(servers: Sequence[Server], options: argparse.Namespace, console: Console) -> Iterator[Turn]:
    """Let the servers take turns. The first turn of each is a warm-up that does not count."""
    clients = simulations(options.clients, (options.width, options.height), options.types)
    with ThreadPoolExecutor(options.clients) as pool, progress(console) as bars:
        for number in bars.track(range(options.turns + 1), description="Measuring"):
            for server in servers:
                turn = take_turn(server.name, server.client, clients, options.seconds, pool)
                if number > 0:
                    yield turn


def _tables(turns: Sequence[Turn]) -> Iterator[RenderableType]:
    rates = {
        name: [turn.rate for turn in turns if turn.server == name]
        for name in dict.fromkeys(turn.server for turn in turns)
    }
    made = table("Throughput", ["server"], ["requests a second, median", "of turns"])
    for name, values in rates.items():
        made.add_row(name, f"{statistics.median(values):.1f}", " ".join(f"{value:.1f}" for value in values))
    yield made
    if "peer" in rates:
        ratios = [a / b for a, b in zip(rates["server"], rates["peer"], strict=True)]
        yield f"server : peer = {statistics.median(ratios):.2f} (median of the turns)"


if __name__ == "__main__":
    sys.exit(main())
