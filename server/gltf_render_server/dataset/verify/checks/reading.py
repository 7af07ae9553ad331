"""Checks whose findings layouts report while they read, and checks across the whole dataset."""

from __future__ import annotations

from ..check import add_check

__all__: list[str] = []

add_check("files.readable", "Metadata can be parsed, and has the fields that the layout requires.")
add_check("files.there", "Every file that the metadata names exists.")
add_check("files.digest", "Every file has the digest that is recorded for it.")
add_check("files.decode", "Every file can be decoded.")
add_check("files.shape", "Every image and array has the expected size and dtype.")
add_check("files.unnamed", "Every file belongs to an item or an image of the dataset.")
add_check(
    "items.gaps", "Every item exists or is in quarantine, once, under its own number; there are no others."
)
add_check("ids.objects", "Objects are numbered 1, 2, 3 and so on, and all tables agree on them.")
add_check("ids.references", "Every identifier refers to something that exists.")
add_check("ids.unique", "No identifier is used twice.")
add_check("annotations.fields", "The fields of annotations have values that the format allows.")
add_check("annotations.polygons", "Polygons lie inside the image.", "px outside", 0.5)
add_check("annotations.area", "The area of an annotation is that of its segmentation mask.", "share", 0.02)
add_check(
    "annotations.keypoints", "Annotations have as many keypoints as the category, with flags 0, 1 or 2."
)
add_check("duplicates.pictures", "No two views have the same image.")
add_check("duplicates.poses", "No two views of the same scene have the same camera pose.", is_warning=True)
add_check("splits.sequences", "No sequence is in more than one split.", is_warning=True)
