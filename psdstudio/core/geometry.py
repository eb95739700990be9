"""Points, sizes and rectangles in canvas pixels (y grows downwards). Knows nothing of layers or screens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Point(NamedTuple):
    """A position in whole canvas pixels."""

    x: int
    y: int

    def shifted(self, dx: int, dy: int) -> Point:
        """Return the point moved by (dx, dy) pixels."""
        return Point(self.x + dx, self.y + dy)


class Size(NamedTuple):
    """A width and a height in whole pixels."""

    width: int
    height: int


class Rect(NamedTuple):
    """A half-open rectangle: it covers columns x..x+width-1 and rows y..y+height-1."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column to the right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the rectangle."""
        return self.y + self.height

    @property
    def is_empty(self) -> bool:
        """Whether it covers no pixel."""
        return self.width <= 0 or self.height <= 0

    @property
    def origin(self) -> Point:
        """The top left corner."""
        return Point(self.x, self.y)

    @property
    def size(self) -> Size:
        """Width and height."""
        return Size(self.width, self.height)

    @classmethod
    def from_edges(cls, left: int, top: int, right: int, bottom: int) -> Rect:
        """Build a rectangle from half-open edges; crossed edges give an empty one."""
        return cls(left, top, max(0, right - left), max(0, bottom - top))

    def shifted(self, dx: int, dy: int) -> Rect:
        """Return the rectangle moved by (dx, dy) pixels."""
        return Rect(self.x + dx, self.y + dy, self.width, self.height)

    def intersection(self, other: Rect) -> Rect:
        """Return the common part; empty when there is none."""
        return Rect.from_edges(
            max(self.x, other.x),
            max(self.y, other.y),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def union(self, other: Rect) -> Rect:
        """Return the smallest rectangle holding both; an empty one adds nothing."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return Rect.from_edges(
            min(self.x, other.x),
            min(self.y, other.y),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


EMPTY_RECT = Rect(0, 0, 0, 0)


def union_of(rects: Iterable[Rect]) -> Rect:
    """Return the smallest rectangle holding all of them; EMPTY_RECT when there are none, or only empty ones."""
    box = EMPTY_RECT
    for rect in rects:
        if not rect.is_empty:
            box = box.union(rect)
    return box


@dataclass(frozen=True, slots=True)
class BoxF:
    """A rectangle in fractions of the canvas (0..1 across its width and height); may reach outside.

    Layout boxes use it, so that a scene keeps its arrangement at any document size.
    """

    x: float
    y: float
    width: float
    height: float

    def to_rect(self, size: Size) -> Rect:
        """Return the nearest whole pixels of a canvas of `size`; at least 1x1."""
        left, top = round(self.x * size.width), round(self.y * size.height)
        right = max(left + 1, round((self.x + self.width) * size.width))
        bottom = max(top + 1, round((self.y + self.height) * size.height))
        return Rect.from_edges(left, top, right, bottom)

    @classmethod
    def from_rect(cls, rect: Rect, size: Size) -> BoxF:
        """Express `rect` (pixels) in fractions of a canvas of `size`."""
        return cls(
            rect.x / size.width, rect.y / size.height, rect.width / size.width, rect.height / size.height
        )
