"""The events of a server. Each is sent between processes as a line of JSON."""

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
    """The server answers requests from now on."""

    url: str
    blender: str
    engine: str
    device: str


@dataclass(frozen=True)
class Failed:
    """The server cannot start."""

    message: str


@dataclass(frozen=True)
class Asked:
    """A request has passed the checks, and is waiting or being rendered."""

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
        The number of the `Asked` event, if the request got that far.
    image_type : str
        The requested image type; empty if it is unknown.
    width, height : int
        The size of the image; 0 if it is unknown.
    client : str
        The address of the client.
    status : int
        The HTTP status.
    seconds : float
    message : str
        The error message; empty on success.
    kept : str
        The file in which the request is kept; empty if it is not kept.
    picture : str
        The file that contains the response for a while; empty if there is none.
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
    """Rendering is paused because the user's own work has priority, or it has resumed."""

    is_held: bool


@dataclass(frozen=True)
class Ended:
    """The server's process has ended.

    Attributes
    ----------
    status : int
        The exit status; negative = the signal that ended the process.
    log : str
        The last lines of its log.
    """

    status: int
    log: str


Event = Ready | Failed | Asked | Answered | Held | Ended

_KINDS: dict[str, type] = {kind.__name__: kind for kind in (Ready, Failed, Asked, Answered, Held, Ended)}


_SEPARATOR = b"\x1e"
"""The beginning of each event, as in a JSON text sequence (RFC 7464), because Blender also writes to standard
output.
"""


def take_all(events: queue.SimpleQueue[Event]) -> list[Event]:
    """Return what was put into a queue since the last call."""
    found = []
    while not events.empty():
        found.append(events.get())
    return found


def to_line(event: Event) -> bytes:
    """Encode an event as a line."""
    return _SEPARATOR + json.dumps([type(event).__name__, asdict(event)]).encode() + b"\n"


def from_line(line: bytes) -> Event | None:
    """Decode a line of `to_line`; None for any other line, also one that a kill or a full disk cut short."""
    _, separator, text = line.partition(_SEPARATOR)
    if not separator:
        return None
    try:
        kind, values = json.loads(text)
    except ValueError:
        return None
    return _KINDS[kind](**values)
