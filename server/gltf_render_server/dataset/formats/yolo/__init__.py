"""YOLO, as Ultralytics reads it: a format for each task, and what they share in `layout`."""
