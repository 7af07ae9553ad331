"""The OpenAPI document of the JSON API, generated from the request types and a table of routes."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import __version__
from ..passes import PASSES, InstanceRow
from .api import FrameRequest
from .description import ServerDescription
from .packing import EXR, PICTURES, ZIP, FrameDescription
from .scenes import SceneDescription

__all__ = ["ErrorBody", "openapi_document"]

_REFERENCE = "#/components/schemas/{name}"
_JSON = "application/json"
_GLTF = ("model/gltf-binary", "model/gltf+json", "application/octet-stream")
_BINARY = {"type": "string", "format": "binary"}


class ErrorBody(msgspec.Struct, frozen=True):
    """An error: its place and cause, and a reason if a program can act on it."""

    error: bool
    message: str
    code: int
    reason: str | msgspec.UnsetType = msgspec.UNSET


_TYPES = (FrameRequest, FrameDescription, InstanceRow, SceneDescription, ServerDescription, ErrorBody)

_ERRORS = {
    400: "The request or the scene is wrong; the message names the place and the fault.",
    401: "The server wants a token.",
    403: "The Host is not this server's, or the request comes from a foreign web page.",
    404: "This server does not have the scene (reason scene_not_found): send it, then ask again.",
    406: "The answer cannot have any of the forms that the client accepts.",
    408: "The request took too long to arrive.",
    413: "The body, the scene or the picture is larger than the server allows (reason scene_not_kept: "
    "the scene must be sent with each frame).",
    415: "The body is compressed, or neither JSON nor a form.",
    500: "The server failed.",
    503: "The server is busy, starting or shutting down: try again later.",
    504: "The render took too long.",
}
_OF_EVERY_REQUEST = (401, 403, 408, 413, 500, 503)


def openapi_document(*, has_token: bool) -> dict[str, Any]:
    """Return the OpenAPI document as a JSON value.

    Parameters
    ----------
    has_token : bool
        Whether the server requires a token.
    """
    _, components = msgspec.json.schema_components(_TYPES, ref_template=_REFERENCE)
    components["FrameRequest"]["properties"]["passes"]["items"]["enum"] = list(PASSES)
    components["FrameRequest"]["properties"]["passes"]["uniqueItems"] = True
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "glTF Render Server",
            "version": __version__,
            "description": "Renders photographs and exact ground truth of glTF scenes.",
        },
        "paths": _paths(),
        "components": {"schemas": _without_python_patterns(components)},
    }
    if has_token:
        document["security"] = [{"bearer": []}]
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return document


def _paths() -> dict[str, Any]:
    return {
        "/v1/scenes/{sha256}": {
            "parameters": [
                {
                    "name": "sha256",
                    "in": "path",
                    "required": True,
                    "description": "SHA-256 of the scene's bytes, hex digits.",
                    "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
                }
            ],
            "put": _operation(
                "putScene",
                "Upload a scene, a GLB or a glTF with embedded resources, under its digest.",
                {
                    200: ("The scene was already there.", _content(SceneDescription)),
                    201: ("The scene is now there.", _content(SceneDescription)),
                },
                (400, 415),
                {media_type: {"schema": _BINARY} for media_type in _GLTF},
            ),
            "head": _operation(
                "hasScene",
                "Ask whether the server has a scene.",
                {200: ("The server has it.", None)},
                (400, 404),
                has_error_bodies=False,
            ),
            "delete": _operation(
                "deleteScene", "Remove a scene.", {204: ("The scene is removed.", None)}, (400, 404)
            ),
        },
        "/v1/frames": {
            "post": _operation(
                "renderFrame",
                "Render views of a scene that was uploaded, or that is part of the request.",
                {200: (_FRAME, _FORMS)},
                (400, 404, 406, 415, 504),
                {
                    _JSON: {"schema": _reference(FrameRequest)},
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "required": ["frame", "scene"],
                            "properties": {"frame": _reference(FrameRequest), "scene": _BINARY},
                        },
                        "encoding": {
                            "frame": {"contentType": _JSON},
                            "scene": {"contentType": ", ".join(_GLTF)},
                        },
                    },
                },
            )
        },
        "/v1/server": {
            "get": _operation(
                "describeServer",
                "What the server renders with, which passes it makes, and what of a look it knows.",
                {200: ("It.", _content(ServerDescription))},
            )
        },
        "/v1/openapi.json": {
            "get": _operation(
                "describeApi",
                "This document.",
                {200: ("The document.", {_JSON: {"schema": {"type": "object"}}})},
            )
        },
    }


_FORMS = {
    **{media_type: {"schema": _BINARY} for media_type in (ZIP, EXR, *PICTURES)},
    _JSON: {"schema": {"type": "array", "items": {"$ref": _REFERENCE.format(name=InstanceRow.__name__)}}},
}

_FRAME = (
    "The pictures: a zip with VIEW/PASS.EXT and frame.json (a FrameDescription); an EXR of one view, with "
    "the channels PASS.R, PASS.X and so on and the FrameDescription as its attribute frame; the PNG or TIFF "
    "of one view and one pass; or the pass instances of one view, a list of InstanceRow, which the zip holds "
    "as VIEW/instances.json."
)


def _operation(
    name: str,
    summary: str,
    answers: dict[int, tuple[str, dict[str, Any] | None]],
    errors: tuple[int, ...] = (),
    body: dict[str, Any] | None = None,
    *,
    has_error_bodies: bool = True,
) -> dict[str, Any]:
    """Describe the parameters and responses of a method of a path."""
    wrong = {
        status: (_ERRORS[status], _content(ErrorBody) if has_error_bodies else None)
        for status in (*errors, *_OF_EVERY_REQUEST)
    }
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            str(status): {"description": text} | ({"content": content} if content else {})
            for status, (text, content) in sorted({**answers, **wrong}.items())
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _content(kind: type) -> dict[str, Any]:
    return {_JSON: {"schema": _reference(kind)}}


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _without_python_patterns(schema: Any) -> Any:
    r"""Return a schema without the part of patterns that only Python needs, where ``$`` allows a ``\n``."""
    if isinstance(schema, dict):
        return {name: _without_python_patterns(part) for name, part in schema.items()}
    if isinstance(schema, list):
        return [_without_python_patterns(part) for part in schema]
    return schema.removesuffix(r"(?!\n)") if isinstance(schema, str) else schema
