"""What a LeRobot dataset will hold, found out from the items' records before a picture is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...errors import DatasetError
from ..records import ItemRecord, ObjectRecord
from ..store import Store

__all__ = ["Camera", "Episode", "Plan", "make_plan", "named_objects"]

_FPS = 10  # where times do not tell
_TIMES_AGREE_S = 1e-4  # LeRobot's own tolerance
_LONGEST_VIDEO_S = 300  # LeRobot looks for frames with float32 times, which are exact to 1e-4 s so far only


@dataclass(frozen=True)
class Camera:
    """A view of every item.

    Attributes
    ----------
    number : int
        Of the view in each item.
    name : str
    size : (width, height)
        Px.
    """

    number: int
    name: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Episode:
    """The items of a sequence that are in the same split.

    Attributes
    ----------
    items : tuple of int
        Their indices, sorted: the frames.
    task : str
        What LeRobot calls the task: the sequence's name.
    split : str
    first : int
        The number of its first frame in the dataset.
    file : int
        In which video of each camera it is; from 0 on.
    start : int
        The number of its first frame in that video.
    """

    items: tuple[int, ...]
    task: str
    split: str
    first: int
    file: int
    start: int


@dataclass(frozen=True)
class Plan:
    """All that is known in advance.

    Attributes
    ----------
    episodes : tuple of Episode
        Those of a split one after another.
    cameras : tuple of Camera
    objects : tuple of str
        Names of the annotated objects that are in every item, and not always in one place; see
        `named_objects`.
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
    """Read the record of every item.

    Raises
    ------
    DatasetError
        There is no item, or one has other cameras than the others.
    """
    survey = None
    for item in store:
        survey = survey or _Survey(item.record)
        survey.add(item.record)
    if survey is None:
        raise DatasetError(f"{store.path}: has no items")
    return survey.plan()


def named_objects(record: ItemRecord) -> dict[str, ObjectRecord]:
    """Return the annotated objects of an item by names that are unique in it: ``box``, ``box#2``, ..."""
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
    """Items of one sequence and split."""

    task: str
    split: str
    items: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)


class _Survey:
    """What the records of items have in common, one after another."""

    def __init__(self, first: ItemRecord) -> None:
        self._first = first
        self._sequences: dict[tuple[str, str | int], _Sequence] = {}
        self._matrices = {name: each.matrix for name, each in named_objects(first).items()}
        self._moved: set[str] = set()

    def add(self, record: ItemRecord) -> None:
        if _cameras(record) != _cameras(self._first):
            raise DatasetError(
                f"lerobot: item {record.index} has other cameras, or pictures of another size, than item "
                f"{self._first.index}; LeRobot wants the same in every frame"
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
    """Yield the episodes, the split "train" first; a video goes on with the next while it is short."""
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
    """Return the frames a second of all sequences of several frames; None = they have no common whole one."""
    rates = {_rate(sequence.times_s) for sequence in sequences if len(sequence.times_s) > 1}
    return rates.pop() if len(rates) == 1 else None


def _rate(times_s: Sequence[float]) -> int | None:
    """Return the frames a second of rising times; None = their steps differ, or it is no whole number."""
    length = times_s[-1] - times_s[0]
    rate = round((len(times_s) - 1) / length) if length > 0 else 0
    if rate < 1:
        return None
    expected = (times_s[0] + number / rate for number in range(len(times_s)))
    agree = all(abs(time - each) < _TIMES_AGREE_S for time, each in zip(times_s, expected, strict=True))
    return rate if agree else None
