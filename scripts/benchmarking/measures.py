"""The measurements: frames as in a simulation, the growth of cost, and memory over many requests."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as ListOf
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reporting import ScriptError

from . import scenes
from .exchange import Sample, Server, ServerName, play
from .memory import MemoryWatch, Reading
from .scenes import ImageType
from .sequences import Alternating, Changing, Moving, Sequence

__all__ = ["Measure", "Plan", "Run", "Settings", "carry_out", "plans"]

_READINGS = 200


class Measure(StrEnum):
    """The kinds of measurement."""

    FRAMES = "frames"
    SCENE_SIZE = "scene-size"
    OBJECTS = "objects"
    IMAGE_SIZE = "image-size"
    MEMORY = "memory"

    @property
    def grows(self) -> bool:
        """Whether it has several points of increasing cost."""
        return self in _VALUES

    @property
    def unit(self) -> str:
        """The unit of a point's value."""
        return {"scene-size": "MB of JSON", "objects": "objects", "image-size": "pixels"}.get(self, "")

    @property
    def frames(self) -> int:
        """The default number of measured frames at each point."""
        return {Measure.FRAMES: 20, Measure.MEMORY: 1000}.get(self, 5)

    @property
    def values(self) -> tuple[str, ...]:
        """The default points."""
        return _VALUES.get(self, ())


_VALUES = {
    Measure.SCENE_SIZE: ("1", "3", "10", "30", "100"),
    Measure.OBJECTS: ("10", "100", "1000", "10000"),
    Measure.IMAGE_SIZE: ("160x120", "320x240", "640x480", "1280x960", "1920x1080", "3840x2160"),
}


@dataclass(frozen=True)
class Settings:
    """The options of the user.

    Attributes
    ----------
    measure : Measure
    In the order of the requests.
        In the order of asking.
    frames, warm_up : int
    values : tuple of str
        The points, for measurements with points.
    scenes : tuple of Path
        Recorded folders. If there are none, the benchmark generates scenes.
    width, height : int or None
        Px; None = the scene's own size.
    seed : int
    """

    measure: Measure
    image_types: tuple[ImageType, ...]
    frames: int
    warm_up: int
    values: tuple[str, ...] = ()
    scenes: tuple[Path, ...] = ()
    width: int | None = None
    height: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """A point to be measured. `make` creates its sequence, which may take seconds."""

    name: str
    value: float
    make: Callable[[], Sequence]


@dataclass(frozen=True)
class Run:
    """The measurements at one point.

    Attributes
    ----------
    name : str
    value : float
        Megabytes, objects or pixels; 0 if nothing grows.
    samples : list of Sample
        The samples without those of the warm-up.
    failures : dict of str to str
        The servers that failed, with the reasons.
    memory : list of Reading
    """

    name: str
    value: float
    samples: list[Sample] = field(default_factory=list)
    failures: dict[ServerName, str] = field(default_factory=dict)
    memory: list[Reading] = field(default_factory=list)

    @property
    def scene_mb(self) -> float:
        """The size of the largest request, 10**6 bytes."""
        return max((sample.sent_bytes for sample in self.samples), default=0) / 1e6


def plans(settings: Settings) -> list[Plan]:
    """Return the points to be measured, in order.

    Raises
    ------
    ScriptError
        A value is malformed, or not valid for this measurement.
    """
    measure = settings.measure
    if settings.scenes and measure in (Measure.SCENE_SIZE, Measure.OBJECTS):
        raise ScriptError(f"--measure {measure} makes its own scenes; leave --scenes out")
    if settings.values and not measure.grows:
        raise ScriptError(f"--measure {measure} has no --values; leave them out")
    if not measure.grows:
        return _frame_plans(settings)
    make = {
        Measure.SCENE_SIZE: _scene_size_plan,
        Measure.OBJECTS: _objects_plan,
        Measure.IMAGE_SIZE: _image_size_plan,
    }[measure]
    return [make(settings, value) for value in settings.values or measure.values]


def carry_out(
    plan: Plan,
    sequence: Sequence,
    settings: Settings,
    servers: ListOf[Server],
    watches: ListOf[MemoryWatch] = (),
    on_answer: Callable[[], None] = lambda: None,
) -> Run:
    """Measure a point.

    Parameters
    ----------
    plan : Plan
    sequence : Sequence
        The result of ``plan.make``.
    settings : Settings
    servers : sequence of Server
    watches : sequence of MemoryWatch
        The servers whose memory is sampled.
    on_answer : callable, optional
        Called after each response.

    Raises
    ------
    ScriptError
        A server failed, and the measurement has no points.
    """
    run = Run(plan.name, plan.value)
    answers = play(
        sequence,
        servers,
        settings.image_types,
        frames=settings.frames,
        warm_up=settings.warm_up,
        failures=run.failures if settings.measure.grows else None,
    )
    asked_of_each = 0
    every = max(1, settings.frames // _READINGS)
    for number, sample in enumerate(answers, start=1):
        on_answer()
        if sample.frame >= 0:
            run.samples.append(sample)
        if watches and number % (len(servers) * len(settings.image_types) * every) == 0:
            asked_of_each = number // len(servers)
            run.memory.extend(watch.read(asked_of_each) for watch in watches)
    return run


def _frame_plans(settings: Settings) -> list[Plan]:
    if settings.measure is Measure.MEMORY:
        return [Plan("changing scenes", 0, lambda: _memory_sequence(settings))]
    if not settings.scenes:
        return [Plan("a furnished table", 0, lambda: _moving(settings, scenes.table()))]
    return [
        Plan(folder.resolve().name, 0, lambda folder=folder: _recorded(settings, folder))
        for folder in settings.scenes
    ]


def _memory_sequence(settings: Settings) -> Sequence:
    if settings.scenes:
        return Alternating([_recorded(settings, folder) for folder in settings.scenes])
    return Changing(scenes.small_scene, settings.width or 160, settings.height or 120)


def _scene_size_plan(settings: Settings, value: str) -> Plan:
    megabytes = _number(value, 0.1, 1000)
    return Plan(f"{megabytes:g} MB", megabytes, lambda: _moving(settings, scenes.heavy_scene(megabytes)))


def _objects_plan(settings: Settings, value: str) -> Plan:
    count = int(_number(value, 2, 1e6))
    return Plan(f"{count} objects", count, lambda: _moving(settings, scenes.many_objects(count)))


def _image_size_plan(settings: Settings, value: str) -> Plan:
    if settings.width or settings.height:
        raise ScriptError(
            "--measure image-size takes its sizes from --values; leave --width and --height out"
        )
    if len(settings.scenes) > 1:
        raise ScriptError("--measure image-size takes one recorded folder")
    try:
        width, height = (int(side) for side in value.split("x"))
    except ValueError:
        raise ScriptError(f"--values {value}: must be a size, like 640x480") from None

    def make() -> Sequence:
        still = (
            scenes.recorded(settings.scenes[0], settings.image_types) if settings.scenes else scenes.table()
        )
        return Moving(still, settings.seed, width, height)

    return Plan(value, width * height, make)


def _number(value: str, low: float, high: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not low <= number <= high:
        raise ScriptError(f"--values {value}: must be a number from {low:g} to {high:g}")
    return number


def _recorded(settings: Settings, folder: Path) -> Sequence:
    return _moving(settings, scenes.recorded(folder, settings.image_types))


def _moving(settings: Settings, still: scenes.StillScene) -> Sequence:
    return Moving(still, settings.seed, settings.width, settings.height)
