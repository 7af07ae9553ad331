"""The server in a Blender of its own, without a window. Knows processes, nothing of this one's Blender.

The two talk by pipes: events come out of the child, commands go in, and when the pipe into it closes,
however this process ended, the child ends, too.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .events import Ended, Event, from_line, take_all
from .kept_requests import Shelf

__all__ = ["BackgroundServer"]

_LOG_CHARACTERS = 2000


class BackgroundServer:
    """A `Server` that is a child process.

    Parameters
    ----------
    command : sequence of str
    environment : mapping of str to str
    log : Path
        Where its standard error goes.
    """

    tick_s = 0.1

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603  Blender itself, with a script of this add-on
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                **_apart(),
            )
        self._reader = threading.Thread(target=self._read, name="gltf-render-server-events", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def events(self) -> list[Event]:
        """Return what has been told since the last call."""
        return take_all(self._events)

    def work(self) -> None:
        """See `Server.work`: nothing, all is done elsewhere."""

    def keep_on(self, shelf: Shelf) -> None:
        """See `Server.keep_on`."""
        self._send({"keep": shelf.most, "folder": str(shelf.folder)})

    def _send(self, command: Mapping[str, Any]) -> None:
        """Send a command; a process that has just ended gets none, and tells its end as an event."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(command).encode() + b"\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            pass

    def stop(self) -> None:
        """Ask it to end: it answers who waits, and tells `Ended`."""
        self._send({"stop": True})

    def kill(self, grace_s: float = 0.0) -> None:
        """End it, at the latest after `grace_s`, and leave no thread and no file open."""
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if (event := from_line(line)) is not None:
                self._events.put(event)
        self._events.put(Ended(self._process.wait(), self._last_words()))

    def _last_words(self) -> str:
        return self._log.read_text("utf-8", "replace")[-_LOG_CHARACTERS:]


def _apart() -> dict[str, Any]:
    """Return what keeps a terminal's Ctrl-C and a console window away from the child."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS}  # type: ignore
    return {"start_new_session": True}
