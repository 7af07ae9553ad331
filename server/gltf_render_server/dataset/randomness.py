"""Random numbers: for each purpose a stream of its own, so that what one draws does not change another's."""

from __future__ import annotations

import json
import math
from operator import index

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

__all__ = ["generator", "unit_vector"]

_KEY_BYTES = 16  # Philox has a key of 128 bits


def generator(seed: int, *words: str | int) -> np.random.Generator:
    """Return the stream of random numbers of one purpose.

    The words, in their order, name the purpose; 1 and "1" are different words. Streams of different words are
    independent, and asking for one does not change another.

    The stream is Philox, keyed by the BLAKE3 of seed and words. NumPy promises the bits of Philox for all
    versions, but not what its Generator makes of them (NEP 19). So use ``random()``, which has been the upper
    53 bits of each number since there is a Generator, and make what you need of it; `normal`, `choice`,
    `shuffle`, and others may change with a version of NumPy.

    Parameters
    ----------
    seed : int
        Of the dataset.
    *words : str or int
        As in ``generator(seed, "look", item)``.
    """
    told = json.dumps([word if isinstance(word, str) else index(word) for word in (seed, *words)])
    key = blake3(told.encode()).digest(length=_KEY_BYTES)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def unit_vector(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a direction, (3,); each is as likely as any other."""
    height, angle = 2 * rng.random() - 1, math.tau * rng.random()
    radius = math.sqrt(1 - height * height)
    return np.array([radius * math.cos(angle), radius * math.sin(angle), height])
