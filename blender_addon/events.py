"""What a server tells of itself, as it happens; each event crosses between processes as a line of JSON."""

from __future__ import annotations

import json
import queue
from dataclasses import asdict, dataclass

__all__ = [
    "Answered",
    "Asked",
    "Ended",
    "Event",
    "Failed",
    "Held",
    "Ready",
    "from_line",
    "take_all",
    "to_line",
]


@dataclass(frozen=True)
class Ready:
    """It answers from now on."""

    url: str
    blender: str
    engine: str
    device: str


@dataclass(frozen=True)
class Failed:
    """It cannot start."""

    message: str


@dataclass(frozen=True)
class Asked:
    """A request has passed the checks, and waits or is rendered."""

    number: int
    image_type: str
    width: int
    height: int
    client: str


@dataclass(frozen=True)
class Answered:
    """A request has been answered.

    Attributes
    ----------
    number : int
        That of `Asked`, if the request got that far.
    image_type : str
        Empty if it is not known.
    width, height : int
        0 if they are not known.
    client : str
        Address of who asked.
    status : int
        HTTP status.
    seconds : float
    message : str
        Why it failed; empty if it did not.
    kept : str
        The file in which it is kept; empty if it is not.
    picture : str
        The file that holds the answer for a while; empty if there is none.
    """

    number: int
    image_type: str
    width: int
    height: int
    client: str
    status: int
    seconds: float
    message: str
    kept: str
    picture: str = ""


@dataclass(frozen=True)
class Held:
    """What waits is not rendered, as the user's own work comes first; or is again."""

    is_held: bool


@dataclass(frozen=True)
class Ended:
    """Its process is gone.

    Attributes
    ----------
    status : int
        Exit status; negative = the signal that ended it.
    log : str
        The last lines that it wrote.
    """

    status: int
    log: str


Event = Ready | Failed | Asked | Answered | Held | Ended

_KINDS: dict[str, type] = {kind.__name__: kind for kind in (Ready, Failed, Asked, Answered, Held, Ended)}


_SEPARATOR = b"\x1e"
"""Begins each event, as in a JSON text sequence (RFC 7464): Blender, too, writes to its standard output."""


def take_all(events: queue.SimpleQueue[Event]) -> list[Event]:
    """Take what has been put into a queue since the last call."""
    found = []
    while not events.empty():
        found.append(events.get())
    return found


def to_line(event: Event) -> bytes:
    """Write an event as a line."""
    return _SEPARATOR + json.dumps([type(event).__name__, asdict(event)]).encode() + b"\n"


def from_line(line: bytes) -> Event | None:
    """Read what `to_line` wrote; None for any other line."""
    _, separator, text = line.partition(_SEPARATOR)
    if not separator:
        return None
    kind, values = json.loads(text)
    return _KINDS[kind](**values)
