"""Recordings: stores every request on disk, each mesh, image and buffer only once; see docs/recording.md.

This is independent of HTTP and of back ends.
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
