"""Surfaces with holes, and what every back end must show of them and through them."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
from drake_like import add_accessor, column_major, empty_document, translation
from PIL import Image

from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.gltf import parse_scene

LENS = Lens(120, 90, 101.3, 98.7, 60.13, 45.21, 0.05, 50.0)
PASSES = ("depth", "instance", "material", "label", "normal", "position", "uv")
SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], "<f4")
UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")
PLAIN = {"pbrMetallicRoughness": {"baseColorFactor": [0.1, 0.2, 0.3, 1.0]}}
TRANSFORM = {"offset": [0.3, -0.7], "rotation": 0.4, "scale": [2.3, 1.7]}

REPEAT, MIRROR, CLAMP = 10497, 33648, 33071
SAMPLERS = {
    "repeated": {},
    "nearest": {"magFilter": 9728},
    "nearest of mipmaps": {"minFilter": 9984},
    "nearest beside linear": {"magFilter": 9728, "minFilter": 9987},
    "mirrored": {"wrapS": MIRROR, "wrapT": MIRROR},
    "clamped": {"wrapS": CLAMP, "wrapT": CLAMP},
    "mirrored and repeated": {"wrapS": MIRROR, "wrapT": REPEAT},
    "clamped and mirrored": {"wrapS": CLAMP, "wrapT": MIRROR},
    "clamped and repeated, nearest": {"wrapS": CLAMP, "wrapT": REPEAT, "magFilter": 9728},
}
IS_NEAREST = {"nearest", "nearest of mipmaps", "clamped and repeated, nearest"}


CONSTANTS = [
    ("MASK", 0.31, 0.9, True),
    ("MASK", 0.3, 0.9, True),
    ("MASK", 0.29, 0.1, False),
    ("BLEND", 0.5, 0.5, True),
    ("BLEND", 0.49, 0.5, False),
    ("BLEND", 0.0, 0.0, True),
    ("BLEND", 1.0, 1.0, True),
]
"""A material's mode, its factor, a frame's threshold, and whether the surface is there; the cutoff is 0.3."""


def checker(side=8, alpha=(255, 0)):
    """Squares of one texel, (side, side), of two values."""
    return np.array(alpha, np.uint8)[np.indices((side, side)).sum(0) % 2]


def noise(seed=0, side=16):
    return np.random.default_rng(seed).integers(0, 256, (side, side)).astype(np.uint8)


def image_uri(alpha):
    rgba = np.dstack([np.full((*alpha.shape, 3), 200, np.uint8), alpha])
    encoded = io.BytesIO()
    Image.fromarray(rgba).save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def cut(mode="MASK", factor=1.0, texture=None, **more):
    """A material; texture: the members of a reference to the scene's texture, or None."""
    pbr = {"baseColorFactor": [1.0, 1.0, 1.0, factor]}
    if texture is not None:
        pbr["baseColorTexture"] = {"index": 0, **texture}
    return {"alphaMode": mode, "pbrMetallicRoughness": pbr, **more}


def cards(*placed, alpha=None, sampler=None, colours=None, uv=UV):
    """Squares of 2 m that face a camera at the origin: (material, z) each; alpha: that of the texture."""
    document = empty_document()
    attributes = {"POSITION": add_accessor(document, SQUARE, "VEC3")}
    for number in range(2):
        attributes[f"TEXCOORD_{number}"] = add_accessor(document, (uv if number == 0 else 2 * uv), "VEC2")
    if colours is not None:
        attributes["COLOR_0"] = add_accessor(document, np.asarray(colours, "<f4"), "VEC4")
    indices = add_accessor(document, np.array([0, 1, 2, 0, 2, 3], "<u2"), "SCALAR")
    document["nodes"] = []
    for index, (material, z) in enumerate(placed):
        document["materials"].append(material)
        primitive = {"attributes": attributes, "indices": indices, "material": index}
        document["meshes"].append({"primitives": [primitive]})
        place = column_major(translation(0, 0, z))
        document["nodes"].append({"mesh": index, "name": f"card {index}", "matrix": place})
    document["scenes"] = [{"nodes": [*range(len(placed))]}]
    if alpha is not None:
        document["images"] = [{"uri": image_uri(alpha)}]
        document["samplers"] = [sampler or {}]
        document["textures"] = [{"source": 0, "sampler": 0}]
    return document


def frame(renderer, document, alpha_threshold=0.5, passes=PASSES, pose=None):
    scene = parse_scene(json.dumps(document).encode(), extensions=renderer.extensions)
    view = View(LENS, np.eye(4) if pose is None else pose)
    return Frame(scene, (view,), passes, alpha_threshold=alpha_threshold)


def arrays(renderer, document, alpha_threshold=0.5, passes=PASSES, pose=None):
    [view] = renderer.render(frame(renderer, document, alpha_threshold, passes, pose)).views
    return view


def card_texcoords(z):
    """Where each pixel's ray meets the card's texture, (height, width, 2); NaN beside the card."""
    v, u = np.indices((LENS.height, LENS.width)) + 0.5
    x, y = (u - LENS.center_x) / LENS.focal_x * -z, (LENS.center_y - v) / LENS.focal_y * -z
    is_on = (np.abs(x) < 1) & (np.abs(y) < 1)
    return np.where(is_on[..., None], np.stack([(x + 1) / 2, (1 - y) / 2], -1), np.nan)


def moved(texcoords, offset=(0, 0), rotation=0.0, scale=(1, 1)):
    """KHR_texture_transform, as its specification writes it."""
    cos, sin = np.cos(rotation), np.sin(rotation)
    return texcoords * scale @ np.array([[cos, sin], [-sin, cos]]).T + offset


def sampled(alpha, texcoords, sampler, *, is_nearest):
    """Look up a texture, (height, width) of 0 to 255, as glTF says, in float64."""
    wraps = [sampler.get(name, REPEAT) for name in ("wrapS", "wrapT")]
    sizes = alpha.shape[::-1]
    places = []
    for axis in range(2):
        place = np.nan_to_num(texcoords[..., axis])
        if wraps[0] != wraps[1]:
            place = _wrapped_place(place, wraps[axis])
        texel = place * sizes[axis] - (0 if is_nearest else 0.5)
        first = np.floor(texel).astype(int)
        wrap = CLAMP if wraps[0] != wraps[1] else wraps[axis]
        both = [_wrapped_texel(first + step, sizes[axis], wrap) for step in (0, 1)]
        places.append((both, np.zeros_like(texel) if is_nearest else texel - first))
    ((columns, across), (rows, down)) = places
    upper, lower = (
        alpha[rows[row], columns[0]] * (1 - across) + alpha[rows[row], columns[1]] * across for row in (0, 1)
    )
    return (upper * (1 - down) + lower * down) / 255


def _wrapped_place(place, wrap):
    if wrap == REPEAT:
        return place % 1
    return 1 - np.abs(place % 2 - 1) if wrap == MIRROR else place


def _wrapped_texel(texel, size, wrap):
    if wrap == CLAMP:
        return texel.clip(0, size - 1)
    inside = texel % (size if wrap == REPEAT else 2 * size)
    return np.where(inside < size, inside, 2 * size - 1 - inside)


def assert_holes(found, alpha, threshold):
    """The surface is there exactly where its alpha, (height, width), is not below the threshold."""
    is_there = np.isfinite(found["depth"])
    margin = alpha - (threshold - 1e-6)  # what is meant to be the threshold is not below it
    is_clear = np.abs(margin) > 5e-7
    assert is_clear.mean() > 0.999
    np.testing.assert_array_equal(is_there[is_clear], (margin > 0)[is_clear])
    assert 0.02 < is_there.mean() < 0.98, "nothing is shown by this"
    assert_agree(found)


def assert_agree(found):
    """All passes tell of the same surfaces."""
    is_there = np.isfinite(found["depth"])
    for name in ("instance", "material"):
        np.testing.assert_array_equal(found[name] > 0, is_there, err_msg=name)
    for name in ("normal", "position", "uv"):
        np.testing.assert_array_equal(np.isfinite(found[name]).all(-1), is_there, err_msg=name)
    np.testing.assert_allclose(-found["position"][is_there][:, 2], found["depth"][is_there], rtol=1e-6)


def assert_every_sampler(renderer, name):
    alpha, z = noise(), -2.0
    material = cut(alphaCutoff=0.4, texture={"extensions": {"KHR_texture_transform": TRANSFORM}})
    found = arrays(renderer, cards((material, z), alpha=alpha, sampler=SAMPLERS[name]))
    texcoords = card_texcoords(z)
    seen = sampled(alpha, moved(texcoords, **TRANSFORM), SAMPLERS[name], is_nearest=name in IS_NEAREST)
    assert_holes(found, np.where(np.isnan(texcoords[..., 0]), 0, seen), 0.4)
    is_there = np.isfinite(found["depth"])
    np.testing.assert_allclose(found["uv"][is_there], texcoords[is_there], atol=1e-4)
    np.testing.assert_allclose(found["depth"][is_there], -z, atol=5e-5)


def assert_every_alpha(renderer, threshold):
    """Factor, texture and vertices, each with its own set of texture coordinates, multiplied."""
    alpha, z = noise(3), -2.0
    colours = np.ones((4, 4))
    colours[:, 3] = (0.2, 1.0, 1.0, 0.2)  # along u
    material = cut("BLEND", factor=0.9, texture={"texCoord": 1})
    found = arrays(renderer, cards((material, z), alpha=alpha, colours=colours), threshold)
    texcoords = card_texcoords(z)
    seen = 0.9 * sampled(alpha, 2 * texcoords, {}, is_nearest=False) * (0.2 + 0.8 * texcoords[..., 0])
    assert_holes(found, np.nan_to_num(seen), threshold)


def assert_vertices_alone(renderer):
    colours = np.ones((4, 4))
    colours[:, 3] = (0.0, 0.7, 1.0, 0.3)
    found = arrays(renderer, cards((cut("BLEND"), -2.0), colours=colours), 0.45)
    u, v = np.moveaxis(card_texcoords(-2.0), -1, 0)
    seen = _two_triangles(u, v, colours[:, 3])
    assert_holes(found, np.nan_to_num(seen), 0.45)


def _two_triangles(u, v, values):
    """Interpolate what the card's corners have, over the triangles 0, 1, 2 and 0, 2, 3."""
    x, y = u, 1 - v  # corner 0 is at (0, 0), 1 at (1, 0), 2 at (1, 1), 3 at (0, 1)
    below = (1 - x) * values[0] + (x - y) * values[1] + y * values[2]
    above = (1 - y) * values[0] + x * values[2] + (y - x) * values[3]
    return np.where(x > y, below, above)


def assert_constant(renderer, mode, factor, threshold, *, is_there):
    """An alpha that is the same everywhere leaves all of a surface or nothing; one equal to it is solid."""
    document = cards((cut(mode, factor=factor, alphaCutoff=0.3), -2.0), (PLAIN, -4.0))
    found = arrays(renderer, document, threshold)
    assert found["instance"][45, 60] == (1 if is_there else 2)
    assert found["depth"][45, 60] == np.float32(2.0 if is_there else 4.0)
    assert_agree(found)


def assert_equal_is_solid(renderer):
    """However an alpha that is the same at all corners is interpolated, it is not below itself."""
    colours = np.ones((4, 4))
    for alpha in (0.7, 0.3, 0.123):
        colours[:, 3] = alpha
        document = cards((cut("BLEND"), -2.0), colours=colours)
        solid = np.isfinite(arrays(renderer, document, None)["depth"])
        np.testing.assert_array_equal(np.isfinite(arrays(renderer, document, alpha)["depth"]), solid)
        assert not np.isfinite(arrays(renderer, document, alpha + 1e-5)["depth"]).any()


def assert_stack(renderer, layers=40):
    """Through holes in many layers one sees what stands behind, in every pass."""
    alpha = checker()
    front = [(cut(texture={}), -2.0 - 0.001 * index) for index in range(layers)]
    document = cards(*front, (PLAIN, -3.0), alpha=alpha, sampler={"magFilter": 9728})
    stacked = arrays(renderer, document)
    alone = arrays(renderer, cards((PLAIN, -3.0)), None)
    texcoords = card_texcoords(-2.0)
    is_behind = np.isfinite(alone["depth"])
    assert (stacked["instance"] == layers + 1).sum() > 500
    through = stacked["instance"] == layers + 1
    assert is_behind[through].all()
    for name in ("depth", "normal", "position", "uv"):
        np.testing.assert_array_equal(stacked[name][through], alone[name][through], err_msg=name)
    first = sampled(alpha, texcoords, {}, is_nearest=True) * ~np.isnan(texcoords[..., 0]) >= 0.5
    np.testing.assert_array_equal(stacked["instance"] == 1, first)
    assert_agree(stacked)


def assert_solid_without(renderer):
    """None = all surfaces are solid; the bytes are those of materials that have no alpha at all."""
    holed = cards((cut(texture={}), -2.0), (cut("BLEND", factor=0.1), -1.5), (PLAIN, -3.0), alpha=checker())
    plain = cards((PLAIN, -2.0), (PLAIN, -1.5), (PLAIN, -3.0))
    solid, truth = arrays(renderer, holed, None), arrays(renderer, plain, None)
    for name in PASSES:
        if name != "label":
            assert solid[name].tobytes() == truth[name].tobytes(), name
    assert arrays(renderer, holed, 0.5)["depth"].tobytes() != truth["depth"].tobytes()
    assert arrays(renderer, plain, 0.5)["depth"].tobytes() == truth["depth"].tobytes()


def histories(renderer):
    """Frames of one mesh that is solid, cut by one texture or another, at one threshold or another."""
    frames = []
    for alpha, mode in ((checker(), "MASK"), (noise(1), "BLEND"), (noise(2), "BLEND")):
        document = cards(
            (cut(mode, texture={}), -2.0), (PLAIN, -2.5), (cut(mode, 0.7, {}), -2.0), alpha=alpha
        )
        frames += [frame(renderer, document, threshold) for threshold in (None, 0.3, 0.5)]
    return frames


def assert_any_history(fresh, seed=0):
    """fresh: makes a renderer that has never rendered anything."""
    frames = histories(fresh())
    truth = [_bytes(fresh(), each) for each in frames]
    renderer = fresh()
    assert len(set(truth)) == 6, "solid looks alike, and a cutoff knows no threshold"
    for index in np.random.default_rng(seed).permutation(np.repeat(np.arange(len(frames)), 3)).tolist():
        assert _bytes(renderer, frames[index]) == truth[index]


def _bytes(renderer, frame):
    whole = b""
    for name in PASSES[:2]:  # each alone, so that views are kept and found again
        [view] = renderer.render(replace(frame, passes=(name,))).views
        whole += view[name].tobytes()
    return whole
