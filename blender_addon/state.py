"""The state of the server for the panel, computed from events; independent of Blender."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .address import reachable
from .events import Answered, Asked, Event, Failed, Held, Ready

__all__ = ["MOST_SHOWN", "Phase", "ServerState"]

MOST_SHOWN = 5
"""How many recent responses are listed with their images."""


class Phase(StrEnum):
    """The phase of the server between its start and its end."""

    STOPPED = "Stopped"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    FAILED = "Failed"


@dataclass
class ServerState:
    """The state of the server, updated by `apply`.

    Attributes
    ----------
    phase : Phase
    ready : Ready or None
        The event with which the server began to answer. Its address is one that clients can use.
    ready_s : float
        The time of that event, by `time.monotonic`.
    scene_time : str
        When the scene was handed over to the server; empty = the server renders the open scene.
    waiting : dict of int to Asked
        The request that is being rendered, then those that wait.
    answered : deque of Answered
        The latest responses, the newest first.
    is_held : bool
        Whether waiting requests are paused because of the user.
    message : str
        The last error, in plain words; empty if there is none.
    note : str
        Any other message.
    """

    phase: Phase = Phase.STOPPED
    ready: Ready | None = None
    ready_s: float = 0.0
    scene_time: str = ""
    waiting: dict[int, Asked] = field(default_factory=dict)
    answered: deque[Answered] = field(default_factory=lambda: deque(maxlen=MOST_SHOWN))
    is_held: bool = False
    message: str = ""
    note: str = ""

    @property
    def is_on(self) -> bool:
        """Whether the server is running or starting."""
        return self.phase in (Phase.STARTING, Phase.RUNNING)

    @property
    def place(self) -> str:
        """Which Blender renders, while the server is running."""
        return "Background" if self.scene_time else "This Window"

    @property
    def is_busy(self) -> bool:
        """Whether something is being rendered."""
        return self.phase is Phase.RUNNING and bool(self.waiting)

    @property
    def url(self) -> str:
        """The address of the server; empty while there is none."""
        return self.ready.url if self.ready and self.phase is Phase.RUNNING else ""

    @property
    def uptime_s(self) -> int:
        """The seconds since it began to answer."""
        return int(time.monotonic() - self.ready_s) if self.phase is Phase.RUNNING else 0

    def starting(self, scene_time: str) -> None:
        """Record that the server was started."""
        self.phase = Phase.STARTING
        self.ready = None
        self.scene_time = scene_time
        self.is_held = False
        self.waiting.clear()

    def failed(self, message: str) -> None:
        """Record a fatal error."""
        self.phase = Phase.FAILED
        self.message = message
        self.waiting.clear()

    def stopped(self) -> None:
        """Record that the server was stopped on request, and clear earlier errors."""
        self.phase = Phase.STOPPED
        self.message = self.note = ""
        self.ready = None
        self.waiting.clear()

    def apply(self, event: Event) -> None:
        """Update the state with an event."""
        match event:
            case Ready():
                self.phase = Phase.RUNNING
                self.ready = replace(event, url=reachable(event.url))
                self.ready_s = time.monotonic()
            case Failed():
                self.failed(event.message)
            case Held():
                self.is_held = event.is_held
            case Asked():
                self.waiting[event.number] = event
            case Answered():
                self.waiting.pop(event.number, None)
                self.answered.appendleft(event)
                self.message = event.message
