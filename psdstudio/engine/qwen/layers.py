"""From the layers that Qwen-Image-Layered finds to those that were asked for: which is which, and what lies behind.

The model gives its layers back to front without names. The backmost one is the background; an object for which a box
was drawn takes the layer that fills it best, the others are taken in their order. Ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine.joining import fitted_to_border
from psdstudio.engine.pictures import enlarged_look, opaque, pad_colour, resized_u8
from psdstudio.engine.splitting import SplitObject, fitted_to_picture
from psdstudio.gen.request import ObjectPart, Raster

ALPHA_FLOOR, ALPHA_CEILING = 0.05, 0.95
"""A decoder's alpha never is 0 or 1 by itself: below and above these it is."""
HIDES = 0.03
"""A layer with more alpha than this changes what is seen of the background."""
FITS = 0.1
"""A layer that fills a drawn box less than this (intersection over union) is not there because of it."""
CUT = 0.01
"""A cut of more than this share of a layer's alpha is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLayers:
    """The layers of a split picture at the size of the canvas; `looks` are in the order of the request."""

    background: Raster
    looks: tuple[Raster, ...]
    boxes: tuple[BoxF, ...]
    notes: tuple[str, ...]


def clean_alpha(layer: Tensor) -> Tensor:
    """Stretch the alpha of straight RGBA (4, h, w); under low alpha the colour of the sure part goes on outward."""
    alpha = ((layer[3:] - ALPHA_FLOOR) / (ALPHA_CEILING - ALPHA_FLOOR)).clamp(0, 1)
    return pad_colour(torch.cat([layer[:3] * alpha, alpha])[None])[0]


def assigned(boxes: Sequence[BoxF | None], layers: Sequence[Tensor]) -> tuple[int, ...]:
    """Return for each object which of the layers (4, h, w) is its own.

    The sum of how well drawn boxes are filled decides; of equally good ways the one nearest to the layers' own order.
    """
    fit = [[0.0 if box is None else _filled(box, layer[3]) for layer in layers] for box in boxes]
    orders = permutations(range(len(layers)))
    # Rounded, so that ways that are equally good are so: the first one, which is in order, then wins.
    return max(orders, key=lambda order: round(sum(fit[i][j] for i, j in enumerate(order)), 4))


def _filled(box: BoxF, alpha: Tensor) -> float:
    """Soft intersection over union of a box in canvas fractions and an alpha (h, w)."""
    h, w = alpha.shape
    rect = box.to_rect(Size(w, h)).intersection(Rect(0, 0, w, h))
    if rect.is_empty:
        return 0.0
    inside = float(alpha[rect.y : rect.bottom, rect.x : rect.right].sum())
    filled = inside / (float(alpha.sum()) + rect.width * rect.height - inside)
    return filled if filled >= FITS else 0.0


def in_request_order(
    layers: Sequence[Tensor], own: Sequence[int], names: Sequence[str]
) -> tuple[list[Tensor], list[str]]:
    """Return the objects' layers (4, h, w) in the request's order, with a note for every one that had to be cut.

    An object that stands in front in the picture but is asked for behind would vanish under the other one: that one is
    cut where it is hidden.
    """
    looks, notes = [layers[j].clone() for j in own], []
    for front in range(len(own)):
        for back in range(front):
            if own[back] < own[front]:
                continue
            before = float(looks[front][3].sum())
            looks[front][3] = looks[front][3] * (1 - layers[own[back]][3])
            if float(looks[front][3].sum()) < (1 - CUT) * before:
                notes.append(
                    f"“{names[back]}” stands in front of “{names[front]}” in the picture, not behind it: "
                    f"“{names[front]}” was cut where it is hidden."
                )
    return looks, notes


def behind(picture: Tensor, backmost: Tensor, looks: Sequence[Tensor]) -> Tensor:
    """Return the background (3, h, w): the picture (3, h, w), and where objects stand what the model painted there.

    Where the model left its backmost layer (4, h, w) clear, the nearest sure colour goes on; along the border of what
    objects hide it is fitted to the picture.
    """
    hidden = torch.zeros_like(picture[0])
    for look in looks:
        hidden = torch.maximum(hidden, look[3])
    hole = hidden > HIDES
    sure = backmost if bool((backmost[3] > 0.5).any()) else torch.cat([picture, (~hole).float()[None]])
    painted = opaque(clean_alpha(sure)[:3])
    return torch.where(hole, fitted_to_border(painted, opaque(picture), hole), opaque(picture))[:3]


def split_layers(
    flat: Raster, picture: Tensor, layers: Sequence[Tensor], parts: Sequence[ObjectPart]
) -> SplitLayers:
    """Return the layers of `flat`, a picture of the whole canvas, which stacked give it back.

    `picture` (3, h, w) is `flat` at the model's size and `layers` (4, h, w) what it was split into, back to front: the
    background and one for each of `parts`.
    """
    size, native = flat.rect.size, Size(picture.shape[2], picture.shape[1])
    objects = [clean_alpha(layer) for layer in layers[1:]]
    own = assigned([part.box for part in parts], objects)
    looks, notes = in_request_order(objects, own, [part.name for part in parts])
    ground = behind(picture, layers[0], looks)
    background = Raster(
        rgba=resized_u8(opaque(ground), size.width, size.height), rect=flat.rect, native_size=native
    )
    placed = [_placed(look, flat.rect, native) for look in looks]
    background, fitted = fitted_to_picture(
        flat, background, [SplitObject(None, None, one) for one in placed if one is not None]
    )
    found = iter(fitted)
    rasters, boxes = [], []
    for part, one in zip(parts, placed, strict=True):
        raster = _nothing(flat.rect, part.box) if one is None else next(found).look
        if one is None:
            notes.append(f"Nothing was found for “{part.name}” in the picture; its layer is empty.")
        rasters.append(raster)
        boxes.append(part.box or BoxF.from_rect(flat.rect if one is None else raster.rect, size))
    return SplitLayers(background=background, looks=tuple(rasters), boxes=tuple(boxes), notes=tuple(notes))


def _placed(look: Tensor, canvas: Rect, native: Size) -> Raster | None:
    """Return a look (4, h, w) at the size of the canvas, cut to what is seen of it; None when nothing is."""
    rgba = enlarged_look(look, canvas.width, canvas.height)
    seen = rgba[..., 3] > 0
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    rect = Rect.from_edges(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    cut = rgba[rect.y : rect.bottom, rect.x : rect.right].copy()
    return Raster(rgba=cut, rect=rect.shifted(canvas.x, canvas.y), native_size=native)


def _nothing(canvas: Rect, box: BoxF | None) -> Raster:
    """Return one clear pixel where the object was looked for."""
    rect = canvas if box is None else box.to_rect(canvas.size)
    return Raster(rgba=np.zeros((1, 1, 4), np.uint8), rect=Rect(rect.x, rect.y, 1, 1))
