"""Checks of segmentation masks and of pixel counts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..check import Measured, check_view
from ..seen import SeenObject, SeenView

__all__: list[str] = []


@check_view("masks.numbers", "pixels", 0)
def _numbers(view: SeenView) -> Iterator[Measured]:
    """Every object number in the instance image is listed in the table of objects."""
    if view.instance is None:
        return
    yield Measured(0, count=len(view.by_number))
    for number, extent in view.extents.items():
        if number not in view.by_number:
            yield Measured(extent.pixels, f"number {number}", "no object in the table has this number")


@check_view("masks.disjoint", "pixels", 0)
def _disjoint(view: SeenView) -> Iterator[Measured]:
    """No pixel is in the visible masks of two objects."""
    taken = np.zeros((view.size[1], view.size[0]), bool)
    for each in view.objects:
        if each.mask is None or each.mask.shape != taken.shape:
            continue
        detail = "these pixels are in another object's visible mask, too"
        yield Measured(int(np.count_nonzero(taken & each.mask)), each.where, detail)
        taken |= each.mask


@check_view("masks.whole", "pixels", 0)
def _whole(view: SeenView) -> Iterator[Measured]:
    """The visible mask of an object lies inside its amodal mask."""
    numbers = view.numbers
    if numbers is None:
        return
    for each in view.objects:
        if each.amodal is None:
            continue
        seen = numbers == each.number if each.mask is None else each.mask
        if each.amodal.shape == seen.shape:
            yield Measured(
                int(np.count_nonzero(seen & ~each.amodal)), each.where, "visible outside the amodal mask"
            )


@check_view("masks.pixels", "pixels", 0)
def _pixels(view: SeenView) -> Iterator[Measured]:
    """Pixel counts are those of the masks, and no object has more visible pixels than pixels in all."""
    for each in view.objects:
        for annotated, found, name in _counts(view, each):
            yield Measured(
                abs(annotated - found), each.where, f"{name} is {annotated}, and should be {found}"
            )
        counts = [count for count in (each.pixels, each.pixels_amodal, each.pixels_all) if count is not None]
        if len(counts) > 1:
            less = max(0, *(one - other for one, other in pairwise(counts)))
            yield Measured(
                less, each.where, f"a part has more pixels than the whole: {' of '.join(map(str, counts))}"
            )


def _counts(view: SeenView, each: SeenObject) -> Iterator[tuple[int, int, str]]:
    if each.pixels is not None and view.has_masks:
        extent = view.extents.get(each.number)
        yield each.pixels, extent.pixels if extent else 0, "pixels"
    if each.pixels_amodal is not None and each.amodal is not None:
        yield each.pixels_amodal, int(np.count_nonzero(each.amodal)), "pixels_amodal"
    if each.truncated is not None and each.pixels_all is not None and each.pixels_amodal is not None:
        yield int(each.truncated), int(each.pixels_all > each.pixels_amodal), "truncated"


@check_view("masks.fraction", "1", 1e-6)
def _fraction(view: SeenView) -> Iterator[Measured]:
    """Visible fractions are pixels / pixels_all, between 0 and 1."""
    for each in view.objects:
        if each.visible_fraction is None:
            continue
        beyond = max(0.0, -each.visible_fraction, each.visible_fraction - 1)
        yield Measured(
            beyond, each.where, f"visible_fraction is {each.visible_fraction:g}, not between 0 and 1"
        )
        if each.pixels is not None and each.pixels_all is not None:
            expected = each.pixels / each.pixels_all if each.pixels_all else 0.0
            off = abs(each.visible_fraction - expected)
            yield Measured(
                off, each.where, f"visible_fraction is {each.visible_fraction:g}, not {expected:g}"
            )
