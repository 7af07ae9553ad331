"""YOLO for Ultralytics: a module for the format of each task; `layout` has what they share."""
