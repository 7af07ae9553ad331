import pytest
from servers import running


@pytest.fixture(scope="session")
def server():
    """A server in a process of its own: Drake's client holds this one's GIL while it waits."""
    with running("--samples", "4", "--no-denoise") as server:
        yield server
