"""Proves a dataset: that what its files say of a picture holds in the picture.

A layout (our store, BOP, COCO, BlenderProc's HDF5) reads a folder into `seen.SeenScene`, one after the other;
the checks are rows of a table, and know no layout. A row returns how far things are off; what is beyond its
tolerance is a fault.
"""

from .check import CHECKS, Check, Measured
from .report import Report, Result, print_report
from .verifying import verify

__all__ = ["CHECKS", "Check", "Measured", "Report", "Result", "print_report", "verify"]
