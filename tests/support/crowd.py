"""Many clients at once: mixed requests, and what a lone server answers to them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from drake_like import DrakeScene, box, look_at, sphere, translation

from gltf_render_server.client import RenderClient, form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType

Request = tuple[bytes, tuple[tuple[str, str], ...]]

_RANGE = DepthRange(0.05, 20.0)
_CAMERAS = (
    Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0),
    Lens(120, 64, 100.0, 90.0, 50.0, 31.5, 0.05, 20.0),
)


def mixed_requests(scenes: int = 3) -> list[Request]:
    """Every image type of every scene in every camera, all different."""
    return [
        (scene.to_bytes(str(kind)), tuple(form_fields(kind, camera, _RANGE).items()))
        for scene in map(_scene, range(scenes))
        for kind in ImageType
        for camera in _CAMERAS
    ]


def drawn(requests: Sequence[Request], count: int, seed: int) -> list[Request]:
    """`count` of `requests` by chance, each at least once where there is room."""
    chance = random.Random(seed)
    picked = list(requests[:count]) + [chance.choice(requests) for _ in range(count - len(requests))]
    chance.shuffle(picked)
    return picked


def answers(url: str, requests: Sequence[Request], clients: int = 1) -> Iterator[bytes]:
    """Ask all, by so many clients at once; in the order of `requests`, as the answers come in."""

    def ask(request: Request) -> bytes:
        scene, form = request
        return RenderClient(url, timeout_s=300).post(scene, dict(form)).body

    with ThreadPoolExecutor(clients) as pool:
        yield from pool.map(ask, requests)


def truth(url: str, requests: Sequence[Request]) -> dict[Request, bytes]:
    """What a server answers when nobody disturbs it."""
    return dict(zip(requests, answers(url, requests), strict=True))


def _scene(number: int) -> DrakeScene:
    side = 0.4 + 0.1 * number
    return DrakeScene(
        [
            box((4, 4, 0.1), translation(0, 0, -0.05), 1, rgba=(0.6, 0.6, 0.6, 1)),
            box((side, 0.4, 0.6), translation(-0.5, 0.1 * number, 0.3), 2 + number),
            sphere(0.35, translation(0.5, -0.2, 0.35), 300, rgba=(0.1, 0.2 * number, 0.9, 1)),
        ],
        look_at((1.6, -1.9 + 0.2 * number, 1.5), (0, 0, 0.2)),
    )
