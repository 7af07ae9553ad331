"""Proves a dataset: its annotations agree with its images, with each other and with the geometry.

A layout (our store, BOP, COCO, BlenderProc's HDF5) reads a folder and yields `seen.SeenScene` objects. The
checks are rows of a table, and do not depend on the layout. A check measures errors; an error beyond the
check's tolerance is a fault.
"""

from .check import CHECKS, Check, Measured
from .report import Report, Result, print_report
from .verifying import verify

__all__ = ["CHECKS", "Check", "Measured", "Report", "Result", "print_report", "verify"]
