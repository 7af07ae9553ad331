"""What the panel offers for kept requests."""

import numpy as np
import pytest
from PIL import Image


@pytest.mark.program
def test_all_that_is_offered(program_home, forms, tmp_path):
    report = program_home.drive("kept", tmp_path, DRIVE_FORMS=str(forms))
    assert report["statuses"] == [200, 200, 200, 200, 400]
    assert report["kept"] == [["color", True], ["color", False], ["label", False]], "the newest first"
    assert report["exported"] == ["about.json", "answer.png", "color.gltf", "color.json"]
    assert report["blend"] == [1, ["Render Camera"], 2]
    assert report["size"] == [160, 120]
    assert [name.split()[0] for name in report["collections"]] == ["Collection", "Request"]
    assert report["cleared"] == 0
    [answer] = (tmp_path / "exported").glob("*/answer.png")
    imported = np.asarray(Image.open(tmp_path / "imported.png"))
    np.testing.assert_array_equal(imported, np.asarray(Image.open(answer)), "what is imported renders alike")
    assert report["again"] == "Render Again: The same, byte for byte"
    assert report["comparison"] == [160 + 4 + 160, 120]
