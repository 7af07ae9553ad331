import numpy as np
import pytest

from gltf_render_server.dataset.choices import Range, draw_whole
from gltf_render_server.dataset.randomness import generator, unit_quaternion, unit_vector


def test_streams_are_what_they_have_always_been():
    """Pinned: with another NumPy, another Python, another machine, they are the same."""
    rng = generator(7, "camera", "left", 3)
    assert [rng.random() for _ in range(3)] == [0.2296529042803822, 0.09872523143157264, 0.7591987781229166]
    assert rng.bit_generator.random_raw() == 1400217893564746727  # type: ignore[attr-defined]


def test_each_purpose_has_a_stream_of_its_own():
    words = [
        (1,),
        (1, "a"),
        (1, "a", "b"),
        (1, "ab"),
        (1, "a", 1),
        (1, "a", "1"),
        (2, "a"),
        (1, "a,b"),
        (1, 1),
    ]
    assert len({generator(*each).random() for each in words}) == len(words)
    assert generator(1, "a").random() == generator(1, "a").random()
    assert generator(np.int64(1), "a", np.int32(3)).random() == generator(1, "a", 3).random()
    with pytest.raises(TypeError):
        generator(1, 1.5)  # type: ignore[arg-type]


def test_directions_are_spread_evenly():
    rng = generator(1)
    vectors = np.array([unit_vector(rng) for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.abs(vectors.mean(0)).max() < 0.05
    assert np.abs((vectors**2).mean(0) - 1 / 3).max() < 0.02


def test_rotations_are_spread_evenly():
    rng = generator(1)
    rotations = np.array([unit_quaternion(rng) for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1)
    assert np.abs(rotations.mean(0)).max() < 0.05
    assert np.abs(rotations.T @ rotations / len(rotations) - np.eye(4) / 4).max() < 0.02


def test_each_whole_number_of_a_range_is_equally_likely():
    rng = generator(1, "count")
    found = np.bincount([draw_whole(Range(2, 5), rng) for _ in range(4000)], minlength=7)
    assert (found[[0, 1, 6]] == 0).all()
    assert (abs(found[2:6] - 1000) < 120).all(), found


def test_other_numbers_are_rounded_to_whole_ones():
    rng = generator(1, "count")
    assert draw_whole(2.6, rng) == draw_whole([2.6, 3.2], rng) == draw_whole(Range(2.6, 2.9), rng) == 3
    assert {draw_whole(Range(0.6, 2.9), rng) for _ in range(100)} == {1, 2}
    assert {draw_whole(Range(1, 4, log=True), rng) for _ in range(200)} == {1, 2, 3, 4}
    assert draw_whole(Range(3, 3), rng) == 3
