import crowd
import pytest
from servers import running

QUICK = ("--samples", "4", "--no-denoise")


@pytest.fixture(scope="session")
def requests():
    return crowd.mixed_requests()


@pytest.fixture(scope="session")
def truth(requests):
    """What an embedded server answers, one request after the other."""
    with running(*QUICK, "--workers", "0") as server:
        return crowd.truth(server.url, requests)
