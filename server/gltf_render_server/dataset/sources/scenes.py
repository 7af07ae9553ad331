"""Sources of one file: seen from many poses, or at many moments of its animation."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from msgspec import Meta, Struct

from ...frame import When
from ..shot import Document
from .context import Context, ViewsPerItem
from .subject import Read, Stance, Subject

__all__ = ["AnimationSource", "AnimationTimes", "OneScene", "SceneSource"]

_LONGEST_S = 1e5


class SceneSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="scene"):
    """One file, seen from many poses."""

    file: Annotated[str, Meta(description="A GLB or glTF file, relative to the specification.")]
    views_per_item: ViewsPerItem = 1


class AnimationSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="animation"):
    """A file's animation, sampled at a frame rate; cameras that have paths move along them meanwhile."""

    file: Annotated[str, Meta(description="A GLB or glTF file, relative to the specification.")]
    fps: Annotated[
        float, Meta(gt=0, le=1000, description="Number of items for each second of the animation.")
    ] = 24.0
    start_s: Annotated[
        float,
        Meta(ge=0, le=_LONGEST_S, description="Time of the first item in seconds of the animation."),
    ] = 0.0
    duration_s: Annotated[
        float, Meta(gt=0, le=_LONGEST_S, description="Length in seconds of what the items show.")
    ] = 1.0


class _OneFile:
    """The file that all items show, which is read once."""

    def __init__(self, name: str, context: Context) -> None:
        self._path = context.file(name, "source.file")
        self._context = context

    @cached_property
    def document(self) -> Document:
        """The content of the file."""
        return self._context.document(self._path)

    @property
    def assets(self) -> dict[str, str]:
        """Path of the file by its digest."""
        return self._context.assets(self.document)


class OneScene:
    """See `subject.Source`."""

    def __init__(self, source: SceneSource, context: Context) -> None:
        self._source = source
        self._file = _OneFile(source.file, context)
        self._parts = context.parts(source.views_per_item)

    def __len__(self) -> int:
        return len(self._parts)

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{self._source.file}#{index}"

    def digest(self) -> str:
        """See `subject.Source`."""
        return self._file.document.sha256

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        del read
        stance = Stance(self._parts[index])
        moments: dict[When, Stance] = {}
        if self._source.views_per_item == 1:
            before, after = max(0, index - 1), min(len(self) - 1, index + 1)
            moments = {"before": Stance(self._parts[before]), "after": Stance(self._parts[after])}
        return Subject(
            name=self.name(index),
            sequence=self._source.file,
            document=self._file.document,
            stance=stance,
            first=stance,
            moments=moments,
            assets=self._file.assets,
        )


class AnimationTimes:
    """See `subject.Source`."""

    def __init__(self, source: AnimationSource, context: Context) -> None:
        self._source = source
        self._file = _OneFile(source.file, context)
        self._count = max(1, round(source.duration_s * source.fps))

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{self._source.file}@{self._time_s(index):.3f}s"

    def digest(self) -> str:
        """See `subject.Source`."""
        return self._file.document.sha256

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        del read
        return Subject(
            name=self.name(index),
            sequence=self._source.file,
            document=self._file.document,
            stance=self._stance(index),
            first=self._stance(0),
            count=self._count,
            moments={"before": self._stance(index - 1), "after": self._stance(index + 1)},
            assets=self._file.assets,
        )

    def _stance(self, index: int) -> Stance:
        """Return the stance at a moment; moments outside the animation are moved to its ends."""
        index = min(max(index, 0), self._count - 1)
        return Stance(range(index, index + 1), time_s=self._time_s(index))

    def _time_s(self, index: int) -> float:
        return self._source.start_s + index / self._source.fps
