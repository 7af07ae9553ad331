"""The OpenAPI document holds: whatever is sent, no answer is a 5xx, or one that the document lacks.

``GLTF_RENDER_SERVER_CASES=2000`` makes it search longer.
"""

import os
from collections import Counter

import pytest
import schemathesis
from api import digest_of, upload, view
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as search
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gltf_render_server.http.openapi import openapi_document
from gltf_render_server.passes import PASSES
from gltf_render_server.settings import ServerSettings

CASES = int(os.environ.get("GLTF_RENDER_SERVER_CASES", "200"))
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
OPERATIONS = [
    (path, method)
    for path, item in openapi_document(has_token=False)["paths"].items()
    for method in item
    if method != "parameters"
]
TAKES_NOTHING = ("/v1/openapi.json", "/v1/server")
KINDS = [
    (*operation, mode)
    for operation in OPERATIONS
    for mode in GenerationMode
    if operation[0] not in TAKES_NOTHING or mode != GenerationMode.NEGATIVE
]
BUSY = {("/v1/frames", "post"): 4, ("/v1/scenes/{sha256}", "put"): 2}
"""How many times as many cases as the others an operation gets."""
SHARES = sum(BUSY.get((path, method), 1) for path, method, _ in KINDS)


@pytest.fixture
def settings():
    """Small, so that no case draws millions of pixels."""
    return ServerSettings(max_pixels=10_000, max_scene_mb=1.0, max_queue=2)


@pytest.mark.parametrize(
    ("path", "method", "mode"), KINDS, ids=[f"{method} {path} {mode.value}" for path, method, mode in KINDS]
)
def test_no_answer_surprises(app, client, scene, path, method, mode):
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", app)
    data = scene.to_bytes()
    upload(client, data)
    share = BUSY.get((path, method), 1)
    statuses = Counter()

    @search(
        max_examples=max(5, share * CASES // SHARES),
        deadline=None,
        derandomize="GLTF_RENDER_SERVER_CASES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode), is_known=st.booleans())
    def ask(case, is_known):
        if is_known:
            bring_the_scene(case, data)
        response = case.call()
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()
    print(dict(statuses))  # noqa: T201  for the long search
    assert mode is GenerationMode.NEGATIVE or min(statuses) < 300, statuses


def bring_the_scene(case, data):
    """Name or send a scene that is one, and ask for pictures that are small enough to be drawn."""
    if "sha256" in case.path_parameters:
        case.path_parameters["sha256"] = digest_of(data)
    if case.method == "PUT":
        case.body = data
    elif isinstance(case.body, dict) and case.media_type == "multipart/form-data":
        case.body["scene"] = data
        see_the_scene(case.body.get("frame"), data)
    else:
        see_the_scene(case.body, data)


def see_the_scene(frame, data):
    if isinstance(frame, dict):
        frame.pop("poses", None)
        frame["before"], frame["after"] = {}, {"time_s": 1.0}
        frame["scene"] = digest_of(data)
        views = frame.get("views")
        for number, asked in enumerate(views if isinstance(views, list) else ()):
            if isinstance(asked, dict):
                for name in ("focal_x", "focal_y", "camera"):
                    asked.pop(name, None)
                asked |= view(width=8, height=8, name=f"v{number}", near=0.1, far=10)


def test_the_document_is_made_from_the_types(client):
    document = client.get("/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    request = document["components"]["schemas"]["FrameRequest"]
    assert request["properties"]["passes"]["items"]["enum"] == list(PASSES)
    described = document["components"]["schemas"]["ViewRequest"]
    assert described["additionalProperties"] is False
    assert described["required"] == ["width", "height"]
    assert described["properties"]["width"]["maximum"] == 65536
    assert {"InstanceRow", "PointRow", "Box3dRow"} <= document["components"]["schemas"].keys()
    answers = document["paths"]["/v1/frames"]["post"]["responses"]["200"]["content"]
    assert answers["application/json"]["schema"]["items"]["$ref"].endswith("/InstanceRow")
    assert "?!" not in client.get("/v1/openapi.json").text, "patterns are those of every language"
