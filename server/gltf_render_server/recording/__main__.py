"""Lists a recording, or extracts a frame: ``python -m gltf_render_server.recording DIR [N FOLDER]``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ..errors import RecordingError
from .frames import RecordedFrame, RecordedFrames, unpack


def main() -> None:
    """List a recording, or extract a frame."""
    parser = argparse.ArgumentParser(description="List the frames of a recording, or unpack one.")
    parser.add_argument("recording", type=Path, help="a folder of --record, or a zip of one frame")
    parser.add_argument("number", type=int, nargs="?", help="of the frame to unpack, as they are listed")
    parser.add_argument("folder", type=Path, nargs="?", help="where to; must not be there yet")
    arguments = parser.parse_args()
    if (arguments.number is None) != (arguments.folder is None):
        parser.error("to unpack a frame, give its number and a folder")
    try:
        frames = RecordedFrames(arguments.recording)
        if arguments.folder is not None:
            unpack(frames[arguments.number], arguments.folder)
            return
        for number, frame in enumerate(frames):
            print(number, _line(frame))  # noqa: T201
    except (RecordingError, OSError, IndexError) as error:
        sys.exit(f"{parser.prog}: error: {error}")


def _line(recorded: RecordedFrame) -> str:
    request, answer = recorded.request, recorded.answer
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(request.time_s))
    sizes = " ".join(f"{view.lens.width}x{view.lens.height}" for view in request.views)
    asked = f"{request.protocol} {'+'.join(request.passes) or 'refused'} {sizes}".strip()
    return f"{clock} {asked} -> {answer.status} in {answer.seconds:.2f} s {answer.message}".rstrip()


if __name__ == "__main__":
    main()
