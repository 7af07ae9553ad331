"""The checks of what is seen, in the order of the table; importing them fills it."""

from . import told, masks, boxes, poses, depths, models, motion, normals  # isort: skip  # noqa: F401
