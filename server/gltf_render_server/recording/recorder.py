"""Writes frames to a recording, on a separate thread so that no request waits for the disk."""

from __future__ import annotations

import atexit
import logging
import queue
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import SettingsError
from .blobs import FolderBlobs
from .documents import Splitter
from .frames import FRAMES, payload_of
from .request import Answer, Request
from .segments import SegmentWriter

__all__ = ["Recorder", "make_recorders"]

_logger = logging.getLogger(__name__)

_MOST_WAITING = 4  # each may hold a scene of hundreds of megabytes
_PATIENCE_S = 5.0  # how long one request waits for a stuck disk; later requests do not wait


def make_recorders(folder: str | None) -> tuple[Recorder, ...]:
    """Return a recorder for a folder, or nothing if there is no folder. See `Recorder`."""
    return (Recorder(Path(folder).expanduser()),) if folder else ()


class Recorder:
    """An `Observer` that records each request. Other processes may record to the same folder.

    Parameters
    ----------
    folder : Path
        The folder. It is created if it does not exist.

    Raises
    ------
    SettingsError
        The folder is not writable.
    """

    def __init__(self, folder: Path) -> None:
        self._frames = folder / FRAMES
        try:
            self._frames.mkdir(parents=True, exist_ok=True)
            SegmentWriter(self._frames / f".{secrets.token_hex(4)}").discard()
        except OSError as error:
            raise SettingsError(f"--record {folder}: {error.strerror}; name a folder of your own") from error
        self._splitter = Splitter(FolderBlobs(folder))
        self._segment: SegmentWriter | None = None
        self._queue: queue.Queue[tuple[Request, Answer] | None] = queue.Queue(_MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lost = 0
        self._stands_still = False

    def answered(self, request: Request | None, answer: Answer) -> None:
        """See `Observer.answered`. The response's body is not recorded."""
        if request is None:
            return
        self._start()
        try:
            patience_s = 0.0 if self._stands_still else _PATIENCE_S
            self._queue.put((request, replace(answer, body=b"")), timeout=patience_s)
        except queue.Full:
            self._stands_still = True
            self._lose("the disk is too slow")

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, within the time limit. A later request opens a new file."""
        with self._lock:
            thread = self._thread
        if thread is None:
            return
        end_s = time.monotonic() + timeout_s
        with suppress(queue.Full):
            self._queue.put(None, timeout=timeout_s)
            thread.join(max(0.0, end_s - time.monotonic()))
        if not thread.is_alive():
            atexit.unregister(self.close)
            with self._lock:
                self._thread = None

    def _start(self) -> None:
        """Start the thread.

        This happens with the first request, to be in the right process after any fork.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(*item)
            except OSError as error:
                self._lose(f"{error.strerror or error}")
            except Exception:
                _logger.exception("a frame could not be recorded")
            finally:
                self._stands_still = False
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _write(self, request: Request, answer: Answer) -> None:
        recipe = None if request.document is None else request.document.store(self._splitter)
        payload = payload_of(request, answer, recipe, self._splitter.blobs)
        if self._segment is None or self._segment.is_over:
            self._segment = self._next_segment()
        self._segment.append(payload, request.time_s)
        self._go_on()

    def _next_segment(self) -> SegmentWriter:
        if self._segment is not None:
            self._segment.close()
        self._frames.mkdir(parents=True, exist_ok=True)  # somebody may have removed the folder
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        return SegmentWriter(self._frames / name)

    def _lose(self, reason: str) -> None:
        with self._lock:
            self._lost += 1
            if self._lost == 1:
                _logger.error("recording: frames are lost from now on: %s", reason)

    def _go_on(self) -> None:
        with self._lock:
            if self._lost:
                _logger.warning("recording: goes on; %d frames were lost", self._lost)
            self._lost = 0
