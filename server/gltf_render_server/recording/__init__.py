"""Recordings: every request kept on disk as a frame, each mesh, image and buffer once; docs/recording.md.

Knows neither HTTP nor a back end.
"""

from .documents import Document
from .frames import RecordedFrame, RecordedFrames, save_frame, unpack
from .recorder import Recorder, recorders
from .request import Answer, Observer, Request

__all__ = [
    "Answer",
    "Document",
    "Observer",
    "RecordedFrame",
    "RecordedFrames",
    "Recorder",
    "Request",
    "recorders",
    "save_frame",
    "unpack",
]
