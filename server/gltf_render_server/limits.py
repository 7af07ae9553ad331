"""Limits on the size of a scene, checked against the document's counts before it is processed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import CheckTimeoutError, TooLargeError

__all__ = ["MOST_WEIGHTS", "Limits", "ask_time", "time_left_s", "time_limit"]

# position, normal, tangent, two sets of texture coordinates, and a share of the index buffer
_VERTEX_BYTES = 100
MOST_WEIGHTS = 1_000_000
"""The largest total number of morph target weights in all drawn nodes; each weight takes about 50 bytes."""

_DEADLINE_S: ContextVar[float] = ContextVar("deadline_s", default=float("inf"))


@dataclass(frozen=True)
class Limits:
    """The limits of one scene. The error for each names the option that raises the limit.

    Attributes
    ----------
    max_vertices : int
        The limit for the vertices of all different drawn meshes. Each mesh counts once, and each morph target
        counts the vertices again.
    max_triangles : int
        The limit for the triangles of everything that is drawn. A mesh counts each time that it is drawn.
    max_objects : int
        The limit for primitives, each counted every time that it is drawn, plus lights.
    max_texture_bytes : int
        The limit for all visible images, decoded as Blender keeps them in memory.
    """

    max_vertices: int = 12_000_000
    max_triangles: int = 100_000_000
    max_objects: int = 25_000
    max_texture_bytes: int = 2 * 10**9

    def check_vertices(self, count: int) -> None:
        """Raise an error if a scene has too many vertices."""
        if count > self.max_vertices:
            raise _too_much(f"its meshes have {count} vertices", self.max_vertices, "max-vertices")

    def check_triangles(self, count: int) -> None:
        """Raise an error if a scene draws too many triangles."""
        if count > self.max_triangles:
            raise _too_much(f"it draws {count} triangles", self.max_triangles, "max-triangles")

    def check_objects(self, count: int) -> None:
        """Raise an error if a scene draws too many objects."""
        if count > self.max_objects:
            raise _too_much(f"it draws {count} objects", self.max_objects, "max-objects")

    def check_decoded(self, size: int, what: str = "what is compressed in it takes") -> None:
        """Raise an error if a decoded part of a scene has too many bytes; ``what`` describes the part."""
        if size > self.max_vertices * _VERTEX_BYTES:
            what = f"{what} {size / 1e6:.0f} MB when it is decoded"
            raise _too_much(what, self.max_vertices * _VERTEX_BYTES // 10**6, "max-vertices")

    def check_textures(self, size: int) -> None:
        """Raise an error if the images of a scene have too many bytes."""
        if size > self.max_texture_bytes:
            what = f"its images take {size / 1e6:.0f} MB when they are decoded"
            raise _too_much(what, round(self.max_texture_bytes / 1e6), "max-texture-mb")


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Limit how long this thread may check a scene; used in a ``with`` statement."""
    token = _DEADLINE_S.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE_S.reset(token)


def time_left_s() -> float:
    """Return how long this thread may still check the scene. Without a limit, that is infinity."""
    return _DEADLINE_S.get() - time.monotonic()


def ask_time() -> None:
    """Raise CheckTimeoutError if the time is over. Call it in loops whose length the client controls."""
    if time.monotonic() > _DEADLINE_S.get():
        raise CheckTimeoutError(
            "scene: the check took too long (option --check-timeout); try again later, or send a simpler one"
        )


def _too_much(what: str, limit: int, option: str) -> TooLargeError:
    return TooLargeError(f"scene: {what}; this server takes at most {limit} (option --{option})")
