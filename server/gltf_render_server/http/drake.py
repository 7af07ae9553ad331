"""The route of Drake's protocol: it takes a form with a scene, and returns one image."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import flask

from ..encode import EncodedImage, encode_depth, encode_png
from ..passes import prepare, remarks
from ..recording import Document, Request
from ..renderer import RenderedFrame
from ..settings import ServerSettings
from .answering import Answering, Asked, Exchange, log_warnings
from .bodies import read_fields, read_upload, uploaded, whole_scene
from .form import RenderFields, check_digest
from .observing import note

__all__ = ["register_render"]


def register_render(app: flask.Flask, settings: ServerSettings, answering: Answering) -> None:
    """Add the route to an application."""

    @app.post("/render")
    def render() -> flask.Response:
        return answering.frame(partial(_read, settings))


def _read(settings: ServerSettings, exchange: Exchange) -> Asked:
    http = flask.request
    with exchange.checking():
        form = read_fields(http, settings)
        request = Request("drake", http.remote_addr or "", form, uploaded(http))
        note(request)
        fields = RenderFields.from_form(form, max_pixels=settings.max_pixels)
        data = whole_scene(read_upload(http, settings), fields.scene_sha256)
        exchange.account.describe((fields.row.name,), [(fields.lens.width, fields.lens.height)], len(data))
        document = exchange.open(data)
        check_digest(document, fields.scene_sha256)
        frame = fields.frame(exchange.read_asset(document).scene())
        note(replace(request, document=Document(data)).of(frame))
        log_warnings([*remarks(frame)])
        prepare(frame)
    return Asked(frame, partial(_encoded, fields, settings))


def _encoded(fields: RenderFields, settings: ServerSettings, rendered: RenderedFrame) -> EncodedImage:
    array = fields.measured(rendered.views[0][fields.row.name])
    if fields.depth_range is not None:
        return encode_depth(array, settings.depth_format)
    return encode_png(array)
