"""sRGB and linear light, for arrays and for numbers."""

import numpy as np
import pytest

from gltf_render_server.srgb import linear_channel, linear_of, srgb_channel, srgb_of

LEVELS = np.linspace(0, 1, 4096)


@pytest.mark.parametrize(("number", "array"), [(linear_channel, linear_of), (srgb_channel, srgb_of)])
def test_numbers_are_converted_as_arrays_are(number, array):
    np.testing.assert_allclose([*map(number, LEVELS.tolist())], array(LEVELS), rtol=1e-14, atol=0)


@pytest.mark.parametrize(("there", "back"), [(linear_channel, srgb_channel), (linear_of, srgb_of)])
def test_what_is_decoded_is_encoded_as_it_was(there, back):
    shown = [back(there(level)) for level in LEVELS]
    np.testing.assert_allclose(shown, LEVELS, rtol=2e-6)  # the published constants leave a gap at the join
    assert float(there(0.5)) == pytest.approx(0.21404114)
