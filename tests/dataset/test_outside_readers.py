"""The environment of the programs that people load datasets with."""

import re

import pytest
from outside_readers import read_with
from servers import ROOT


@pytest.mark.readers
def test_the_readers_are_those_that_are_pinned():
    versions = read_with("versions")
    pinned = (ROOT / "scripts" / "requirements" / "readers.txt").read_text()
    for name, version in versions.items():
        assert version in re.findall(rf"(?m)^{name}==([^ ]+)", pinned), name
