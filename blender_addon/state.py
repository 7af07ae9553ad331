"""What the panel shows of the server. Knows events, nothing of Blender."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .address import reachable
from .events import Answered, Asked, Event, Failed, Held, Ready

__all__ = ["MOST_SHOWN", "Phase", "ServerState"]

MOST_SHOWN = 5
"""How many of the last answers are listed, and have their pictures."""


class Phase(StrEnum):
    """Where the server is between its start and its end."""

    STOPPED = "Stopped"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    FAILED = "Failed"


@dataclass
class ServerState:
    """Kept up to date by `apply`.

    Attributes
    ----------
    phase : Phase
    ready : Ready or None
        What the server has said when it began to answer; its address is one that clients can ask.
    ready_s : float
        When, by `time.monotonic`.
    scene_time : str
        When the scene was handed over that the server renders; empty = it renders the open one.
    waiting : dict of int to Asked
        What is rendered, then what waits for it.
    answered : deque of Answered
        The last, the newest first.
    is_held : bool
        Whether what waits waits for the user.
    message : str
        What went wrong last, in plain words; empty if nothing did.
    note : str
        What else there is to tell.
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
        """Whether it serves, or is about to."""
        return self.phase in (Phase.STARTING, Phase.RUNNING)

    @property
    def place(self) -> str:
        """Which Blender renders, while it is on."""
        return "Background" if self.scene_time else "This Window"

    @property
    def is_busy(self) -> bool:
        """Whether something is being rendered."""
        return self.phase is Phase.RUNNING and bool(self.waiting)

    @property
    def url(self) -> str:
        """The address; empty while there is none."""
        return self.ready.url if self.ready and self.phase is Phase.RUNNING else ""

    @property
    def uptime_s(self) -> int:
        """Whole seconds since it began to answer."""
        return int(time.monotonic() - self.ready_s) if self.phase is Phase.RUNNING else 0

    def starting(self, scene_time: str) -> None:
        """Note that it was started."""
        self.phase = Phase.STARTING
        self.ready = None
        self.scene_time = scene_time
        self.is_held = False
        self.waiting.clear()

    def failed(self, message: str) -> None:
        """Note that it cannot go on."""
        self.phase = Phase.FAILED
        self.message = message
        self.waiting.clear()

    def stopped(self) -> None:
        """Note that it is gone as it was asked to; what went wrong before is over."""
        self.phase = Phase.STOPPED
        self.message = self.note = ""
        self.ready = None
        self.waiting.clear()

    def apply(self, event: Event) -> None:
        """Note what the server has told."""
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
