"""Where everything in a layer row stands, as plain rectangles; the delegate paints by it, clicks are told by it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QPoint, QRect

from psdstudio.core.layers import GroupLayer, Layer
from psdstudio.core.parts import EFFECTS
from psdstudio.ui import theme

EYE, STRIP, INDENT, TWIRL, THUMB, PIN, BADGE = 28, 4, 16, 16, 32, 30, 20
SLIM_THUMB, CHAIN = 20, 14


class Zone(Enum):
    """A part of a row that answers a click."""

    EYE = "eye"
    TWIRL = "twirl"
    THUMB = "thumb"
    MASK = "mask"
    CHAIN = "chain"
    LOCK = "lock"
    STALE = "contacts"
    KEEP = "keep"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Rectangles in view coordinates; empty ones are not there."""

    eye: QRect
    strip: QRect
    twirl: QRect
    thumb: QRect
    mask: QRect
    chain: QRect
    text: QRect
    stale: QRect
    lock: QRect
    keep: QRect

    def zone(self, pos: QPoint) -> Zone:
        """Return what lies under a position; the rest of the row is the name."""
        for zone, rect in (
            (Zone.EYE, self.eye),
            (Zone.TWIRL, self.twirl),
            (Zone.THUMB, self.thumb),
            (Zone.MASK, self.mask),
            (Zone.CHAIN, self.chain),
            (Zone.STALE, self.stale),
            (Zone.LOCK, self.lock),
            (Zone.KEEP, self.keep),
        ):
            if rect.contains(pos):
                return zone
        return Zone.NAME


def is_slim(layer: Layer) -> bool:
    """Whether the row is the low kind: shadows and reflections under their object."""
    return layer.part is not None and layer.part.role in EFFECTS


def row_height(layer: Layer) -> int:
    """Return the height of the layer's row in logical pixels."""
    return theme.EFFECT_ROW_PX if is_slim(layer) else theme.ROW_PX


def row_layout(row: QRect, layer: Layer, *, depth: int) -> RowLayout:
    """Lay out one row; `depth` 0 is the top level."""
    edge = SLIM_THUMB if is_slim(layer) else THUMB
    x = row.left()
    eye = QRect(x, row.top(), EYE, row.height())
    strip = QRect(eye.right() + 1, row.top(), STRIP, row.height())
    x = strip.right() + 3 + depth * INDENT + (12 if layer.props.clipping else 0)
    twirl = QRect(x, row.top(), TWIRL, row.height()) if isinstance(layer, GroupLayer) else QRect()
    x += TWIRL + 2
    thumb = QRect(x, row.center().y() - edge // 2 + 1, edge, edge)
    x = thumb.right() + 1
    chain, mask = QRect(), QRect()
    if layer.mask is not None:
        chain = QRect(x, row.top(), CHAIN, row.height())
        mask = QRect(chain.right() + 1, thumb.top(), edge, edge)
        x = mask.right() + 1
    keep = QRect(row.right() + 1 - PIN, row.top(), PIN, row.height())
    right = keep.left()
    lock = QRect(right - BADGE, row.top(), BADGE, row.height()) if layer.props.locks else QRect()
    right = lock.left() if layer.props.locks else right
    is_stale = layer.part is not None and layer.part.stale_contacts
    stale = QRect(right - BADGE, row.top(), BADGE, row.height()) if is_stale else QRect()
    right = stale.left() if is_stale else right
    text = QRect(x + 9, row.top(), max(0, right - x - 13), row.height())
    return RowLayout(eye, strip, twirl, thumb, mask, chain, text, stale, lock, keep)
