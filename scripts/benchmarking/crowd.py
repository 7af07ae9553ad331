"""Many concurrent clients. Each is a simulation with its own scene, which changes from frame to frame."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gltf_render_server.client import RenderClient

from .scenes import ImageType, small_scene
from .sequences import Moving, SceneRequest

__all__ = ["Turn", "simulations", "take_turn"]


@dataclass(frozen=True)
class Turn:
    """The results of one server in one turn."""

    server: str
    answers: int
    seconds: float

    @property
    def rate(self) -> float:
        """The number of responses per second."""
        return self.answers / self.seconds


def simulations(
    count: int, size: tuple[int, int], image_types: Sequence[ImageType] = tuple(ImageType)
) -> list[Iterator[SceneRequest]]:
    """Return an infinite stream of requests for each simulation.

    Parameters
    ----------
    count : int
    size : (width, height)
        The size of the images, px.
    image_types : sequence of ImageType
        The image types that each simulation requests in turn.
    """
    return [_requests(Moving(small_scene(seed), seed, *size), image_types) for seed in range(count)]


def take_turn(
    name: str,
    client: RenderClient,
    simulations: Sequence[Iterator[SceneRequest]],
    seconds: float,
    pool: ThreadPoolExecutor,
) -> Turn:
    """Let all simulations send requests to the server with this name for a given time, each at least one."""
    started_s = time.monotonic()
    deadline_s = started_s + seconds
    answers = sum(pool.map(lambda requests: _ask_until(deadline_s, client, requests), simulations))
    return Turn(name, answers, time.monotonic() - started_s)


def _requests(sequence: Moving, image_types: Sequence[ImageType]) -> Iterator[SceneRequest]:
    for frame in itertools.count():
        for image_type in image_types:
            yield sequence.request(frame, image_type)


def _ask_until(deadline_s: float, client: RenderClient, requests: Iterator[SceneRequest]) -> int:
    """Send a request, and more until the deadline; return the number of responses."""
    count = 0
    while not count or time.monotonic() < deadline_s:
        request = next(requests)
        client.post(request.scene, request.fields)
        count += 1
    return count
