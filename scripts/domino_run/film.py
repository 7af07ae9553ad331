"""Saves a run: every image without loss, and a video that shows them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contact_sheet import captioned
from gltf_render_server.false_colours import false_colours, legend, value_range

from .cameras import EngineName, Frame

__all__ = ["Film", "clear_pictures", "save_pictures"]

_KINDS = {"color": ".png", "depth": ".tiff", "label": ".png"}


class Film:
    """A video of colour, depth and labels side by side, one row per engine; H.264 in an MP4 file.

    The first frame determines the colour scale of depth.

    Parameters
    ----------
    path : Path
    fps : float
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._rate = Fraction(fps).limit_denominator(1000)
        self._span: NDArray[np.float64] | None = None
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the video. If something else failed, the existing part can be watched."""
        if self._container:
            self._container.mux(self._stream.encode())
            self._container.close()

    def sheet(self, frames: Mapping[EngineName, Frame]) -> NDArray[np.uint8]:
        """Return (sheet height, sheet width, 3) uint8; both are even, as the video encoding requires."""
        if self._span is None:
            self._span = value_range("depth", next(iter(frames.values())).depth)
        return np.concatenate([self._row(*item) for item in frames.items()])

    def add(self, frames: Mapping[EngineName, Frame]) -> None:
        """Append a moment to the video."""
        sheet = self.sheet(frames)
        if not self._container:
            self._open(sheet)
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(sheet, format="rgb24")))

    def _open(self, sheet: NDArray[np.uint8]) -> None:
        self._container = av.open(str(self._path), "w", options={"movflags": "faststart"})
        self._stream = self._container.add_stream("libx264", rate=self._rate, options={"crf": "17"})
        self._stream.height, self._stream.width = sheet.shape[:2]
        self._stream.pix_fmt = "yuv420p"

    def _row(self, name: EngineName, frame: Frame) -> NDArray[np.uint8]:
        return captioned(
            {
                f"{name}: colour": frame.color,
                f"depth: {legend(frame.depth, 'depth', self._span)}": false_colours(
                    frame.depth, "depth", self._span
                ),
                "labels": false_colours(frame.label, "label"),
            }
        )


def save_pictures(frame: Frame, folder: Path, number: int) -> None:
    """Save a frame's three images: 8-bit PNG, float32 TIFF in metres, 16-bit PNG of labels."""
    arrays = {"color": frame.color, "depth": frame.depth, "label": frame.label}
    for kind, array in arrays.items():
        path = folder / kind / f"{number:04d}{_KINDS[kind]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)


def clear_pictures(folder: Path) -> None:
    """Remove the images of an earlier run, which may have been longer."""
    for kind, suffix in _KINDS.items():
        for old in (folder / kind).glob(f"[0-9][0-9][0-9][0-9]{suffix}"):
            old.unlink()
