"""Compares a warm server with BlenderProc, in turn, with the same file, light, poses and samples."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import RenderableType

from gltf_render_server.client import RenderClient, RenderClientError
from gltf_render_server.dataset.shot import Shot
from reporting import ScriptError, table

from .orbit import QUALITIES, Orbit
from .peer import BLENDERPROC, Peer

__all__ = ["Turn", "beside", "beside_tables"]


@dataclass(frozen=True)
class Turn:
    """The seconds per frame in one turn: of each frame of the server, and BlenderProc's mean.

    Attributes
    ----------
    ours_s : dict of str to list of float
        By quality, from sending the request to receiving the arrays of all passes.
    peer_s : float
        The time to render all poses divided by their number, without start-up and without writing files.
    """

    ours_s: dict[str, list[float]]
    peer_s: float

    def ratio(self, quality: str) -> float:
        """Return how many frames the server renders in the time of one frame of BlenderProc."""
        return self.peer_s / statistics.mean(self.ours_s[quality])


def beside(
    client: RenderClient, peer: Peer, orbit: Orbit, turns: int, on_turn: Callable[[], None] = lambda: None
) -> list[Turn]:
    """Let the server and BlenderProc take turns at an orbit.

    Raises
    ------
    ScriptError
        One of them failed.
    """
    made = []
    with tempfile.TemporaryDirectory(prefix="benchmark") as name:
        folder = Path(name)
        specification = folder / "orbit.toml"
        specification.write_text(orbit.specification(QUALITIES[0]))
        shots = orbit.shots(specification)
        job = orbit.job(shots, folder)
        for number in range(turns):
            ours_s = {quality: list(_frames_s(client, shots, quality)) for quality in QUALITIES}
            theirs = peer.run(job, folder / f"{number}")
            made.append(Turn(ours_s, theirs.seconds["render"] / theirs.pictures))
            on_turn()
    return made


def beside_tables(turns: Sequence[Turn], orbit: Orbit) -> Iterator[RenderableType]:
    """Yield the tables to print."""
    width, height = orbit.size
    title = f"Seconds a frame, {width} x {height}, {orbit.samples} samples, {orbit.light}: medians of turns"
    made = table(title, ["program"], ["a frame", "BlenderProc's time / its", "of the turns"])
    for quality in QUALITIES:
        ratios = [turn.ratio(quality) for turn in turns]
        seconds = statistics.median(statistics.mean(turn.ours_s[quality]) for turn in turns)
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        made.add_row(f"server, {quality}", f"{seconds:.2f}", f"{statistics.median(ratios):.2f}", each)
    made.add_row(BLENDERPROC, f"{statistics.median(turn.peer_s for turn in turns):.2f}", "1", "")
    yield made


def _frames_s(client: RenderClient, shots: Sequence[Shot], quality: str) -> Iterator[float]:
    """Request all frames, the first one twice, so that the measurements are of a warm server."""
    for number, shot in enumerate([shots[0], *shots]):
        look = replace(shot.look, quality=quality)
        started_s = time.perf_counter()
        try:
            client.render(shot.document.data, shot.views, shot.passes, look=look)
        except RenderClientError as error:
            raise ScriptError(f"the server does not render the orbit: {error}") from error
        if number:
            yield time.perf_counter() - started_s
