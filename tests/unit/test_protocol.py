import hashlib
import math

import pytest

from gltf_render_server.errors import RequestError, TooLargeError
from gltf_render_server.gltf import RecentDocuments
from gltf_render_server.http.form import DepthRange, ImageType, RenderFields, check_digest

GOOD = {
    "image_type": "depth",
    "width": "640",
    "height": "480",
    "near": "0.050000",
    "far": "8.000000",
    "focal_x": "600.000000",
    "focal_y": "580.000000",
    "fov_x": "0.979915",
    "fov_y": "0.784680",
    "center_x": "400.000000",
    "center_y": "300.000000",
    "min_depth": "0.200000",
    "max_depth": "3.200000",
    "submit": "Render",
}


def read(max_pixels=10**6, **changes):
    form = {name: [value] for name, value in {**GOOD, **changes}.items() if value is not None}
    return RenderFields.from_form(form, max_pixels=max_pixels)


def test_reads_every_field():
    fields = read()
    assert fields.image_type is ImageType.DEPTH
    assert (fields.lens.width, fields.lens.height) == (640, 480)
    assert (fields.lens.focal_x, fields.lens.focal_y) == (600.0, 580.0)
    assert (fields.lens.center_x, fields.lens.center_y) == (400.0, 300.0)
    assert (fields.lens.near, fields.lens.far) == (0.05, 8.0)
    assert fields.depth_range == DepthRange(0.2, 3.2)
    assert fields.scene_sha256 is None


def test_depth_range_belongs_to_depth_only():
    assert read(image_type="color", min_depth=None, max_depth=None).depth_range is None


def test_digest_is_compared_without_case():
    digest = hashlib.sha256(b"scene").hexdigest()
    check_digest(RecentDocuments(0).open(b"scene"), read(scene_sha256=digest.upper()).scene_sha256)
    with pytest.raises(RequestError, match="scene_sha256: the scene's 3 bytes"):
        check_digest(RecentDocuments(0).open(b"cut"), digest)


def test_principal_point_may_lie_outside_the_image():
    assert read(center_x="-250.5").lens.center_x == -250.5


OPTIONAL = {"submit", "fov_x", "fov_y"}


def test_fields_that_say_the_same_again_are_optional():
    assert read(fov_x=None, fov_y=None) == read()


@pytest.mark.parametrize("name", [*GOOD.keys() - OPTIONAL])
def test_missing_field_is_named(name):
    with pytest.raises(RequestError, match=f"{name}: the field is missing"):
        read(**{name: None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, text)
            for name in ("width", "height")
            for text in ("0", "-5", "6.5", "1e3", "", "x", "٣", "9" * 5000)
        ],
        *[
            (name, text)
            for name in ("near", "far", "focal_x", "focal_y", "fov_x", "fov_y", "max_depth")
            for text in (
                "0",
                "-1",
                "nan",
                "inf",
                "1e999",
                "1e300",
                "",
                "1_0",
                "0x10",
                "1,5",
                "one",
                "٣",
            )
        ],
        *[
            (name, text)
            for name in ("center_x", "center_y", "min_depth")
            for text in ("nan", "-inf", "", "1e10")
        ],
        ("min_depth", "-0.1"),
        ("fov_x", "3.2"),
        ("image_type", "colour"),
        ("image_type", ""),
        ("image_type", "depth\0"),
        ("scene_sha256", "12ab"),
        ("scene_sha256", "g" * 64),
    ],
)
def test_bad_value_is_named(name, value):
    with pytest.raises(RequestError, match=f"^{name}: ") as caught:
        read(**{name: value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"near": "8", "far": "8"}, "near, far: 8.0 must be less than 8.0"),
        ({"min_depth": "4"}, "min_depth, max_depth"),
        ({"focal_x": "1", "focal_y": "500"}, "focal_x, focal_y"),
    ],
)
def test_fields_at_odds(changes, message):
    with pytest.raises(RequestError, match=message):
        read(**changes)


def test_doubled_field():
    form = {name: [value] for name, value in GOOD.items()} | {"width": ["640", "320"]}
    with pytest.raises(RequestError, match="width: the field was sent 2 times"):
        RenderFields.from_form(form, max_pixels=10**6)


@pytest.mark.parametrize("size", [("1001", "1000"), ("100000", "100000"), ("999999999", "999999999")])
def test_too_many_pixels(size):
    with pytest.raises(TooLargeError, match="--max-pixels") as caught:
        read(width=size[0], height=size[1])
    assert caught.value.status == 413


def test_a_side_that_blender_would_cut():
    with pytest.raises(TooLargeError, match="a side has at most 65536"):
        read(width="70000", height="2")


def test_field_of_view_is_checked_but_redundant():
    assert math.isclose(read(fov_x="1.0").lens.focal_x, 600)
