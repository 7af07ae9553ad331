"""What a scene may cost at most, counted from what it says of itself before anything is done with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import CheckTimeoutError, TooLargeError

__all__ = ["MOST_WEIGHTS", "Limits", "ask_time", "time_left_s", "time_limit"]

_VERTEX_BYTES = 100  # position, normal, tangent, two sets of coordinates, and its share of the indices
MOST_WEIGHTS = 1_000_000
"""How many morph targets' weights there may be, of all that is drawn; each takes about 50 bytes."""

_DEADLINE_S: ContextVar[float] = ContextVar("deadline_s", default=float("inf"))


@dataclass(frozen=True)
class Limits:
    """The bounds of one scene; each is refused with the option that raises it.

    Attributes
    ----------
    max_vertices : int
        Of all different meshes that are drawn, once each; a morph target counts its vertices again.
    max_triangles : int
        Of everything that is drawn, each time that it is drawn.
    max_objects : int
        Primitives that are drawn, each time that they are drawn, and lights.
    max_texture_bytes : int
        Of all images that are shown, decoded as Blender holds them.
    """

    max_vertices: int = 12_000_000
    max_triangles: int = 100_000_000
    max_objects: int = 25_000
    max_texture_bytes: int = 2 * 10**9

    def check_vertices(self, count: int) -> None:
        """Refuse a scene with so many vertices."""
        if count > self.max_vertices:
            raise _too_much(f"its meshes have {count} vertices", self.max_vertices, "max-vertices")

    def check_triangles(self, count: int) -> None:
        """Refuse a scene that draws so many triangles."""
        if count > self.max_triangles:
            raise _too_much(f"it draws {count} triangles", self.max_triangles, "max-triangles")

    def check_objects(self, count: int) -> None:
        """Refuse a scene that draws so many objects."""
        if count > self.max_objects:
            raise _too_much(f"it draws {count} objects", self.max_objects, "max-objects")

    def check_decoded(self, size: int, what: str = "what is compressed in it takes") -> None:
        """Refuse a scene of which a part takes so many bytes; ``what`` names the part."""
        if size > self.max_vertices * _VERTEX_BYTES:
            what = f"{what} {size / 1e6:.0f} MB when it is decoded"
            raise _too_much(what, self.max_vertices * _VERTEX_BYTES // 10**6, "max-vertices")

    def check_textures(self, size: int) -> None:
        """Refuse a scene whose images take so many bytes."""
        if size > self.max_texture_bytes:
            what = f"its images take {size / 1e6:.0f} MB when they are decoded"
            raise _too_much(what, round(self.max_texture_bytes / 1e6), "max-texture-mb")


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Bound how long this thread may check a scene, for the length of a ``with`` block."""
    token = _DEADLINE_S.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE_S.reset(token)


def time_left_s() -> float:
    """Return how long this thread may still check the scene; infinite without a limit."""
    return _DEADLINE_S.get() - time.monotonic()


def ask_time() -> None:
    """Raise CheckTimeoutError if the time is over; for loops whose length the client chooses."""
    if time.monotonic() > _DEADLINE_S.get():
        raise CheckTimeoutError(
            "scene: the check took too long (option --check-timeout); try again later, or send a simpler one"
        )


def _too_much(what: str, limit: int, option: str) -> TooLargeError:
    return TooLargeError(f"scene: {what}; this server takes at most {limit} (option --{option})")
