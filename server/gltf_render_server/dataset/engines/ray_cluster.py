"""Makes items on a Ray cluster: each actor holds a renderer, and items of a scene go to the same actor.

An actor that is lost, alone or with its node, is replaced, and another actor makes its items. Finished items
return to this process as bytes.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from ...errors import DatasetError, RenderServerError, WorkerLostError
from ...settings import ServerSettings
from .engine import Outcome, Outcomes, Plan, failed
from .local import LocalEngine

__all__ = ["RayEngine"]

_logger = logging.getLogger(__name__)

_MOST_OF_A_TASK = 4  # items of one scene
_TASKS_OF_AN_ACTOR = 2  # one is made, and one waits
_TASKS_AHEAD = 4  # for each actor, to find some of its scene among them
_MOST_LOSSES = 3  # of actors that make the same item
_MOST_FAILED_STARTS = 3  # of actors, one after another
_CPUS = 2
_NEEDED = "each node needs the same gltf-render-server as this machine"


class _Maker:
    """Holds a renderer in the process of an actor."""

    def __init__(self, settings: ServerSettings) -> None:
        self._engine = LocalEngine(replace(settings, workers=0))

    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return self._engine.versions

    def make(self, plan: Plan, indices: list[int]) -> list[Outcome]:
        """Make some items."""
        return list(self._engine.run(plan, indices))


@dataclass
class _Task:
    name: str
    indices: list[int]


@dataclass(eq=False)
class _Actor:
    """The state of an actor in the driver.

    Attributes
    ----------
    handle : ray.actor.ActorHandle
    has_started : bool
    scene : str
        Name of the items in its last task.
    tasks : int
        Number of its tasks that are not finished.
    """

    handle: Any
    has_started: bool = False
    scene: str = ""
    tasks: int = 0


@dataclass
class _Work:
    """The tasks that wait, and those that actors work on."""

    plan: Any
    waiting: deque[_Task] = field(default_factory=deque)
    given: dict[Any, tuple[_Actor, _Task]] = field(default_factory=dict)


class RayEngine:
    """Makes items with actors of a Ray cluster.

    Parameters
    ----------
    address : str or None
        Address for `ray.init`; None = the cluster in ``RAY_ADDRESS``, or one on this machine. If the process
        is connected to a cluster already, that cluster is used.
    settings : ServerSettings
        Settings of each actor's renderer.
    actors : int or None
        Number of actors; None = one for each GPU, or without GPUs, one for every two cores.

    Raises
    ------
    DatasetError
        The actors do not start, or they have different versions.
    """

    def __init__(self, address: str | None, settings: ServerSettings, actors: int | None = None) -> None:
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
        self._versions: dict[str, str] | None = None
        self._failed_starts = 0
        there = ray.cluster_resources()
        self._gpus = 1 if there.get("GPU", 0) >= 1 else 0
        cores = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        cores = [count for count in cores if count]  # none where only a head without cores has started
        self._cpus = max(1, min([_CPUS, *cores])) if not self._gpus else 0
        self._settings = replace(settings, threads=self._cpus or settings.threads)
        count = there["GPU"] if self._gpus else there.get("CPU", 0) / self._cpus
        self._starting: dict[Any, _Actor] = {}
        self._actors: list[_Actor] = []
        for _ in range(actors or max(1, int(count))):
            self._start()

    @property
    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        while self._versions is None:
            done, _ = ray.wait(list(self._starting))
            for started in done:
                self._note_start(started)
        return self._versions

    def run(self, plan: Plan, indices: Iterable[int]) -> Outcomes:
        """See `Engine.run`."""
        work = _Work(ray.put(plan))
        tasks = _tasks(plan, indices)
        losses: Counter[int] = Counter()
        try:
            while True:
                most = _TASKS_AHEAD * len(self._actors)
                while len(work.waiting) < most and (task := next(tasks, None)) is not None:
                    work.waiting.append(task)
                self._give(work)
                if not work.given and not work.waiting:
                    return
                done, _ = ray.wait([*work.given, *self._starting])
                for each in done:
                    if each in self._starting:
                        self._note_start(each)
                    else:
                        yield from self._outcomes(plan, each, work, losses)
        finally:
            for actor in {actor for actor, _ in work.given.values()}:
                self._replace(actor)  # its results are not wanted any more

    def close(self) -> None:
        """See `Engine.close`."""
        for actor in self._actors:
            ray.kill(actor.handle)
        self._actors.clear()
        if self._is_ours:
            ray.shutdown()

    def _give(self, work: _Work) -> None:
        """Give tasks to the actors that have started, first to those with the fewest tasks."""
        for tasks in range(_TASKS_OF_AN_ACTOR):
            for actor in self._actors:
                if actor.has_started and actor.tasks == tasks and work.waiting:
                    task = self._next_task(actor, work.waiting)
                    actor.scene, actor.tasks = task.name, tasks + 1
                    work.given[actor.handle.make.remote(work.plan, task.indices)] = actor, task

    def _next_task(self, actor: _Actor, waiting: deque[_Task]) -> _Task:
        """Take a task of the actor's scene, or else a task of a scene that no other actor has."""
        others = {other.scene for other in self._actors}
        same = (task for task in waiting if task.name == actor.scene)
        new = (task for task in waiting if task.name not in others)
        task = next(same, None) or next(new, None) or waiting[0]
        waiting.remove(task)
        return task

    def _outcomes(self, plan: Plan, done: Any, work: _Work, losses: Counter[int]) -> Iterator[Outcome]:
        actor, task = work.given.pop(done)
        actor.tasks -= 1
        try:
            made = ray.get(done)
        except RayTaskError as error:
            raise _cause(error) from None
        except RayError as error:  # the actor, its node, or its results are lost
            if isinstance(error, RayActorError) and actor in self._actors:
                _logger.warning("replacing an actor that was lost: %s", _first_line(error))
                self._replace(actor)
            for index in reversed(task.indices):
                losses[index] += 1
                if losses[index] < _MOST_LOSSES:
                    work.waiting.appendleft(_Task(task.name, [index]))
                else:
                    lost = f"{losses[index]} actors were lost while they made this item: {_first_line(error)}"
                    yield failed(plan, index, WorkerLostError(lost))
        else:
            yield from made

    def _start(self) -> None:
        maker = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus)(_Maker)
        actor = _Actor(maker.remote(self._settings))
        self._actors.append(actor)
        self._starting[actor.handle.versions.remote()] = actor

    def _replace(self, actor: _Actor) -> None:
        ray.kill(actor.handle)
        self._actors.remove(actor)
        self._start()

    def _note_start(self, started: Any) -> None:
        """Let a new actor take tasks, if it has the versions of the others."""
        actor = self._starting.pop(started)
        if actor not in self._actors:
            return
        try:
            versions: Any = ray.get(started)
        except RayTaskError as error:
            raise _cause(error) from None
        except RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise DatasetError(
                    f"--ray: the actors do not start ({_first_line(error)}); {_NEEDED}"
                ) from error
            self._replace(actor)
            return
        self._failed_starts = 0
        self._versions = self._versions or versions
        if versions != self._versions:
            raise DatasetError(
                f"--ray: the nodes have different versions: {self._versions} and {versions}; install "
                "the same versions on each"
            )
        actor.has_started = True


def _tasks(plan: Plan, indices: Iterable[int]) -> Iterator[_Task]:
    """Group neighbouring items of one scene into tasks."""
    task: _Task | None = None
    for index in indices:
        name = plan.name(index)
        if task is not None and task.name == name and len(task.indices) < _MOST_OF_A_TASK:
            task.indices.append(index)
            continue
        if task is not None:
            yield task
        task = _Task(name, [index])
    if task is not None:
        yield task


def _cause(error: RayTaskError) -> Exception:
    """Return the error that an actor raised, or an error that says why it could not begin."""
    if isinstance(error.cause, RenderServerError):
        return error.cause
    reason = str(error.cause).strip().splitlines() or [str(error)]
    return DatasetError(f"--ray: an actor failed ({reason[-1]}); {_NEEDED}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
