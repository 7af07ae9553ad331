"""A still life on a table, made of numbers: the scene of the demo, the tests and the benchmarks.

from tabletop import tabletop
body = tabletop(seed=0).document("color")
"""

from .scene import ImageType, Tabletop, tabletop

__all__ = ["ImageType", "Tabletop", "tabletop"]
