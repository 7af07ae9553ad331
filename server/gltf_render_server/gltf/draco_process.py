"""Runs `draco_child`, which decodes Draco streams, with limits on its memory, output and time."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import UnavailableError
from ..limits import ask_time, time_left_s
from ..process.interruption import blocked_interruption
from ..settings import ENVIRONMENT_PREFIX
from .resources import Data

__all__ = ["Attribute", "Decoded", "Stream", "decode_streams"]

_logger = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("draco_child.py")
_LONGEST_S = 60.0
_LENGTH_BYTES = 8
_CRASH = "crashes its decoder"
_MOST_OUTPUT_BYTES = 4000
_SPARE_BYTES = 256 * 2**20
# working memory as a multiple of the largest decoded stream; up to 3.3 was measured with a million vertices
_WORK_SPACE = 8
_MOST_MEMORY_BYTES = 4 * 2**30
"""The memory limit. 12 million vertices, the default of --max-vertices, with normals and one set of texture
coordinates take 3.3 GB in a stream of the highest compression level."""
_ENDED_BY_OTHERS = {-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}
_FIRST_EXCEPTION_OF_WINDOWS = 0xC0000000  # exit statuses from here on mean a crash


class Attribute(msgspec.Struct, array_like=True):
    """A decoded attribute; ``data`` is (n, width) of ``dtype``."""

    dtype: str
    width: int
    data: bytes

    def values(self) -> NDArray[Any]:
        """Return the values, (n, width)."""
        return np.frombuffer(self.data, self.dtype).reshape(-1, self.width)


class Decoded(msgspec.Struct):
    """A decoded stream: the uint32 indices of its triangles, and its attributes by unique id."""

    indices: bytes
    attributes: dict[int, Attribute]

    @property
    def size_bytes(self) -> int:
        """The size of the decoded data in bytes."""
        return len(self.indices) + sum(len(item.data) for item in self.attributes.values())


msgspec.msgpack.Decoder(Decoded | str)  # see `decoding`


class Stream(NamedTuple):
    """A stream that is to be decoded.

    Attributes
    ----------
    data : bytes-like
    ids : tuple of int
        The unique ids of the requested attributes.
    most_bytes : int
        The limit for the size of the decoded data.
    """

    data: Data
    ids: tuple[int, ...]
    most_bytes: int


def decode_streams(streams: Sequence[Stream]) -> list[Decoded | str]:
    """Decode streams one after the other in a new child process.

    Returns
    -------
    list of Decoded or str
        The decoded streams. If a stream is invalid, its error message is the last item, and no more streams
        are decoded.

    Raises
    ------
    UnavailableError
        The process cannot be started, or something outside the server ended it. The log has the details.
    CheckTimeoutError
        The time limit set by `time_limit` is over.
    """
    memory_bytes = _SPARE_BYTES + _WORK_SPACE * max(stream.most_bytes for stream in streams)
    deadline_s = time.monotonic() + min(_LONGEST_S, max(0.0, time_left_s()))
    answers: list[Decoded | str] = []
    with _started(min(memory_bytes, _MOST_MEMORY_BYTES), deadline_s) as child:
        _send(child, streams)
        if not _is_ready(child):
            raise _failure(child, deadline_s)
        for stream in streams:
            answers.append(_next(child, stream.most_bytes, deadline_s))
            if isinstance(answers[-1], str):
                break
    return answers


@contextmanager
def _started(memory_bytes: int, deadline_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process. It ends at the deadline, or at the end of the ``with`` block."""
    try:
        with blocked_interruption():  # a server that shuts down answers the requests that it has begun
            child = subprocess.Popen(  # noqa: S603  a program of our own
                [_python(), "-P", "-s", str(_CHILD), str(memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
    except OSError as error:
        raise _unavailable(f"does not start: {error}") from error
    with child:
        timer = Timer(max(0.0, deadline_s - time.monotonic()), child.kill)
        try:
            timer.start()
            yield child
        finally:
            child.kill()
            timer.cancel()


def _python() -> str:
    """Return the path of the Python program.

    In an embedded Python, `sys.executable` may be another program.
    """
    if Path(sys.executable or "").name.lower().startswith("python"):
        return sys.executable
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin")
    found = shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if found is None:
        raise FileNotFoundError(f"there is no {name} beside {sys.executable or 'this program'}")
    return found


def _environment() -> dict[str, str]:
    """Return the environment without the server's own options, because the token is one of them."""
    paths = os.pathsep.join(path for path in sys.path if path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    return kept | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}


def _send(child: subprocess.Popen[bytes], streams: Sequence[Stream]) -> None:
    assert child.stdin  # noqa: S101  a pipe
    message = msgspec.msgpack.encode([(memoryview(stream.data), stream.ids) for stream in streams])
    # the process may have ended already, which shows when it sends no response
    with suppress(OSError), child.stdin:
        child.stdin.write(message)


def _is_ready(child: subprocess.Popen[bytes]) -> bool:
    """Return whether the process has sent its first, empty response."""
    with suppress(ValueError):  # something else in the process writes to the output, too
        return _receive(child, 0) is not None
    return False


def _receive(child: subprocess.Popen[bytes], most_bytes: int) -> bytes | None:
    """Return the next response of the process; None if the process has ended.

    Raises
    ------
    ValueError
        The response is longer than the limit. Nothing of it is read.
    """
    assert child.stdout  # noqa: S101  a pipe
    head = child.stdout.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "little")
    if length > most_bytes:
        raise ValueError(f"{length} bytes instead of {most_bytes}")
    data = child.stdout.read(length)
    return data if len(data) == length else None


def _next(child: subprocess.Popen[bytes], most_bytes: int, deadline_s: float) -> Decoded | str:
    try:
        answer = _receive(child, most_bytes)
    except ValueError:
        return "holds more than its accessors say"
    if answer is not None:
        try:
            return msgspec.msgpack.decode(answer, type=Decoded | str)
        except msgspec.DecodeError:
            return _CRASH
    failure = _failure(child, deadline_s)
    if time.monotonic() >= deadline_s:
        return f"is not decoded within {_LONGEST_S:g} s"
    if _has_crashed(child.returncode):
        return _CRASH
    raise failure


def _failure(child: subprocess.Popen[bytes], deadline_s: float) -> UnavailableError:
    """Log how the process ended. Return the error to raise if no stream is the cause."""
    assert child.stderr  # noqa: S101  a pipe
    output = child.stderr.read(_MOST_OUTPUT_BYTES).decode(errors="replace")
    code = child.wait()
    ask_time()
    is_late = time.monotonic() >= deadline_s
    return _unavailable(f"{'took too long, ' * is_late}ended with the status {code}, and wrote {output!r}")


def _has_crashed(code: int) -> bool:
    """Return whether a process crashed, rather than ending by a Python exception or being killed."""
    return (code < 0 and code not in _ENDED_BY_OTHERS) or code >= _FIRST_EXCEPTION_OF_WINDOWS


def _unavailable(why: str) -> UnavailableError:
    _logger.warning("the decoder of Draco streams %s", why)
    return UnavailableError(
        "scene: the server's Draco decoder does not work for any stream; the server's log has the reason"
    )
