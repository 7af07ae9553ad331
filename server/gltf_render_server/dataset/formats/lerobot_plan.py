"""The plan of a LeRobot dataset, made from the items' records before any image is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...errors import DatasetError
from ..records import ItemRecord, ObjectRecord
from ..store import Store

__all__ = ["Camera", "Episode", "Plan", "make_plan", "named_objects"]

_FPS = 10  # if the items' times imply no frame rate
_TIMES_AGREE_S = 1e-4  # LeRobot's own tolerance
_LONGEST_VIDEO_S = 300  # LeRobot seeks by float32 times, which are exact to 1e-4 s up to here


@dataclass(frozen=True)
class Camera:
    """A view that every item has.

    Attributes
    ----------
    number : int
        The index of the view in each item.
    name : str
    size : (width, height)
        Px.
    """

    number: int
    name: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Episode:
    """The items of a sequence in one split.

    Attributes
    ----------
    items : tuple of int
        The sorted indices of the items, which are the episode's frames.
    task : str
        LeRobot's task: the name of the sequence.
    split : str
    first : int
        The index of its first frame in the dataset.
    file : int
        The index of the video that contains the episode, for each camera.
    start : int
        The index of its first frame in that video.
    """

    items: tuple[int, ...]
    task: str
    split: str
    first: int
    file: int
    start: int


@dataclass(frozen=True)
class Plan:
    """The content of a dataset, as far as the records determine it.

    Attributes
    ----------
    episodes : tuple of Episode
        The episodes, grouped by split.
    cameras : tuple of Camera
    objects : tuple of str
        The names of the annotated objects that are in every item and that move; see `named_objects`.
    fps : int
    """

    episodes: tuple[Episode, ...]
    cameras: tuple[Camera, ...]
    objects: tuple[str, ...]
    fps: int

    def splits(self) -> dict[str, str]:
        """Return the episodes of each split as LeRobot writes them, such as "0:12"."""
        counts = Counter(episode.split for episode in self.episodes)
        ends = {name: sum(list(counts.values())[: place + 1]) for place, name in enumerate(counts)}
        return {name: f"{end - counts[name]}:{end}" for name, end in ends.items()}


def make_plan(store: Store) -> Plan:
    """Read the record of every item, and return the plan.

    Raises
    ------
    DatasetError
        The store has no items, or its items have different cameras.
    """
    survey = None
    for item in store:
        survey = survey or _Survey(item.record)
        survey.add(item.record)
    if survey is None:
        raise DatasetError(f"{store.path}: the dataset has no items to export")
    return survey.plan()


def named_objects(record: ItemRecord) -> dict[str, ObjectRecord]:
    """Return the annotated objects of an item by unique names: ``box``, ``box#2``, ..."""
    found: dict[str, ObjectRecord] = {}
    counts: Counter[str] = Counter()
    for each in record.objects:
        if each.category is not None:
            name = each.name or each.category
            counts[name] += 1
            found[name if counts[name] == 1 else f"{name}#{counts[name]}"] = each
    return found


@dataclass
class _Sequence:
    """The items of one sequence in one split."""

    task: str
    split: str
    items: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)


class _Survey:
    """Collects what the records of all items have in common."""

    def __init__(self, first: ItemRecord) -> None:
        self._first = first
        self._sequences: dict[tuple[str, str | int], _Sequence] = {}
        self._matrices = {name: each.matrix for name, each in named_objects(first).items()}
        self._moved: set[str] = set()

    def add(self, record: ItemRecord) -> None:
        if _cameras(record) != _cameras(self._first):
            raise DatasetError(
                f"lerobot: item {record.index} has other cameras or image sizes than item "
                f"{self._first.index}; LeRobot needs the same cameras and sizes in every frame"
            )
        key = (record.split, record.sequence or record.index)
        sequence = self._sequences.setdefault(key, _Sequence(record.sequence or record.name, record.split))
        sequence.items.append(record.index)
        sequence.times_s.append(record.time_s)
        objects = named_objects(record)
        self._matrices = {name: matrix for name, matrix in self._matrices.items() if name in objects}
        self._moved |= {name for name, matrix in self._matrices.items() if objects[name].matrix != matrix}

    def plan(self) -> Plan:
        sequences = list(self._sequences.values())
        fps = _common_rate(sequences) or _FPS
        objects = tuple(name for name in self._matrices if name in self._moved)
        return Plan(tuple(_episodes(sequences, fps)), _cameras(self._first), objects, fps)


def _cameras(record: ItemRecord) -> tuple[Camera, ...]:
    return tuple(
        Camera(number, view.name, (view.lens.width, view.lens.height))
        for number, view in enumerate(record.views)
    )


def _episodes(sequences: Sequence[_Sequence], fps: int) -> Iterator[Episode]:
    """Yield the episodes, those of the split "train" first; short ones share a video."""
    others = dict.fromkeys(sequence.split for sequence in sequences if sequence.split != "train")
    order = ["train", *others]
    first = file = start = 0
    for sequence in sorted(sequences, key=lambda each: order.index(each.split)):
        count = len(sequence.items)
        if start and start + count > _LONGEST_VIDEO_S * fps:
            file, start = file + 1, 0
        yield Episode(tuple(sequence.items), sequence.task, sequence.split, first, file, start)
        first, start = first + count, start + count


def _common_rate(sequences: Sequence[_Sequence]) -> int | None:
    """Return the frames per second if all sequences have the same whole number; otherwise, None."""
    rates = {_rate(sequence.times_s) for sequence in sequences if len(sequence.times_s) > 1}
    return rates.pop() if len(rates) == 1 else None


def _rate(times_s: Sequence[float]) -> int | None:
    """Return the frames per second of times with equal steps; None if it is not a whole number."""
    length = times_s[-1] - times_s[0]
    rate = round((len(times_s) - 1) / length) if length > 0 else 0
    if rate < 1:
        return None
    expected = (times_s[0] + number / rate for number in range(len(times_s)))
    agree = all(abs(time - each) < _TIMES_AGREE_S for time, each in zip(times_s, expected, strict=True))
    return rate if agree else None
