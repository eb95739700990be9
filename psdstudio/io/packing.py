"""Packs rectangles into one sheet: skyline, bottom-left.

Source: J. Jylänki, "A Thousand Ways to Pack the Bin" (2010), SKYLINE-BL; the highest rectangles first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from psdstudio.core.geometry import EMPTY_RECT, Point, Size

_WIDTHS = (1.0, 1.1, 1.25, 1.5, 2.0)
"""Sheet widths that are tried, in sides of a square of the same area."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Size of the sheet, and the top left corner of every rectangle in the order given."""

    size: Size
    places: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """A piece of the skyline: from `x` on, `width` wide, everything above `y` (smaller than it) is taken."""

    x: int
    y: int
    width: int


def pack(sizes: list[Size], *, max_side: int, padding: int = 0) -> Sheet | None:
    """Return the smallest sheet found in which no two rectangles overlap, `padding` pixels between them.

    None when they do not fit a sheet of `max_side` pixels a side.
    """
    if not sizes:
        return Sheet(EMPTY_RECT.size, ())
    padded = [Size(size.width + padding, size.height + padding) for size in sizes]
    widest = max(size.width for size in padded)
    limit = max_side + padding  # the last column's padding lies outside the sheet
    if widest > limit:
        return None
    side = math.sqrt(sum(size.width * size.height for size in padded))
    widths = {min(limit, max(widest, math.ceil(side * factor))) for factor in _WIDTHS} | {limit}
    fitting = [
        sheet
        for width in sorted(widths)
        if (sheet := _packed(padded, width, padding)) is not None and max(sheet.size) <= max_side
    ]
    return min(
        fitting, key=lambda sheet: (sheet.size.width * sheet.size.height, max(sheet.size)), default=None
    )


def _packed(sizes: list[Size], width: int, padding: int) -> Sheet | None:
    places: dict[int, Point] = {}
    skyline = [_Step(0, 0, width)]
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i].height, -sizes[i].width, i)):
        size = sizes[index]
        found = _lowest(skyline, size.width, width)
        if found is None:
            return None
        places[index] = found
        skyline = _raised(skyline, found, size)
    right = max(places[i].x + sizes[i].width for i in places) - padding
    bottom = max(places[i].y + sizes[i].height for i in places) - padding
    return Sheet(Size(right, bottom), tuple(places[i] for i in range(len(sizes))))


def _lowest(skyline: list[_Step], wide: int, limit: int) -> Point | None:
    """Return the free place nearest to the top, then to the left, that is `wide` pixels wide."""
    best: Point | None = None
    for index, step in enumerate(skyline):
        if step.x + wide > limit:
            break
        y, reach = 0, index
        while reach < len(skyline) and skyline[reach].x < step.x + wide:
            y = max(y, skyline[reach].y)
            reach += 1
        if best is None or y < best.y:
            best = Point(step.x, y)
    return best


def _raised(skyline: list[_Step], at: Point, size: Size) -> list[_Step]:
    """Return the skyline with a rectangle put at `at`; neighbours of one height become one step."""
    right, bottom = at.x + size.width, at.y + size.height
    out: list[_Step] = []
    for step in skyline:
        end = step.x + step.width
        if step.x < at.x:
            out.append(_Step(step.x, step.y, min(end, at.x) - step.x))
        if step.x <= at.x < end:
            out.append(_Step(at.x, bottom, size.width))
        if end > right:
            start = max(step.x, right)
            out.append(_Step(start, step.y, end - start))
    merged: list[_Step] = []
    for step in out:
        if merged and merged[-1].y == step.y:
            merged[-1] = _Step(merged[-1].x, step.y, merged[-1].width + step.width)
        else:
            merged.append(step)
    return merged
