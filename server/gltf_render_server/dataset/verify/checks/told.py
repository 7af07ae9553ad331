"""The rows of what a layout tells while it reads, and of what is counted over the whole dataset."""

from __future__ import annotations

from ..check import add_told

__all__: list[str] = []

add_told("files.readable", "JSON files can be read, and say what their layout asks for.")
add_told("files.there", "Every file that is named is there.")
add_told("files.digest", "Every file has the digest that is told of it.")
add_told("files.decode", "Every file can be decoded.")
add_told("files.shape", "Every array has the size and the dtype that is told of it.")
add_told("files.unnamed", "There is no file that nothing names.")
add_told("items.gaps", "Every item is there or in quarantine, under its own number, and no other is.")
add_told("ids.objects", "The tables of objects agree, and number objects from 1 on, once each.")
add_told("ids.references", "Whatever an identifier names is there.")
add_told("ids.unique", "No identifier is given twice.")
add_told("annotations.fields", "The fields of an annotation hold what its format says.")
add_told("annotations.polygons", "Polygons lie in the image.", "px beyond it", 0.5)
add_told("annotations.area", "An annotation's area is that of its mask.", "share", 0.02)
add_told("annotations.keypoints", "Keypoints are as many as the category has, with flags 0, 1 or 2.")
add_told("duplicates.pictures", "No two items show the same picture.")
add_told("duplicates.poses", "No two views of the same things have the same camera.", is_warning=True)
add_told("splits.sequences", "No sequence is in two splits.", is_warning=True)
