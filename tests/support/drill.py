"""A back end for tests of the pool: quick to start, and it does what the image's width says."""

from __future__ import annotations

import os
import resource
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from frames import frame_of

from gltf_render_server.errors import RenderError, SettingsError
from gltf_render_server.frame import Frame, Lens
from gltf_render_server.gltf import parse_scene
from gltf_render_server.passes import Render, prepare
from gltf_render_server.renderer import RenderedFrame, RendererInfo

CRASH, SLOW, HANG, BAD, STRANGE, GATED, GREEDY = 901, 902, 903, 904, 905, 906, 907
NOTES = "DRILL_NOTES"
"""The environment's name for a folder: where it has a file `fail-start`, `hang-start` or `refuse-start`,
workers do so as they start, and one of them alone where it has `fail-one-start`; a render of the width
`GATED` waits for `gate`; one of `GREEDY` takes 36 MB for its time, and writes to `faults` how many pages its
process has asked the system for so far."""


class StrangeError(Exception):
    def __init__(self, one, two):
        super().__init__(one, two, threading.Lock())


class DrillRenderer:
    """See `gltf_render_server.renderer.Renderer`."""

    extensions = frozenset[str]()
    renders = frozenset[Render]()
    looks = frozenset[str]()
    info = RendererInfo("Drill", "1", "none", "CPU")

    def __init__(self, settings):
        self._notes = Path(os.environ[NOTES])
        self._thread = threading.get_ident()
        if (self._notes / "hang-start").exists():
            time.sleep(3600)
        if (self._notes / "refuse-start").exists():
            raise SettingsError("the drill wants other settings")
        if (self._notes / "fail-start").exists():
            raise RenderError("the drill says no")
        with suppress(FileNotFoundError):
            (self._notes / "fail-one-start").unlink()
            raise RenderError("the drill says no once")
        self._note("threads", settings.threads)

    def render(self, request):
        width = request.views[0].lens.width
        self._note("begun", width)
        if width == CRASH:
            os.abort()
        if width == BAD:
            raise RenderError("a bad request")
        if width == STRANGE:
            raise StrangeError("one", "two")
        if width == GREEDY:
            del [bytearray(12 * 2**20) for _ in range(3)][:]
            self._note("faults", resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
        while width == GATED and not (self._notes / "gate").exists():
            time.sleep(0.01)
        time.sleep({SLOW: 0.3, HANG: 3600}.get(width, 0.01))
        picture = np.full((request.views[0].lens.height, width, 3), width % 256, np.uint8)
        return RenderedFrame(({"color": picture},), {"render": 1.0})

    def _note(self, name, number):
        with (self._notes / name).open("a") as file:
            file.write(f"{number}\n")

    def close(self):
        is_owner = threading.get_ident() == self._thread
        (self._notes / f"closed-{os.getpid()}-{is_owner}").touch()


def install(folder: Path) -> None:
    """Make it known to whatever has `folder` in its path, as an installer does."""
    metadata = folder / "drill-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: drill\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[gltf_render_server.renderers]\ndrill = drill:DrillRenderer\n"
    )


def notes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install it for one test, and return the folder of its notes."""
    packages, notes = folder / "packages", folder / "notes"
    packages.mkdir()
    notes.mkdir()
    install(packages)
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setenv(NOTES, str(notes))
    return notes


def request(width: int, scene: bytes) -> Frame:
    """Ask for a colour image of that width."""
    camera = Lens(width, 4, 100.0, 100.0, width / 2, 2.0, 0.1, 10.0)
    frame = frame_of(parse_scene(scene, extensions=frozenset()), camera)
    prepare(frame)
    return frame


__all__ = [
    "BAD",
    "CRASH",
    "GATED",
    "GREEDY",
    "HANG",
    "NOTES",
    "SLOW",
    "STRANGE",
    "DrillRenderer",
    "notes",
    "request",
]
