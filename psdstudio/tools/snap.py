"""Snapping to edges and centres. All in canvas pixels; knows nothing of tools."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from psdstudio.core import tree
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Role
from psdstudio.core.parts import object_rect, role_of
from psdstudio.tools.base import Guide

SNAP_SCREEN_PX = 6.0
"""How near an edge must come, on the screen."""


@dataclass(frozen=True, slots=True)
class SnapLines:
    """Positions that attract: `xs` of vertical lines, `ys` of horizontal ones."""

    xs: tuple[float, ...] = ()
    ys: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Snap:
    """How far to shift further so that something fits, and the lines it then lies on."""

    dx: int = 0
    dy: int = 0
    guides: tuple[Guide, ...] = ()


def lines_of(rects: Iterable[Rect]) -> SnapLines:
    """Return the edges and centre lines of all rectangles, each position once."""
    xs: dict[float, None] = {}
    ys: dict[float, None] = {}
    for rect in rects:
        if rect.is_empty:
            continue
        xs.update(dict.fromkeys((float(rect.x), rect.x + rect.width / 2, float(rect.right))))
        ys.update(dict.fromkeys((float(rect.y), rect.y + rect.height / 2, float(rect.bottom))))
    return SnapLines(tuple(xs), tuple(ys))


def layer_lines(doc: Document, moving: Collection[LayerId]) -> SnapLines:
    """Return the lines of the canvas and of every visible layer or object that does not move."""
    return lines_of((doc.canvas, *_resting(doc.layers, moving)))


def extent(layer: Layer) -> Rect:
    """Return the box by which a layer snaps: an object without its effects, else all its pixels."""
    if isinstance(layer, GroupLayer) and role_of(layer) is Role.OBJECT_GROUP:
        box = object_rect(layer)
        return layer_bounds(layer) if box.is_empty else box
    return layer_bounds(layer)


def snap_rect(rect: Rect, lines: SnapLines, reach: float) -> Snap:
    """Return the smallest shift, at most `reach` on each axis, that lays an edge or the centre of `rect` on a
    line.
    """
    if rect.is_empty:
        return Snap()
    dx = _nearest((rect.x, rect.x + rect.width / 2, rect.right), lines.xs, reach)
    dy = _nearest((rect.y, rect.y + rect.height / 2, rect.bottom), lines.ys, reach)
    guides: list[Guide] = []
    if dx is not None:
        guides.append(Guide(True, dx[1]))
    if dy is not None:
        guides.append(Guide(False, dy[1]))
    return Snap(dx[0] if dx else 0, dy[0] if dy else 0, tuple(guides))


def snap_value(value: float, lines: tuple[float, ...], reach: float) -> float | None:
    """Return the line nearest to `value` within `reach`; None when there is none."""
    near = [line for line in lines if abs(line - value) <= reach]
    return min(near, key=lambda line: abs(line - value)) if near else None


def _nearest(edges: tuple[float, ...], lines: tuple[float, ...], reach: float) -> tuple[int, float] | None:
    """Return (whole-pixel shift, line); half-pixel gaps between a centre and a line are no fit and are left
    out.
    """
    best: tuple[int, float] | None = None
    for edge in edges:
        for line in lines:
            gap = line - edge
            if gap != int(gap) or abs(gap) > reach:
                continue
            if best is None or abs(gap) < abs(best[0]):
                best = (int(gap), line)
    return best


def _resting(layers: tuple[Layer, ...], moving: Collection[LayerId]) -> list[Rect]:
    rects: list[Rect] = []
    for layer in layers:
        if layer.id in moving or not layer.props.visible:
            continue
        is_whole = role_of(layer) is Role.OBJECT_GROUP
        if isinstance(layer, GroupLayer) and not (is_whole and _holds_none(layer, moving)):
            rects += _resting(layer.children, moving)
        else:
            rects.append(extent(layer))
    return rects


def _holds_none(group: GroupLayer, moving: Collection[LayerId]) -> bool:
    return not any(child.id in moving for child in tree.walk(group.children))
