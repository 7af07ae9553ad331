"""Files of a user's own, whose resources lie beside them."""

import base64
import copy
import json
import os
import pickle
import tracemalloc
from urllib.parse import quote

import numpy as np
import pytest
from any_gltf import DOCUMENTS, EYE, FOCAL, SIZE
from compressed import to_glb, with_draco, with_meshopt
from drake_like import png_uri
from stores import STILL_LIFE

from gltf_render_server.dataset.embedding import read_document
from gltf_render_server.errors import RequestError, SceneError, TooLargeError
from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.gltf import read_asset, read_image
from gltf_render_server.gltf.container import open_container, write_container
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer


@pytest.fixture(scope="module")
def renderer():
    renderer = VtkRenderer(ServerSettings(backend="vtk"))
    yield renderer
    renderer.close()


def depth(renderer, data):
    lens = Lens(*SIZE, FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2, 0.01, 100.0)
    scene = read_asset(data, extensions=renderer.extensions).scene()
    return renderer.render(Frame(scene, (View(lens, EYE, "eye"),), ("depth",))).views[0]["depth"]


def textured():
    """A document with an image, whose buffers and image are data URIs."""
    document = DOCUMENTS["turned"]()
    document["images"] = [{"uri": png_uri(np.full((4, 4, 3), 90, np.uint8)), "mimeType": "image/png"}]
    document["textures"] = [{"source": 0}]
    document["materials"].append({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}})
    document["meshes"][1]["primitives"][0]["material"] = len(document["materials"]) - 1
    return document


def payload(uri):
    return base64.b64decode(uri.partition(",")[2])


def split(document, folder, name="scene.gltf", images="images of it/größe %.png"):
    """Write a document with all of its resources in files of their own."""
    document = copy.deepcopy(document)
    (folder / images).parent.mkdir(parents=True, exist_ok=True)
    for index, buffer in enumerate(document["buffers"]):
        if "uri" in buffer:
            (folder / f"data {index}.bin").write_bytes(payload(buffer["uri"]))
            buffer["uri"] = quote(f"data {index}.bin")
    for image in document.get("images", ()):
        (folder / images).write_bytes(payload(image["uri"]))
        image["uri"] = quote(images)
    (folder / name).write_text(json.dumps(document))
    return folder / name


def written(tmp_path, change):
    path = split(textured(), tmp_path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def test_a_glb_of_its_own_is_taken_as_it_is(tmp_path):
    assert read_document(STILL_LIFE).data == STILL_LIFE.read_bytes()
    (tmp_path / "embedded.gltf").write_text(json.dumps(textured()))
    assert read_document(tmp_path / "embedded.gltf").data == (tmp_path / "embedded.gltf").read_bytes()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_beside_it_are_embedded(tmp_path, renderer, name):
    document = DOCUMENTS[name]()
    made = read_document(split(document, tmp_path))
    assert made.path == tmp_path / "scene.gltf"
    np.testing.assert_array_equal(depth(renderer, made.data), depth(renderer, json.dumps(document).encode()))


@pytest.mark.parametrize("compress", [with_draco, with_meshopt])
def test_what_is_compressed_stays_so(tmp_path, renderer, compress):
    document = compress(DOCUMENTS["turned"]())
    made = read_document(split(document, tmp_path))
    np.testing.assert_array_equal(depth(renderer, made.data), depth(renderer, json.dumps(document).encode()))


def test_images_are_embedded_once_and_byte_for_byte(tmp_path):
    path = split(textured(), tmp_path)
    document = json.loads(path.read_text())
    document["images"].append({"uri": document["images"][0]["uri"], "name": "again"})
    document["textures"].append({"source": 1})
    document["materials"].append({"emissiveTexture": {"index": 1}})
    document["meshes"][0]["primitives"][0]["material"] = len(document["materials"]) - 1
    path.write_text(json.dumps(document))
    made = read_document(path)
    asset = read_asset(made.data, extensions=frozenset())
    image = payload(textured()["images"][0]["uri"])
    assert [read_image(asset.source, asset.buffers, index) for index in (0, 1)] == [image, image]
    assert [item["mimeType"] for item in json.loads(open_container(made.data).json)["images"]] == [
        "image/png"
    ] * 2
    assert made.data.count(image) == 1


def test_a_glb_may_name_files_too_and_keeps_what_is_inside(tmp_path):
    document = json.loads(open_container(to_glb(textured())).json)
    binary = open_container(to_glb(textured())).binary
    (tmp_path / "a.png").write_bytes(payload(document["images"][0]["uri"]))
    document["images"][0] = {"uri": "a.png"}
    (tmp_path / "scene.glb").write_bytes(write_container(json.dumps(document).encode(), [binary]))
    made = read_document(tmp_path / "scene.glb")
    assert open_container(made.data).binary[: len(binary)] == binary
    read_asset(made.data, extensions=frozenset())


def test_the_bytes_are_the_same_wherever_it_lies(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert read_document(split(textured(), one)).data == read_document(split(textured(), two)).data


def test_extras_and_names_are_kept(tmp_path):
    def change(document):
        document["nodes"][2] |= {"extras": {"category": "ball", "more": [1, {"a": None}]}}
        document["asset"]["copyright"] = "somebody"

    data = read_document(written(tmp_path, change)).data
    document = json.loads(open_container(data).json)
    assert document["nodes"][2]["extras"] == {"category": "ball", "more": [1, {"a": None}]}
    assert document["asset"]["copyright"] == "somebody"
    assert read_asset(data, extensions=frozenset()).node_extras(2) == {"category": "ball"}


def test_folders_may_be_written_as_windows_does_and_be_left_again(tmp_path):
    def change(document):
        document["images"][0]["uri"] = quote("images of it\\größe %.png")
        document["buffers"][0]["uri"] = "images%20of%20it/../data%200.bin"

    assert read_document(written(tmp_path, change)).data == read_document(split(textured(), tmp_path)).data


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("../secret.png", "is outside the document's folder"),
        ("%2e%2e/secret.png", "is outside the document's folder"),
        ("..\\secret.png", "is outside the document's folder"),
        ("/etc/hostname", "is outside the document's folder"),
        ("out.png", "is outside the document's folder"),
        ("out/secret.png", "is outside the document's folder"),
        ("file:///etc/hostname", "is an address"),
        ("http://example.org/a.png", "is an address"),
        ("//example.org/a.png", "is an address"),
        ("C:\\a.png", "is an address"),
        ("http://[", "is an address"),
        ("missing.png", "there is no file 'missing.png'"),
        ("images%20of%20it", "there is no file"),
        ("", "there is no file ''"),
        ("a%00b.png", "there is no file"),
        ("a" * 5000, "there is no file"),
        ("circle", "there is no file"),
        ("pipe", "there is no file"),
        ("empty.png", "is empty"),
    ],
)
@pytest.mark.parametrize("kind", ["images", "buffers"])
def test_what_is_not_below_its_folder_is_refused_by_name(tmp_path, kind, uri, said):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "out").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe")
    (folder / "empty.png").write_bytes(b"")
    path = written(folder, lambda document: document[kind][0].update(uri=uri))
    with pytest.raises(SceneError) as caught:
        read_document(path)
    assert caught.value.where.startswith(f"$.{kind}[0]")
    assert said in str(caught.value) or (uri == "empty.png" and "holds 0 bytes" in str(caught.value))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_links_that_stay_inside_are_followed(tmp_path):
    path = split(textured(), tmp_path)
    (tmp_path / "data 0.bin").rename(tmp_path / "elsewhere.bin")
    (tmp_path / "data 0.bin").symlink_to("elsewhere.bin")
    read_asset(read_document(path).data, extensions=frozenset())


def test_broken_files_say_so(tmp_path):
    with pytest.raises(RequestError, match=r"none\.glb: there is no such file"):
        read_document(tmp_path / "none.glb")
    with pytest.raises(RequestError, match="there is no such file"):
        read_document(tmp_path)
    for data in (b"", b"{", b"[]", b"glTF", b'{"buffers": 3}', b'{"buffers": [{"uri": "x"}]}', b"[" * 10**6):
        (tmp_path / "broken.gltf").write_bytes(data)
        with pytest.raises(SceneError):
            read_document(tmp_path / "broken.gltf")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"solid cube\nfacet normal", "it is no glTF file"),
    ],
)
def test_what_is_no_gltf_at_all_is_told(tmp_path, data, said):
    (tmp_path / "broken.glb").write_bytes(data)
    with pytest.raises(SceneError, match=said):
        read_document(tmp_path / "broken.glb")


def test_short_buffers_and_views_beyond_them_are_refused(tmp_path):
    path = split(textured(), tmp_path)
    whole = (tmp_path / "data 0.bin").read_bytes()
    (tmp_path / "data 0.bin").write_bytes(whole[:-1])
    with pytest.raises(SceneError, match=r"\$\.buffers\[0\]: holds"):
        read_document(path)
    (tmp_path / "data 0.bin").write_bytes(whole)
    path = written(tmp_path, lambda document: document["bufferViews"][0].update(byteLength=10**6))
    with pytest.raises(SceneError, match=r"\$\.bufferViews\[0\]: reaches beyond"):
        read_asset(read_document(path).data, extensions=frozenset())


def test_all_that_it_names_together_is_bounded(tmp_path):
    path = split(textured(), tmp_path)
    names = ("scene.gltf", *(f"data {index}.bin" for index in range(len(textured()["buffers"]))))
    size = sum((tmp_path / name).stat().st_size for name in names)
    size += (tmp_path / "images of it" / "größe %.png").stat().st_size
    read_document(path, max_bytes=size)
    with pytest.raises(TooLargeError, match=f"take more than {size - 1} bytes"):
        read_document(path, max_bytes=size - 1)


def test_numbers_too_large_for_integers_stay_floats(tmp_path):
    def change(document):
        document["accessors"][0] |= {"min": [-3.4028234663852886e38] * 3, "byteOffset": 0.0}

    made = read_document(written(tmp_path, change))
    accessor = json.loads(open_container(made.data).json)["accessors"][0]
    assert accessor["min"] == [-3.4028234663852886e38] * 3
    read_asset(made.data, extensions=frozenset())


def test_no_more_room_is_made_than_a_file_has(tmp_path):
    (tmp_path / "scene.glb").write_bytes(STILL_LIFE.read_bytes())
    tracemalloc.start()
    try:
        read_document(tmp_path / "scene.glb")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * STILL_LIFE.stat().st_size + 2**24
