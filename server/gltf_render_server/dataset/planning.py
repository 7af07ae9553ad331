"""The plan of a dataset: the pure function from the index of an item to what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import structs, to_builtins

from .. import __version__
from ..errors import DatasetError
from ..frame import View, When
from ..gltf import Asset
from ..passes import find_pass
from ..scene import Scene
from ..settings import DEFAULT_QUALITY
from .cameras import Camera, DocumentPoses, ListPoses, first_of_rig, pose_count, views
from .item import Item
from .lights import add_lights
from .randomness import generator
from .records import Manifest, PassRecord
from .shot import Shot, ShotMoment
from .site import Site
from .sources import (
    AnimationSource,
    Context,
    FunctionSource,
    Read,
    RecordingSource,
    SceneSource,
    Source,
    Stance,
    Subject,
    make_source,
)
from .sources.context import digest_of_names
from .specification import Specification
from .variation import scaled_poses, vary

__all__ = ["Plan"]


class Plan:
    """All items of a dataset, as its specification describes them. A plan can be pickled.

    An unpickled plan reads its files again.

    Parameters
    ----------
    specification : Specification
    folder : Path
        Folder to which the paths in the specification are relative.

    Raises
    ------
    DatasetError
        A file or folder that the specification names does not exist.
    """

    def __init__(self, specification: Specification, folder: Path) -> None:
        self.specification = specification
        self.folder = folder.resolve()
        _ = self._source, self._varied  # raises now if a file is missing

    def __getstate__(self) -> dict[str, Any]:
        return {"specification": self.specification, "folder": self.folder}

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        """Return the name of an item without reading its files."""
        return self._source.name(index)

    def manifest(self, versions: Mapping[str, str]) -> Manifest:
        """Return what all items share.

        Parameters
        ----------
        versions : mapping of str to str
            Versions of the back end and its engine.
        """
        specification = self.specification
        return Manifest(
            specification=to_builtins(specification),
            seed=specification.seed,
            items=len(self),
            categories=list(specification.categories.names),
            up_axis=specification.up_axis,
            passes=[PassRecord.of(find_pass(name)) for name in specification.all_passes],
            versions={"gltf-render-server": __version__, **versions},
            source=self._digest(),
        )

    def item(self, index: int, read: Read) -> Item:
        """Return what an item shows; the result does not depend on earlier calls.

        Parameters
        ----------
        index : int
        read : callable
            Reads and checks a document.

        Raises
        ------
        RequestError, SceneError, DatasetError
            The item cannot be rendered; the message says what is wrong and where.
        """
        specification = self.specification
        subject = self._source.subject(index, read)
        shot, cameras, drawn = self._shot(index, subject, read)
        return Item(
            index=index,
            name=subject.name,
            shot=shot,
            cameras=cameras,
            sequence=self._sequence(subject, index, drawn),
            split=self._split(index, subject.sequence),
            categorise=specification.categories.categorise,
            assets=subject.assets,
            asset_of=subject.asset_of,
            drawn={**subject.drawn, **drawn},
        )

    @cached_property
    def _context(self) -> Context:
        specification = self.specification
        return Context(
            folder=self.folder,
            seed=specification.seed,
            counts=tuple(pose_count(camera, specification.cameras) for camera in specification.cameras),
            up_axis=specification.up_axis,
        )

    @cached_property
    def _source(self) -> Source:
        return make_source(self.specification.source, self._context, self.specification.cameras)

    @cached_property
    def _varied(self) -> list[Path]:
        """The files from which variations are drawn."""
        patterns = self.specification.vary.patterns
        return [path for where, each in patterns.items() for path in self._context.files(each, where)]

    def _digest(self) -> str:
        """Return the digest of all files that the items are made of; see `Source.digest`."""
        digest = self._source.digest()
        if not self._varied:
            return digest
        return digest_of_names([digest, *map(self._context.name_and_size, self._varied)])

    def _shot(self, index: int, subject: Subject, read: Read) -> tuple[Shot, tuple[str, ...], dict[str, Any]]:
        """Return the shot of a subject, the camera of each view, and the values drawn at random."""
        specification = self.specification
        if isinstance(specification.source, FunctionSource) and subject.shot is not None:
            return subject.shot, subject.cameras, {}
        seed, up_axis = specification.seed, specification.up_axis
        chance = ("item", index) if specification.draw_per == "item" else ("scene", subject.sequence)
        stance, wanted = subject.stance, specification.look
        site = Site(subject.document, read, self.folder, up_axis, stance.poses, stance.time_s)
        document, varied = vary(subject.document, specification.vary, generator(seed, "vary", *chance), site)
        document, lights = add_lights(
            document, wanted.sun, wanted.point_lights, generator(seed, "lights", *chance), site
        )
        subject = _scaled(subject, varied)
        stance = subject.stance
        look = wanted.draw(generator(seed, "look", *chance), up_axis)
        if look.quality is None and specification.renderer.has_qualities:
            look = replace(look, quality=DEFAULT_QUALITY)
        drawn: dict[str, Any] = {"look": asdict(look), "vary": varied, "lights": lights}
        if subject.shot is not None:
            shot = replace(
                subject.shot,
                document=document,
                look=look,
                passes=specification.all_passes,
                poses=stance.poses,
                moments={
                    when: replace(moment, poses=subject.moments[when].poses)
                    for when, moment in subject.shot.moments.items()
                },
            )
            return shot, subject.cameras, drawn
        shot = Shot(
            document=document,
            views=(),
            passes=specification.all_passes,
            look=look,
            poses=stance.poses,
            time_s=stance.time_s,
            alpha_threshold=specification.alpha_threshold,
        )
        seen = _Seen(specification, subject, read(document))
        cameras, views = seen.views(subject.stance)
        moments: dict[When, ShotMoment] = {
            when: seen.moment(_moment_of(subject, when)) for when in sorted(specification.moments)
        }
        return replace(shot, views=views, moments=moments), cameras, drawn

    def _sequence(self, subject: Subject, index: int, drawn: Mapping[str, Any]) -> str:
        """Return the name that all items of a scene share; if each item is varied, each has its own."""
        differs = self.specification.draw_per == "item" and drawn.get("vary")
        return f"{subject.sequence}#{index}" if differs else subject.sequence

    def _split(self, index: int, sequence: str) -> str:
        """Return the split of an item.

        All items of a scene are in one split. A dataset with one scene only is split otherwise: the poses at
        random, and the moments of an animation or a recording by time, the last moments first.
        """
        seed, source = self.specification.seed, self.specification.source
        if isinstance(source, AnimationSource | RecordingSource):
            share = 1 - (index + 0.5) / len(self)
        elif isinstance(source, SceneSource):
            share = generator(seed, "split", index).random()
        else:
            share = generator(seed, "split", sequence).random()
        for name, part in self.specification.split.items():
            if share < part:
                return name
            share -= part
        return "train"


class _Seen:
    """The views of a subject, at the item's moment and at other moments."""

    def __init__(self, specification: Specification, subject: Subject, asset: Asset) -> None:
        self._specification = specification
        self._subject = subject
        self._asset = asset
        cameras = specification.cameras
        self._of_document = [each for each in cameras if _is_of_document(each, cameras)]
        others = [each for each in cameras if each not in self._of_document]
        count = subject.count
        self._others = others if count is None else [_moving(each, count) for each in others]

    def views(self, stance: Stance) -> tuple[tuple[str, ...], tuple[View, ...]]:
        """Return the camera of each view, and the view.

        The document's animation moves the cameras of the document. All other cameras do not depend on it.
        """
        seed, up_axis = self._specification.seed, self._specification.up_axis
        words = ("cameras", self._subject.sequence)
        own = None if self._subject.count else stance.numbers
        found: list[tuple[str, View]] = []
        if self._of_document:
            scene = self._asset.scene(stance.poses, stance.time_s)
            found += views(self._of_document, scene, up_axis, own, seed, *words)
        if self._others:
            found += views(self._others, self._first, up_axis, stance.numbers, seed, *words)
        return tuple(name for name, _ in found), tuple(view for _, view in found)

    def moment(self, stance: Stance) -> ShotMoment:
        """Return the poses of nodes and cameras at another moment."""
        _, seen = self.views(stance)
        return ShotMoment(stance.poses, stance.time_s, tuple(view.camera_to_world for view in seen))

    @cached_property
    def _first(self) -> Scene:
        """The scene for which camera poses are drawn, which is the same for all moments."""
        first = self._subject.first
        return self._asset.scene(first.poses, first.time_s)


def _scaled(subject: Subject, varied: Mapping[str, Any]) -> Subject:
    """Return a subject in whose poses the nodes keep the scales that were drawn for them."""

    def scaled(stance: Stance) -> Stance:
        return replace(stance, poses=scaled_poses(stance.poses, varied))

    moments = {when: scaled(stance) for when, stance in subject.moments.items()}
    return replace(subject, stance=scaled(subject.stance), first=scaled(subject.first), moments=moments)


def _moment_of(subject: Subject, when: When) -> Stance:
    if when not in subject.moments:
        raise DatasetError(
            f"passes: some passes show motion, but {subject.name} has no moment {when!r} to compare with; "
            "leave these passes out, or set views_per_item = 1"
        )
    return subject.moments[when]


def _is_of_document(camera: Camera, cameras: Sequence[Camera]) -> bool:
    """Whether a camera, or the camera that it is attached to, takes its poses from the document."""
    return isinstance(first_of_rig(camera, cameras)[1], DocumentPoses)


def _moving(camera: Camera, count: int) -> Camera:
    """Return a camera with ``count`` poses, one for each moment; a list that is too short is repeated."""
    if camera.offset is not None:
        return camera
    if not isinstance(camera.poses, ListPoses):
        return structs.replace(camera, count=count)
    there = camera.poses.poses
    poses = structs.replace(camera.poses, poses=[there[index % len(there)] for index in range(count)])
    return structs.replace(camera, count=None, poses=poses)
