"""From pictures of the whole canvas, as large as they were painted, to rasters of the document.

Pictures are (c, h, w) float32 in 0..1 on the CPU and show the whole canvas; those of four channels are straight RGBA
with padded colour under alpha 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine.pictures import enlarged_look, opaque, resized_u8, to_u8
from psdstudio.gen.request import Raster

UNSEEN_ALPHA = 3
"""Of 255: fainter pixels are not seen, but would make a layer's frame as large as where it was looked for."""
MARGIN = 2
"""Pixels around what is cut out of a picture, so that filters see what they would see in the whole."""
BOX_ALPHA = 0.1
"""Alpha from which a pixel counts as the object, if the object has any as dense."""


def whole_raster(picture: Tensor, canvas: Size) -> Raster:
    """Return an opaque (3, h, w) picture at document size."""
    rgba = resized_u8(opaque(picture[:3]), canvas.width, canvas.height)
    return Raster(rgba=rgba, rect=whole(canvas), native_size=_size_of(picture))


def painted_raster(picture: Tensor, canvas: Size) -> Raster:
    """Return a (3 or 4, h, w) picture as large as it was painted; its place is the whole canvas."""
    rgba = picture if picture.shape[0] == 4 else opaque(picture)
    return Raster(rgba=to_u8(rgba), rect=whole(canvas), native_size=_size_of(picture))


def trimmed_raster(picture: Tensor, canvas: Size) -> Raster | None:
    """Return what is seen of an RGBA picture (4, h, w) at document size, cut to it; None when nothing is seen.

    Enlarged outlines keep their steepness. `native_size` is how large the part was painted.
    """
    seen = _bounds(picture[3].numpy() * 255 >= UNSEEN_ALPHA)
    if seen is None:
        return None
    height, width = picture.shape[1:]
    x_scale, y_scale = canvas.width / width, canvas.height / height
    rect = Rect.from_edges(
        max(0, math.floor((seen.x - 1) * x_scale)),
        max(0, math.floor((seen.y - 1) * y_scale)),
        min(canvas.width, math.ceil((seen.right + 1) * x_scale)),
        min(canvas.height, math.ceil((seen.bottom + 1) * y_scale)),
    )
    left, top = max(0, seen.x - 1 - MARGIN), max(0, seen.y - 1 - MARGIN)
    part = picture[:, top : seen.bottom + 1 + MARGIN, left : seen.right + 1 + MARGIN]
    # The edges of whole document pixels, in pixels of the part: what is at their ends, not what was seen, is shown.
    box = (
        max(0.0, rect.x / x_scale - left),
        max(0.0, rect.y / y_scale - top),
        min(float(part.shape[2]), rect.right / x_scale - left),
        min(float(part.shape[1]), rect.bottom / y_scale - top),
    )
    rgba = enlarged_look(part, rect.width, rect.height, box)
    rgba[..., 3][rgba[..., 3] < UNSEEN_ALPHA] = 0
    return trimmed(Raster(rgba=rgba, rect=rect, native_size=Size(seen.width, seen.height)))


def trimmed(raster: Raster) -> Raster | None:
    """Cut a raster to what is seen of it, so that frames and snapping fit the picture; None when nothing is."""
    seen = _bounds(raster.rgba[..., 3] > 0)
    if seen is None:
        return None
    rgba = raster.rgba[seen.y : seen.bottom, seen.x : seen.right].copy()
    rect = seen.shifted(raster.rect.x, raster.rect.y)
    return Raster(rgba=rgba, rect=rect, native_size=raster.native_size)


def masked_by(effect: Raster, behind: Sequence[Raster]) -> Raster | None:
    """Return a ground effect without what objects behind its own cover: it falls on the ground; None when all is."""
    free = np.ones(effect.rgba.shape[:2], np.float32)
    for other in behind:
        part = other.rect.intersection(effect.rect)
        if part.is_empty:
            continue
        y, x = part.y - other.rect.y, part.x - other.rect.x
        alpha = other.rgba[y : y + part.height, x : x + part.width, 3] / np.float32(255)
        y, x = part.y - effect.rect.y, part.x - effect.rect.x
        free[y : y + part.height, x : x + part.width] *= 1 - alpha
    rgba = effect.rgba.copy()
    rgba[..., 3] = np.floor(rgba[..., 3] * free + 0.5).astype(np.uint8)
    rgba[..., 3][rgba[..., 3] < UNSEEN_ALPHA] = 0
    return trimmed(Raster(rgba=rgba, rect=effect.rect, native_size=effect.native_size))


def box_of(picture: Tensor) -> BoxF | None:
    """Return the alpha box of an RGBA picture (4, h, w) in fractions of the canvas; None when nothing is seen."""
    alpha = picture[3].numpy()
    densest = float(alpha.max())
    seen = _bounds(alpha >= max(UNSEEN_ALPHA / 255, min(BOX_ALPHA, densest / 4)))
    return None if seen is None else BoxF.from_rect(seen, _size_of(picture))


def whole(canvas: Size) -> Rect:
    """Return the rectangle of the whole canvas."""
    return Rect(0, 0, canvas.width, canvas.height)


def _bounds(seen: npt.NDArray[np.bool_]) -> Rect | None:
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        return None
    return Rect.from_edges(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _size_of(picture: Tensor) -> Size:
    return Size(picture.shape[2], picture.shape[1])
