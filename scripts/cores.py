#!/usr/bin/env python3
"""Tells how many pictures a second more cores would give, from what pictures cost on this machine.

A worker with one thread and one with two render the same pictures; what the second thread saves is the part
of a picture that threads share. What the process that speaks HTTP takes of the processor is measured, too.
From these a model says what 8, 32 and 64 cores give, and it is checked here: on one core, on two, and on all.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from statistics import median

try:
    from rich.console import Console, RenderableType

    from benchmarking.costs import Costs
    from benchmarking.crowd import simulations, take_turn
    from gltf_render_server.dispatch.machine import Machine
    from gltf_render_server.dispatch.sharing import Needs, share_out
    from gltf_render_server.http.form import ImageType
    from option_types import image_types, sizes, whole_number
    from own_server import OwnServer, own_server
    from reporting import ScriptError, add_output_options, check_outputs, progress, report, run, table
except ModuleNotFoundError as error:
    sys.exit(
        f"cores: {error.name} is not installed; in the project's folder: pip install . --group benchmark"
    )

_EXAMPLES = """\
examples:
  scripts/cores.py                                             # some minutes
  scripts/cores.py --types color --sizes 640x480 --options="--quality balanced"
  scripts/cores.py --model 16,128 --check 8,32                 # on a machine with 32 cores"""

_THREADS = 2
_WORKER_STAGES = ("transfer", "import", "update", "render", "read")
_WARM_UP = 2  # pictures
_LEAST = 3
_ANY_MEMORY = 10**15
_TICK_S = 0.01  # in which Linux counts processor times: a few small pictures may take less


@dataclass(frozen=True)
class Kind:
    """A kind of picture."""

    image_type: ImageType
    size: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.image_type.value} {self.size[0]} x {self.size[1]}"


@dataclass(frozen=True)
class Check:
    """What some cores and workers gave, pictures a second, and what the model says."""

    kind: Kind
    cores: int
    workers: int
    model: float
    measured: float


def main() -> int:
    """Measure, and show; return the exit status."""
    options = _parser().parse_args()
    return run("cores", lambda console: _measure(options, console))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/cores.py",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--types",
        type=image_types,
        default=(ImageType.DEPTH, ImageType.COLOR),
        metavar="A,B,...",
        help="kinds of image [default: depth,color]",
    )
    add(
        "--sizes",
        type=sizes,
        default=((160, 120), (320, 240), (640, 480)),
        metavar="WxH,...",
        help="[default: 160x120,320x240,640x480]",
    )
    add("--model", type=_numbers, default=(8, 32, 64), metavar="N,...", help="cores [default: 8,32,64]")
    add("--check", type=_numbers, metavar="N,...", help="cores of this machine [default: 1, 2 and all]")
    add("--clients", type=whole_number(1), metavar="N", help="at once, to check [default: two a worker]")
    add("--seconds", type=float, default=5.0, metavar="S", help="for each kind [default: %(default)s]")
    add("--turns", type=whole_number(1), default=3, metavar="N", help="of a check [default: %(default)s]")
    add(
        "--options",
        type=str.split,
        default=["--quality", "preview"],
        metavar="OPTIONS",
        help='of the server [default: "--quality preview"]',
    )
    add_output_options(parser, plot=False)
    return parser


def _measure(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < _THREADS:
        raise ScriptError("this needs Linux, and two cores")
    kinds = [Kind(*each) for each in product(options.types, options.sizes)]
    cores = sorted(os.sched_getaffinity(0))
    checked = options.check or sorted({1, _THREADS, len(cores)})
    if max(checked) > len(cores):
        raise ScriptError(f"--check {max(checked)}: there are {len(cores)} cores here")
    trials = [(count, workers) for count in checked for workers in sorted({1, _auto(count)})]
    with progress(console) as bars:
        task = bars.add_task("alone", total=len(kinds))
        costs: dict[Kind, Costs] = {}
        with ExitStack() as stack:
            servers = [
                stack.enter_context(own_server("--workers", "1", "--threads", str(threads), *options.options))
                for threads in (1, _THREADS)
            ]
            for kind in kinds:
                costs[kind] = _costs(servers, kind, options.seconds)
                bars.advance(task)
        task = bars.add_task("checks", total=len(kinds) * len(trials))
        checks = []
        for count, workers in trials:
            shared = ("--workers", str(workers), "--threads", "share", *options.options)
            with _server_on(cores[:count], *shared) as server:
                for kind in kinds:
                    checks.append(_check(server, kind, costs[kind], count, workers, options))
                    bars.advance(task)
    report(_tables(costs, checks, options.model), {"costs": list(costs.items()), "checks": checks}, options)
    return 0


def _costs(servers: Sequence[OwnServer], kind: Kind, seconds: float) -> Costs:
    """Ask servers of one thread and of more in turn, picture after picture of a scene that moves.

    Processor times are means, and what more threads save is the difference of medians.
    """
    [requests] = simulations(1, kind.size, [kind.image_type])
    for _ in range(_WARM_UP):
        request = next(requests)
        for server in servers:
            server.client.post(request.scene, request.fields)
    times_s: list[list[float]] = [[] for _ in servers]
    before = _processor_times_s(servers)
    deadline_s = time.monotonic() + seconds
    while len(times_s[0]) < _LEAST or time.monotonic() < deadline_s:
        request = next(requests)
        for server, own_s in zip(servers, times_s, strict=True):
            stages_ms = server.client.post(request.scene, request.fields).stages_ms
            own_s.append(sum(stages_ms.get(stage, 0.0) for stage in _WORKER_STAGES) / 1000)
    after = _processor_times_s(servers)
    took = [max(_TICK_S, now - then) for now, then in zip(after, before, strict=True)]
    pictures = len(times_s[0])
    worker_s = took[0] / pictures
    server_s, client_s = (each / pictures / len(servers) for each in took[1:])
    one_s, more_s = map(median, times_s)
    return Costs.measured(worker_s, one_s - more_s, _THREADS, server_s, client_s)


def _processor_times_s(servers: Sequence[OwnServer]) -> tuple[float, float, float]:
    """Return what the first server's workers, all servers' processes of HTTP, and this client have taken."""
    return (
        servers[0].workers_processor_s(),
        sum(server.processor_s() for server in servers),
        time.process_time(),
    )


def _check(
    server: OwnServer, kind: Kind, costs: Costs, cores: int, workers: int, options: argparse.Namespace
) -> Check:
    """Let many clients ask at once, and take their best turn; where no cores are left, they share them."""
    if cores < len(os.sched_getaffinity(0)):
        costs = replace(costs, client_s=0.0)
    clients = simulations(options.clients or 2 * workers, kind.size, [kind.image_type])
    with ThreadPoolExecutor(len(clients)) as pool:
        turns = [
            take_turn("server", server.client, clients, options.seconds, pool)
            for _ in range(1 + options.turns)
        ]
    measured = max(turn.rate for turn in turns[1:])
    return Check(kind, cores, workers, costs.rate(cores, workers), measured)


@contextmanager
def _server_on(cores: Sequence[int], *options: str) -> Iterator[OwnServer]:
    """Run a server on some cores only; its clients have all."""
    allowed = os.sched_getaffinity(0)
    with ExitStack() as stack:
        os.sched_setaffinity(0, cores)
        try:
            server = stack.enter_context(own_server(*options))
        finally:
            os.sched_setaffinity(0, allowed)
        yield server


def _auto(cores: int) -> int:
    """Return how many workers a machine of so many cores, and enough memory, has by itself."""
    return len(share_out(Machine((tuple(range(cores)),), cores, _ANY_MEMORY), "auto", "all", Needs(1)))


def _tables(
    costs: Mapping[Kind, Costs], checks: Sequence[Check], modelled: Sequence[int]
) -> Iterator[RenderableType]:
    made = table("What a picture costs, milliseconds", ["picture"], ["serial", "parallel", "HTTP", "client"])
    for kind, each in costs.items():
        times_s = (each.serial_s, each.parallel_s, each.server_s, each.client_s)
        made.add_row(str(kind), *(f"{1000 * value:.1f}" for value in times_s))
    yield made
    headings = [
        heading for cores in modelled for heading in (f"{cores} cores", f"{_auto(cores)} workers", "bound")
    ]
    made = table("What the model says, pictures a second", ["picture"], headings)
    for kind, each in costs.items():
        elsewhere = replace(each, client_s=0.0)
        made.add_row(str(kind), *(cell for cores in modelled for cell in _cells(elsewhere, cores)))
    yield made
    yield "One worker has all cores in the columns of cores. What bounds the columns beside them:"
    yield "cores = all are busy; workers = one at least waits for a worker's serial part; server = HTTP."
    made = table(
        "Checks, pictures a second",
        ["picture"],
        ["cores", "workers", "model", "measured", "measured / model"],
    )
    for check in checks:
        made.add_row(
            str(check.kind),
            str(check.cores),
            str(check.workers),
            f"{check.model:.1f}",
            f"{check.measured:.1f}",
            f"{check.measured / check.model:.2f}",
        )
    yield made


def _cells(costs: Costs, cores: int) -> tuple[str, str, str]:
    workers = _auto(cores)
    return f"{costs.rate(cores, 1):.1f}", f"{costs.rate(cores, workers):.1f}", costs.bound(cores, workers)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(whole_number(1), text.split(",")))


if __name__ == "__main__":
    sys.exit(main())
