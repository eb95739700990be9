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
from psdstudio.engine.pictures import opaque, pad_colour
from psdstudio.engine.sdxl.effects import split_effects
from psdstudio.engine.sdxl.rasters import box_of, masked_by, trimmed_raster, whole_raster
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
    """The layers of a split picture at the size of the canvas; `objects` and `boxes` are in the request's order."""

    background: Raster
    objects: tuple[SplitObject, ...]
    boxes: tuple[BoxF, ...]
    notes: tuple[str, ...]


def clean_alpha(layer: Tensor) -> Tensor:
    """Stretch the alpha of straight RGBA (4, h, w), so that sure pixels are exactly 0 or 1."""
    alpha = ((layer[3:] - ALPHA_FLOOR) / (ALPHA_CEILING - ALPHA_FLOOR)).clamp(0, 1)
    return torch.cat([layer[:3], alpha])


def sure_colour(layer: Tensor) -> Tensor:
    """Let the colour of the sure part of straight RGBA (4, h, w) go on outward under low alpha."""
    return pad_colour(torch.cat([layer[:3] * layer[3:], layer[3:]])[None])[0]


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


def behind(picture: Tensor, backmost: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Return the background (3, h, w): the picture (3, h, w), and where objects stand what the model painted there.

    Where the model left its backmost layer (4, h, w) clear, the nearest sure colour goes on; along the border of what
    objects hide it is fitted to the picture.
    """
    hidden = torch.zeros_like(picture[0])
    for layer in layers:
        hidden = torch.maximum(hidden, layer[3])
    hole = hidden > HIDES
    backmost = clean_alpha(backmost)
    sure = backmost if bool((backmost[3] > 0.5).any()) else torch.cat([picture, (~hole).float()[None]])
    painted = opaque(sure_colour(sure)[:3])
    return torch.where(hole, fitted_to_border(painted, opaque(picture), hole), opaque(picture))[:3]


def split_layers(
    flat: Raster, picture: Tensor, layers: Sequence[Tensor], parts: Sequence[ObjectPart]
) -> SplitLayers:
    """Return the layers of `flat`, a picture of the whole canvas, which stacked give it back.

    `picture` (3, h, w) is `flat` at the model's size and `layers` (4, h, w) what it was split into, back to front: the
    background and one for each of `parts`.
    """
    canvas = flat.rect.size
    found = [clean_alpha(layer) for layer in layers[1:]]
    own = assigned([part.box for part in parts], found)
    placed, notes = in_request_order(found, own, [part.name for part in parts])
    background = whole_raster(behind(picture, layers[0], placed), canvas)
    objects: list[SplitObject] = []
    boxes: list[BoxF] = []
    for part, layer in zip(parts, placed, strict=True):
        shadow, look = _effect_and_look(layer)
        one = trimmed_raster(look, canvas)
        if one is None:
            notes.append(f"Nothing was found for “{part.name}” in the picture; its layer is empty.")
        cast = None if shadow is None else trimmed_raster(shadow, canvas)
        if cast is not None:
            cast = masked_by(cast, [other.look for other in objects])
        boxes.append(part.box or box_of(look) or BoxF(0.0, 0.0, 1.0, 1.0))
        objects.append(SplitObject(cast, None, one or _nothing(boxes[-1].to_rect(canvas))))
    background, objects = fitted_to_picture(flat, background, objects)
    return SplitLayers(background=background, objects=tuple(objects), boxes=tuple(boxes), notes=tuple(notes))


def _effect_and_look(layer: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return the shadow that a layer (4, h, w) holds, black under its density, or None; and the object alone."""
    parts = split_effects(layer)
    if parts is None:
        return None, sure_colour(layer)
    return torch.cat([torch.zeros(3, *parts.density.shape), parts.density[None]]), parts.look


def _nothing(box: Rect) -> Raster:
    """Return one clear pixel where the object was looked for."""
    return Raster(rgba=np.zeros((1, 1, 4), np.uint8), rect=Rect(box.x, box.y, 1, 1))
