"""One file: seen by many cameras, or at many moments of its animation."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...frame import When
from .context import Context
from .subject import Read, Stance, Subject

__all__ = ["AnimationSource", "AnimationTimes", "OneScene", "SceneSource"]

_LONGEST_S = 1e5


class SceneSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="scene"):
    """One file, seen from many poses."""

    file: Annotated[str, Meta(description="A GLB or glTF file, relative to the specification.")]
    views_per_item: Annotated[
        int, Meta(ge=1, le=64, description="How many poses of each camera are an item together.")
    ] = 1


class AnimationSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="animation"):
    """A file's animation, sampled at a frame rate; cameras that have paths move along them meanwhile."""

    file: Annotated[str, Meta(description="A GLB or glTF file, relative to the specification.")]
    fps: Annotated[float, Meta(gt=0, le=1000, description="Items a second.")] = 24.0
    start_s: Annotated[float, Meta(ge=0, le=_LONGEST_S)] = 0.0
    duration_s: Annotated[float, Meta(gt=0, le=_LONGEST_S)] = 1.0


class OneScene:
    """See `subject.Source`."""

    def __init__(self, source: SceneSource, context: Context) -> None:
        self._source = source
        self._context = context
        self._path = context.file(source.file, "source.file")
        self._poses = range(context.poses)

    def __len__(self) -> int:
        return -(-len(self._poses) // self._source.views_per_item)

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{self._source.file}#{index}"

    def digest(self) -> str:
        """See `subject.Source`."""
        return self._context.document(self._path).sha256

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        del read
        size = self._source.views_per_item
        first = index * size
        stance = self._stance(first, size)
        last = len(self._poses) - 1
        moments: dict[When, Stance] = {}
        if size == 1:
            before, after = max(0, first - 1), min(last, first + 1)
            moments = {"before": self._stance(before, 1), "after": self._stance(after, 1)}
        document = self._context.document(self._path)
        return Subject(
            name=self.name(index),
            sequence=self._source.file,
            document=document,
            stance=stance,
            first=stance,
            moments=moments,
            assets=self._context.assets(document),
        )

    def _stance(self, first: int, size: int) -> Stance:
        """Return so many poses from a first one on, as far as there are any."""
        return Stance(self._poses[first : first + size])


class AnimationTimes:
    """See `subject.Source`."""

    def __init__(self, source: AnimationSource, context: Context) -> None:
        self._source = source
        self._context = context
        self._path = context.file(source.file, "source.file")
        self._count = max(1, round(source.duration_s * source.fps))

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{self._source.file}@{self._time_s(index):.3f}s"

    def digest(self) -> str:
        """See `subject.Source`."""
        return self._context.document(self._path).sha256

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        del read
        document = self._context.document(self._path)
        return Subject(
            name=self.name(index),
            sequence=self._source.file,
            document=document,
            stance=self._stance(index),
            first=self._stance(0),
            count=self._count,
            moments={"before": self._stance(index - 1), "after": self._stance(index + 1)},
            assets=self._context.assets(document),
        )

    def _stance(self, index: int) -> Stance:
        """Return how things stand then; before the beginning as there, and after the end as there."""
        index = min(max(index, 0), self._count - 1)
        return Stance(range(index, index + 1), time_s=self._time_s(index))

    def _time_s(self, index: int) -> float:
        return self._source.start_s + index / self._source.fps
