"""What a file's images ask of a back end: no more than it supports, whatever its name is."""

import json
from contextlib import closing

import numpy as np
import pytest
from any_gltf import ball
from fake_server import FakeRenderer, answering

from gltf_render_server.dataset.shot import Document
from gltf_render_server.errors import RequestError
from gltf_render_server.frame import LOOKS, Look
from gltf_render_server.gltf import read_asset
from gltf_render_server.http.serving import HttpServer
from gltf_render_server.pictures import Lighting, Wanted
from gltf_render_server.pictures.making import pictures
from gltf_render_server.pictures.renderers import make_file_renderer, own_settings
from gltf_render_server.settings import ServerSettings

BALL = Document(json.dumps(ball()).encode())
OBJECTS = len(read_asset(BALL.data, extensions=frozenset()).scene().instances)
PLAIN = frozenset({"exposure", "transparent", "up_axis"})


class ClearRenderer(FakeRenderer):
    """Its pictures have an alpha channel."""

    def colour(self, _):
        return lambda view: np.full((view.lens.height, view.lens.width, 4), 7, np.uint8)


@pytest.fixture
def frame_of():
    """Renders the ball by a server that supports some fields of a look; returns the frame that it got."""

    def ask(looks, **wanted):
        renderer, settings = ClearRenderer(), ServerSettings(port=0)
        renderer.looks = looks
        with answering(settings, renderer) as app:
            server = HttpServer(app, settings, workers=1)
            server.start()
            try:
                with closing(make_file_renderer(own_settings(), server.url, 300)) as there:
                    there.wait(lambda _: None)
                    list(pictures(BALL, Wanted(size=(8, 6), **wanted), there))
            finally:
                server.close(5)
        return renderer.requests[-1]

    return ask


def test_a_back_end_with_environments_lights_the_file_on_a_ground(frame_of):
    frame = frame_of(LOOKS)
    assert frame.look.environment == "city"
    assert len(frame.scene.instances) == OBJECTS + 1
    assert frame_of(LOOKS, lighting=Lighting(quality="final", environment="sunset")).look.quality == "final"


def test_another_back_end_is_asked_only_for_what_it_supports(frame_of):
    frame = frame_of(PLAIN, lighting=Lighting(exposure=1.0))
    assert {name for name in LOOKS if getattr(frame.look, name) is not None} == PLAIN
    assert len(frame.scene.instances) == OBJECTS
    assert frame_of(PLAIN | {"quality"}, lighting=Lighting(quality="final")).look.quality == "final"
    assert frame_of(frozenset()).look == Look()


@pytest.mark.parametrize(
    ("looks", "wanted", "expected"),
    [
        (LOOKS - {"quality"}, {"lighting": Lighting(quality="final")}, "--quality: this back end cannot"),
        (PLAIN, {"lighting": Lighting(environment="city")}, "--environment: this back end cannot"),
        (LOOKS - {"exposure"}, {"lighting": Lighting(exposure=0.0)}, "--exposure: this back end cannot"),
        (LOOKS - {"environment"}, {"ground": True}, "--ground: this back end cannot"),
        (LOOKS - {"transparent"}, {"ground": True}, "--ground: this back end cannot"),
    ],
)
def test_what_it_does_not_support_is_refused(frame_of, looks, wanted, expected):
    with pytest.raises(RequestError, match=expected):
        frame_of(looks, **wanted)
