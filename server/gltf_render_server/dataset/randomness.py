"""Random numbers: each purpose has its own stream, so that streams do not influence each other."""

from __future__ import annotations

import json
import math
from operator import index

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

__all__ = ["generator", "unit_quaternion", "unit_vector"]

_KEY_BYTES = 16  # Philox has a key of 128 bits


def generator(seed: int, *words: str | int) -> np.random.Generator:
    """Return the stream of random numbers for a purpose.

    The words, in their order, name the purpose; 1 and "1" are different words. Streams of different words are
    independent, and drawing from one does not change another.

    The stream is Philox, keyed by the BLAKE3 of seed and words. NumPy promises the bits of Philox for all
    versions, but not what its Generator makes of them (NEP 19). So use ``random()``, which has been the upper
    53 bits of each number since there is a Generator, and make what you need of it; `normal`, `choice`,
    `shuffle`, and others may change with a version of NumPy.

    Parameters
    ----------
    seed : int
        Seed of the dataset.
    *words : str or int
        Words that name the purpose, as in ``generator(seed, "look", item)``.
    """
    text = json.dumps([word if isinstance(word, str) else index(word) for word in (seed, *words)])
    key = blake3(text.encode()).digest(length=_KEY_BYTES)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def unit_vector(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a uniformly distributed unit vector, (3,)."""
    height, angle = 2 * rng.random() - 1, math.tau * rng.random()
    radius = math.sqrt(1 - height * height)
    return np.array([radius * math.cos(angle), radius * math.sin(angle), height])


def unit_quaternion(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a uniformly distributed rotation, w x y z (Shoemake, Graphics Gems III, 1992)."""
    share, first, second = rng.random(), math.tau * rng.random(), math.tau * rng.random()
    low, high = math.sqrt(1 - share), math.sqrt(share)
    return np.array(
        [high * math.cos(second), low * math.sin(first), low * math.cos(first), high * math.sin(second)]
    )
