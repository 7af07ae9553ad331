"""The checks, in the order of the table; importing this package fills the table."""

from . import reading, masks, boxes, poses, depths, models, motion, normals  # isort: skip  # noqa: F401
