"""The HDRI environments that Blender ships, by name, with the exposure of each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_ENVIRONMENT", "ENVIRONMENTS", "NO_ENVIRONMENT", "Exposure"]

DEFAULT_ENVIRONMENT = "forest"
NO_ENVIRONMENT = "none"


@dataclass(frozen=True)
class Exposure:
    """How an HDRI is adjusted when it lights a scene.

    Attributes
    ----------
    strength : float
        The factor that multiplies the radiance.
    rotation_deg : float
        The rotation about the vertical axis.
    tint : tuple of float
        The white balance as red, green and blue factors, with about the luminance of white.
    """

    strength: float = 1.0
    rotation_deg: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


# Neutral exposure: strength = 1.2 pi / max(E, (E + V) / 2). E is the irradiance of a horizontal card, and V
# is the largest irradiance of a vertical card. The night environment gets 0.6 of that. The rotation puts the
# direction of V on the diagonal -x -y, so that a camera along an axis has the light neither directly in front
# nor directly behind. The tint is a 60 % white balance.
ENVIRONMENTS = {
    "city": Exposure(0.552, 101, (1.010, 0.999, 0.982)),
    "courtyard": Exposure(1.026, 159, (1.078, 1.010, 0.796)),
    "forest": Exposure(0.796, 88, (1.055, 0.997, 0.898)),
    "interior": Exposure(0.669, 110, (0.910, 1.014, 1.259)),
    "night": Exposure(3.015, 251, (0.940, 1.014, 1.061)),
    "studio": Exposure(1.292, 62, (1.096, 0.983, 0.934)),
    "sunrise": Exposure(0.914, 98, (1.085, 0.990, 0.903)),
    "sunset": Exposure(1.474, 104, (1.136, 1.003, 0.771)),
}
