"""The server in a separate Blender process without a window; independent of this process's Blender.

The two processes communicate through pipes: events come from the child, and commands go to it. When the pipe
to the child closes, because this process has ended in whatever way, the child ends, too.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .events import Ended, Event, from_line, take_all
from .kept_requests import Shelf

__all__ = ["BackgroundServer"]

_LOG_CHARACTERS = 2000


class BackgroundServer:
    """A `Server` in a child process.

    Parameters
    ----------
    command : sequence of str
    environment : mapping of str to str
    log : Path
        The file for its standard error.
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
        """The process id."""
        return self._process.pid

    def events(self) -> list[Event]:
        """Return the events since the last call."""
        return take_all(self._events)

    def work(self) -> None:
        """See `Server.work`. Here, nothing has to be done."""

    def keep_on(self, shelf: Shelf) -> None:
        """See `Server.keep_on`."""
        self._send({"keep": shelf.most, "folder": str(shelf.folder)})

    def _send(self, command: Mapping[str, Any]) -> None:
        """Send a command. If the process has just ended, nothing is sent, and its end arrives as an event."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(command).encode() + b"\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            pass

    def stop(self) -> None:
        """Ask the process to end. It answers waiting clients first, and then `Ended` arrives."""
        self._send({"stop": True})

    def kill(self, grace_s: float = 0.0) -> None:
        """End the process after at most `grace_s`, and close all threads and files."""
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
        with suppress(OSError):  # whoever clears temporary files may have removed it
            return self._log.read_text("utf-8", "replace")[-_LOG_CHARACTERS:]
        return ""


def _apart() -> dict[str, Any]:
    """Return options that protect the child from a terminal's Ctrl-C, and avoid a console window."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS}  # type: ignore
    return {"start_new_session": True}
