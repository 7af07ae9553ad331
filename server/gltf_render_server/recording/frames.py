"""Reads recordings, and exports single frames, as a recording in a zip or as plain files."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import overload
from zipfile import BadZipFile, ZipFile
from zipfile import Path as ZipPath

import msgspec

from ..errors import RecordingError
from ..frame import Frame, Moment
from ..gltf import read_asset
from ..limits import Limits
from ..passes import PASSES
from .blobs import Blobs, FolderBlobs, ZipBlobs
from .documents import Document, Recipe, Splitter, join
from .request import Answer, Request, Stored
from .segments import SegmentReader, records, segment_of_one

__all__ = ["FRAMES", "RecordedFrame", "RecordedFrames", "payload_of", "save_frame", "unpack"]

FRAMES = "frames"
"""The folder of a recording's segments."""

_DEFAULT_LIMITS = Limits()
_MOST_SEGMENTS = 2  # the number that is kept in memory
_LARGEST_ZIP = 2**32
_SUFFIXES = {"image/png": ".png", "image/tiff": ".tiff", "image/x-exr": ".exr", "application/zip": ".zip"}


@dataclass(frozen=True)
class RecordedFrame:
    """A recorded request with its response.

    Attributes
    ----------
    request : Request
    answer : Answer
    """

    request: Request
    answer: Answer

    def frame(self, extensions: frozenset[str], limits: Limits = _DEFAULT_LIMITS) -> Frame:
        """Return the frame from which a renderer makes the same bytes again.

        Parameters
        ----------
        extensions : frozenset of str
            The extensions that the back end's importer supports.
        limits : Limits

        Raises
        ------
        RecordingError
            The request was rejected before it became a frame, or the recording is damaged.
        SceneError
            The document was rejected.
        """
        request = self.request
        if request.document is None or not request.views:
            reason = self.answer.message or f"the answer was {self.answer.status}"
            raise RecordingError(f"the request never became a frame: {reason}")
        asset = read_asset(request.document.data, extensions=extensions, limits=limits)
        scene = asset.scene(request.poses, request.scene_time_s)
        moments = {
            when: Moment(asset.scene(moment.poses, moment.scene_time_s), moment.cameras)
            for when, moment in request.moments.items()
        }
        return Frame(
            scene,
            request.views,
            request.passes,
            request.look,
            alpha_threshold=request.alpha_threshold,
            **moments,
        )


class RecordedFrames(Sequence[RecordedFrame]):
    """The frames of a recording, in the order of the requests.

    Parameters
    ----------
    path : Path
        A recording's folder, to which a server may still be writing, or a zip that contains one.

    Raises
    ------
    RecordingError
        There is no recording.
    """

    def __init__(self, path: Path) -> None:
        self._root = _root(path)
        self._blobs = FolderBlobs(self._root)
        self._segments: OrderedDict[str, SegmentReader] = OrderedDict()
        found = []
        for segment in _segments(self._root):
            found += [(record.time_s, segment.name, record.offset) for record in records(_read(segment))]
        self._index = sorted(found)

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, index: int) -> RecordedFrame: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordedFrame]: ...
    def __getitem__(self, index: int | slice) -> RecordedFrame | list[RecordedFrame]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        _, name, offset = self._index[index]
        return self._frame(self._segment(name).payload(offset))

    def _segment(self, name: str) -> SegmentReader:
        if name not in self._segments:
            self._segments[name] = SegmentReader(_read(self._root / FRAMES / name))
        self._segments.move_to_end(name)
        if len(self._segments) > _MOST_SEGMENTS:
            self._segments.popitem(last=False)
        return self._segments[name]

    def _frame(self, payload: bytes) -> RecordedFrame:
        line, _, text = payload.partition(b"\n")
        stored = Stored.decode(line)
        document = None
        if stored.document is not None:
            recipe = replace(stored.document, text=text)
            document = Document(partial(join, recipe, self._blobs))
        body = self._blobs.get(stored.body) if stored.body else b""
        return RecordedFrame(replace(stored.request, document=document), replace(stored.answer, body=body))


def save_frame(request: Request, answer: Answer, path: Path, **others: bytes) -> None:
    """Write a recording of a single frame as a zip, for example to send it to somebody.

    Parameters
    ----------
    request : Request
    answer : Answer
    path : Path
        A file that does not exist yet. After an error, it may be incomplete.
    others : bytes
        Additional files, by name.

    Raises
    ------
    OSError
    """
    with ZipFile(path, "x") as file:
        blobs = ZipBlobs(file)
        recipe = None if request.document is None else Splitter(blobs).split(request.document.data)
        payload = payload_of(request, answer, recipe, blobs)
        file.writestr(f"{FRAMES}/frame", segment_of_one(payload, request.time_s))
        for name, data in others.items():
            file.writestr(name, data)


def payload_of(request: Request, answer: Answer, recipe: Recipe | None, blobs: Blobs) -> bytes:
    """Store the response's body, and return everything else of a frame except its blobs.

    Raises
    ------
    OSError
        The body cannot be stored.
    """
    body = blobs.put(answer.body) if answer.body else ""
    document = None if recipe is None else replace(recipe, text=b"")
    stored = Stored(replace(request, document=None), replace(answer, body=b""), document, body)
    return stored.encode() + b"\n" + (b"" if recipe is None else recipe.text)


def unpack(recorded: RecordedFrame, folder: Path) -> None:
    """Extract a frame as plain files: the scene, the form, the response, and ``about.json`` for all else.

    Parameters
    ----------
    recorded : RecordedFrame
    folder : Path
        A new folder, which must not exist.

    Raises
    ------
    RecordingError
        The recording is damaged.
    OSError
    """
    request, answer = recorded.request, recorded.answer
    name = next((name for name in request.form.get("image_type", request.passes) if name in PASSES), "scene")
    about = Stored(replace(request, document=None), replace(answer, body=b""), None, "").encode()
    files = {"about.json": msgspec.json.format(about, indent=1)}
    if request.document is not None:
        data = request.document.data
        files[f"{name}.glb" if data.startswith(b"glTF") else f"{name}.gltf"] = data
    if request.form:
        fields = {name: values[-1] for name, values in request.form.items()}
        files[f"{name}.json"] = json.dumps(fields, indent=1, sort_keys=True).encode()
    if answer.body:
        files[f"answer{_SUFFIXES.get(answer.mimetype, '.json')}"] = answer.body
    folder.mkdir(parents=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)


def _root(path: Path) -> Path | ZipPath:
    try:
        root = path if path.is_dir() else ZipPath(_small(ZipFile(path)))
    except (OSError, BadZipFile) as error:
        raise RecordingError(f"{path.name} is no recording: {error}") from error
    if not (root / FRAMES).is_dir():
        raise RecordingError(f"{path.name} holds no recording; a server makes one with --record {path.name}")
    return root


def _small(file: ZipFile) -> ZipFile:
    if sum(entry.file_size for entry in file.infolist()) > _LARGEST_ZIP:
        raise BadZipFile("one frame does not take so much room as it says")
    return file


def _segments(root: Path | ZipPath) -> list[Path | ZipPath]:
    return sorted((root / FRAMES).iterdir(), key=lambda path: path.name)


def _read(segment: Path | ZipPath) -> bytes:
    try:
        return segment.read_bytes()
    except (OSError, KeyError, BadZipFile) as error:
        raise RecordingError(f"the segment {segment.name} cannot be read: {error}") from error
