"""Recordings: every request kept on disk as a frame, each mesh, image and buffer once; docs/recording.md.

Knows neither HTTP nor a back end.
"""

from .documents import Document
from .frames import RecordedFrame, RecordedFrames, save_frame, unpack
from .recorder import Recorder, make_recorders
from .request import Answer, Observer, RecordedMoment, Request

__all__ = [
    "Answer",
    "Document",
    "Observer",
    "RecordedFrame",
    "RecordedFrames",
    "RecordedMoment",
    "Recorder",
    "Request",
    "make_recorders",
    "save_frame",
    "unpack",
]
