"""Drake's own client names itself, and shows a token, by its URL alone."""

import numpy as np
import pytest
from balancer import address, balancing, needs_haproxy
from exactness import assert_labels_exact

pytest.importorskip("pydrake", reason="Drake, the real client, has no package for this Python or system")

from random_scenes import CLIENT, VTK, World, random_things, random_view
from servers import running

pytestmark = pytest.mark.drake

ENDPOINT = "render?client=robot-7"  # all that this client lets its user choose
TOKEN = "a-token"


def assert_answers(url, endpoint, tmp_path):
    rng = np.random.default_rng(20)
    world = World(random_things(rng, tmp_path), url, endpoint)
    view = random_view(rng, (320, 240))
    assert_labels_exact(world.label(CLIENT, view), world.label(VTK, view))


def test_a_query_in_the_endpoint(server, tmp_path):
    assert_answers(server.url, ENDPOINT, tmp_path)


@needs_haproxy
def test_a_query_and_a_token_through_the_balancer(server, tmp_path):
    with (
        running() as other,
        balancing([address(server), address(other)], GLTF_RENDER_SERVER_TOKEN=TOKEN) as balancer,
    ):
        for _ in range(4):
            assert_answers(balancer.url, f"{ENDPOINT}&token={TOKEN}", tmp_path)
        counted = [balancer.statistics(name) for name in ("render-1", "render-2")]
        served = sorted(int(each["stot"]) for each in counted)
        was_down = any(int(each["chkdown"]) for each in counted)  # so busy that it did not answer for seconds
        assert served == [0, 4] or (was_down and sum(served) >= 4)
        with pytest.raises(RuntimeError, match="token"):
            assert_answers(balancer.url, ENDPOINT, tmp_path)
