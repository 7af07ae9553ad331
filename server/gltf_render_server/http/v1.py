"""The routes of the JSON API: cached scenes, their frames, and the OpenAPI document."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import Any

import flask
import msgspec

from ..dispatch.dispatcher import Dispatcher
from ..errors import RequestError
from ..passes import check_renders, prepare
from ..recording import RecordedMoment, Request
from ..settings import ServerSettings
from .answering import Answering, Asked, Exchange, log_warnings
from .api import FrameRequest, read_frame_request
from .bodies import read_body, read_form, whole_scene
from .description import describe_renderer, describe_server
from .observing import note, observed
from .openapi import openapi_document
from .packing import choose_packing, describe
from .scenes import KeptScene, SceneStore, keep_asset

__all__ = ["register_v1"]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


def register_v1(
    app: flask.Flask, settings: ServerSettings, dispatcher: Dispatcher, answering: Answering
) -> None:
    """Add the routes of the JSON API to an application."""
    store = SceneStore(round(settings.scene_cache_mb * 1e6))

    @app.put("/v1/scenes/<sha256>")
    def put_scene(sha256: str) -> flask.Response:
        digest = _digest(sha256)
        with answering.exchange() as exchange:
            data = read_body(flask.request, settings)
            exchange.account.describe_upload(len(data))
            kept, is_new = _keep(store, data, digest, exchange)
            store.check_size(kept)
            with exchange.checking():
                description = kept.description
            status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
            exchange.account.answer(status, "kept" if is_new else "kept already")
            response = _json(description, status)
            response.headers["Server-Timing"] = exchange.account.server_timing()
            return response

    @app.route("/v1/scenes/<sha256>", methods=["HEAD"], provide_automatic_options=False)
    def has_scene(sha256: str) -> flask.Response:
        store.find(_digest(sha256))
        return flask.Response(mimetype="application/json")

    @app.delete("/v1/scenes/<sha256>")
    def delete_scene(sha256: str) -> flask.Response:
        store.discard(_digest(sha256))
        return flask.Response(status=HTTPStatus.NO_CONTENT)

    @app.post("/v1/frames")
    def post_frame() -> flask.Response:
        return answering.frame(partial(_read_frame, store, settings, dispatcher))

    @app.get("/v1/server")
    def server() -> flask.Response:
        return _json(describe_server(settings, dispatcher))

    @app.get("/v1/openapi.json")
    def openapi() -> flask.Response:
        return _json(openapi_document(has_token=settings.token is not None))


def _read_frame(
    store: SceneStore, settings: ServerSettings, dispatcher: Dispatcher, exchange: Exchange
) -> Asked:
    """Read a request for a frame: JSON that refers to a scene, or a form that contains one."""
    http = flask.request
    with exchange.account.timed("parse"):
        text, data = read_form(http, settings)
        request = read_frame_request(text)
    request.check(settings.max_pixels)
    sizes = [(view.width, view.height) for view in request.views]
    exchange.account.describe(tuple(request.passes), sizes, len(data or b""))
    kept = _scene_of(store, request, data, exchange)
    exchange.account.describe(tuple(request.passes), sizes, kept.file_bytes)
    with exchange.checking():
        frame = request.frame(kept.asset, kept.scene, settings.max_pixels)
        check_renders(frame, dispatcher.renders, dispatcher.info.name)
        note(
            Request(
                "v1",
                http.remote_addr or "",
                document=kept.document,
                poses=request.poses_at(),
                scene_time_s=request.time_at(),
                moments={
                    when: RecordedMoment(request.poses_at(when), request.time_at(when))
                    for when in request.moments
                },
            ).of(frame)
        )
        description = describe(
            frame,
            describe_renderer(dispatcher),
            kept.sha256,
            request.time_at(),
            {when: request.time_at(when) for when in request.moments},
        )
        encode = choose_packing(http.accept_mimetypes, frame, description)
        prepare(frame)
    return Asked(frame, encode)


def _scene_of(store: SceneStore, request: FrameRequest, data: bytes | None, exchange: Exchange) -> KeptScene:
    named = request.scene.lower() if request.scene else None
    if data is None:
        if named is None:
            raise RequestError("scene: give the digest of a scene that is kept, or send the scene as a part")
        return store.find(named)
    return _keep(store, whole_scene(data, named), named, exchange)[0]


def _keep(store: SceneStore, data: bytes, named: str | None, exchange: Exchange) -> tuple[KeptScene, bool]:
    """Return the cache entry of a scene, and whether it had to be checked."""
    document = exchange.open(data)
    with exchange.account.timed("parse"):
        digest = document.sha256
    if named not in (None, digest):
        raise RequestError(
            f"scene: its {len(data)} bytes have the SHA-256 {digest}, not {named}; the upload was cut short "
            "or altered on its way"
        )

    def make() -> KeptScene:
        with exchange.checking():
            kept = keep_asset(digest, len(data), exchange.read_asset(document), observed(data))
            log_warnings(kept.scene.warnings)
            return kept

    return store.add(digest, make, exchange.holding)


def _digest(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise RequestError(f"sha256: must be 64 hex digits; got {text[:80]!r}")
    return text.lower()


def _json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> flask.Response:
    return flask.Response(msgspec.json.encode(value), status, mimetype="application/json")
