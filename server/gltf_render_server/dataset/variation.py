"""Varies scenes at random: materials, sizes of nodes, distractors, and the background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct, structs
from numpy.typing import NDArray

from .backgrounds import Background, add_background
from .choices import Choice, Patterns, check_within, draw, matches
from .colours import drawn_colour
from .composition import Composition
from .distractors import Distractors, add_distractors
from .painting import base_colour, give_texture, has_texcoords, make_plain, paint
from .shot import Document
from .site import Site

__all__ = ["MaterialChoices", "ScaleChoices", "Vary", "scaled_poses", "vary"]

Json = dict[str, Any]
Matrix = NDArray[np.float64]


class MaterialChoices(Struct, frozen=True, forbid_unknown_fields=True):
    """How materials differ. Each value is fixed, one of a list, or a number between min and max."""

    names: Annotated[Patterns, Meta(description="Glob patterns of the materials' names.")] = "*"
    hue: Annotated[Choice, Meta(description="Hue of the base colour, 0 to 1. Default: unchanged.")] | None = (
        None
    )
    saturation: (
        Annotated[Choice, Meta(description="Saturation of the base colour, 0 to 1. Default: unchanged.")]
        | None
    ) = None
    value: (
        Annotated[Choice, Meta(description="Value of the base colour, 0 (black) to 1. Default: unchanged.")]
        | None
    ) = None
    roughness: Annotated[Choice, Meta(description="0 to 1; it multiplies what an image says.")] | None = None
    metallic: Annotated[Choice, Meta(description="0 to 1; it multiplies what an image says.")] | None = None
    textures: (
        Annotated[
            Patterns,
            Meta(
                description="Glob patterns of PNG and JPEG files, relative to the specification; one "
                "replaces the "
                "base colour's image. Surfaces without texture coordinates keep their own."
            ),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        for name in ("hue", "saturation", "value", "roughness", "metallic"):
            check_within(name, getattr(self, name), 0, 1)


class ScaleChoices(Struct, frozen=True, forbid_unknown_fields=True):
    """How the sizes of nodes differ: each is scaled about its own origin, with all that is below it."""

    nodes: Annotated[
        Patterns,
        Meta(
            description="Glob patterns of the objects' names; children of an object that matches are not "
            "scaled again."
        ),
    ]
    scale: Annotated[Choice, Meta(description="Factor of the object's size.")]

    def __post_init__(self) -> None:
        check_within("scale", self.scale, 1e-6, 1e6)


class Vary(Struct, frozen=True, forbid_unknown_fields=True):
    """What is drawn by chance, beside the look.

    Of two entries for one material the later has the last word; scales of one node multiply.
    """

    materials: list[MaterialChoices] = []
    scales: list[ScaleChoices] = []
    distractors: Distractors | None = None
    background: Background | None = None

    @property
    def patterns(self) -> dict[str, str | list[str]]:
        """The glob patterns of files, by their keys in the specification."""
        found: dict[str, str | list[str]] = {
            f"vary.materials[{place}].textures": each.textures
            for place, each in enumerate(self.materials)
            if each.textures is not None
        }
        if self.distractors is not None:
            found["vary.distractors.files"] = self.distractors.files
        if self.background is not None:
            found["vary.background.images"] = self.background.images
        return found


def vary(
    document: Document, choices: Vary, rng: np.random.Generator, site: Site
) -> tuple[Document, dict[str, Any]]:
    """Draw variations of a document, and return the varied document.

    Materials, scales, distractors and the background have a stream of random numbers each, so that adding one
    of these does not change the others.

    Parameters
    ----------
    document : Document
    choices : Vary
    rng : Generator
    site : Site
        The site of this document.

    Returns
    -------
    document : Document
        The same document if there is nothing to vary.
    drawn : dict
        Drawn values under the specification's keys, by the names of materials and nodes; a name that is not
        unique is followed by ``#`` and the index. Nodes with given poses need these scales in their poses;
        see `scaled_poses`.

    Raises
    ------
    DatasetError
        No file matches.
    SceneError, RequestError
        A file cannot be shown, or things are to be placed around a scene that shows nothing.
    """
    if choices == Vary():
        return document, {}
    composition = Composition()
    composition.add(document)
    streams = {name: _stream(rng) for name in structs.asdict(Vary())}
    drawn = {
        "materials": _vary_materials(composition, choices.materials, streams["materials"], site),
        "scales": _vary_scales(composition, choices.scales, streams["scales"]),
    }
    if choices.distractors is not None:
        stream = streams["distractors"]
        drawn["distractors"] = add_distractors(composition, choices.distractors, stream, site)
    if choices.background is not None:
        drawn["background"] = add_background(composition, choices.background, streams["background"], site)
    return composition.document(), {name: value for name, value in drawn.items() if value}


def scaled_poses(poses: Mapping[str, Matrix], drawn: Mapping[str, Any]) -> dict[str, Matrix]:
    """Return poses of nodes with the scales that `vary` has drawn.

    Parameters
    ----------
    poses : mapping of str to (4, 4) float64
        World matrices in the document before it was varied, by the names of their nodes.
    drawn : mapping
        Values that `vary` has returned.
    """
    scales = drawn.get("scales", {})
    return {name: pose * (*[scales.get(name, 1.0)] * 3, 1.0) for name, pose in poses.items()}


def _stream(rng: np.random.Generator) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=int(rng.random() * 2**53)))


def _vary_materials(
    composition: Composition, choices: list[MaterialChoices], rng: np.random.Generator, site: Site
) -> dict[str, Any]:
    keys = _keys(composition.materials)
    textured = has_texcoords(composition.meshes)
    drawn: dict[str, Any] = {}
    for place, each in enumerate(choices):
        where = f"vary.materials[{place}].textures"
        paths = [] if each.textures is None else site.files(each.textures, where)
        for number, material in enumerate(composition.materials):
            if not _matches(material.get("name") or "", each.names):
                continue
            make_plain(material, composition.generator)
            values: dict[str, Any] = {}
            if paths and (path := paths[int(rng.random() * len(paths))]) and number in textured:
                values["texture"] = site.shown(path)
                give_texture(material, composition.add_image(site.image(path), values["texture"]))
            values |= _paint(material, each, rng)
            drawn.setdefault(keys[number], {}).update(values)
    return drawn


def _paint(material: Json, choices: MaterialChoices, rng: np.random.Generator) -> dict[str, Any]:
    """Draw and set colour, roughness and metallic of a plain material; return the drawn values."""
    values: dict[str, Any] = {}
    hsv = (choices.hue, choices.saturation, choices.value)
    if hsv != (None, None, None):
        values["colour"] = drawn_colour(base_colour(material)[:3], *hsv, rng)
    for name, choice in (("roughness", choices.roughness), ("metallic", choices.metallic)):
        if choice is not None:
            values[name] = draw(choice, rng)
    paint(material, **values)
    return values


def _vary_scales(
    composition: Composition, choices: list[ScaleChoices], rng: np.random.Generator
) -> dict[str, float]:
    nodes = composition.nodes
    keys = _keys(nodes)
    above = {child: number for number, node in enumerate(nodes) for child in node.get("children") or ()}
    drawn: dict[str, float] = {}
    for each in choices:
        matching = {
            number
            for number, node in enumerate(nodes)
            if node.get("name") and _matches(node["name"], each.nodes)
        }
        for number in sorted(matching):
            if not _is_below(number, matching, above):
                scale = draw(each.scale, rng)
                composition.scale(number, scale)
                drawn[keys[number]] = drawn.get(keys[number], 1.0) * scale
    return drawn


def _keys(items: list[Json]) -> list[str]:
    """Return unique keys of items: their names, followed by ``#`` and the index if a name is not unique."""
    counts = Counter(item.get("name") or "" for item in items)
    return [
        name if name and counts[name] == 1 else f"{name}#{number}"
        for number, name in enumerate(item.get("name") or "" for item in items)
    ]


def _is_below(node: int, others: set[int], above: dict[int, int]) -> bool:
    """Whether any ancestor of a node is among others."""
    found = above.get(node)
    while found is not None and found not in others:
        found = above.get(found)
    return found is not None


def _matches(name: object, patterns: Patterns) -> bool:
    """Whether a name matches one of some patterns; in glTF, a name may be of any type."""
    return isinstance(name, str) and matches(name, patterns)
