"""Splitting a flat picture: painted layers are fitted so that, stacked, they give the picture back.

The network says where every part is, what of it is hidden and how dense its shadow is; what is seen is the picture's
own pixels. Each pixel of the picture is one equation in the colours of the layers, C = sum w_m c_m with the weights w_m
by which they are seen; of all colours that solve it those nearest to the painted ones are taken (least norm:
c_m += w_m (P - C) / sum w^2), so hidden colours stay as painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import Rect
from psdstudio.engine.joining import moved_to
from psdstudio.gen.request import Raster

F32 = npt.NDArray[np.float32]
BAND = 256
"""Rows of the canvas worked on at a time: all layers in floating point are some hundred bytes a pixel."""
ROUNDS = 10
"""Colours are clipped to what a pixel can hold; what one layer cannot take the others get in the next round."""
FITTED = 1e-4
"""Of 1: what is missing less than this is lost in rounding to 8 bits anyway."""
FAINTEST = 1e-3
SHADOWS_LEFT = (0.7, 0.5, 0.0)
"""What is left of shadows, one try after another, where the picture is still brighter than they let it be."""
TOO_DARK = 1 / 510


@dataclass(slots=True)
class SplitObject:
    """The layers of one object; shadow (black, alpha is its density) and reflection may be absent."""

    shadow: Raster | None
    reflection: Raster | None
    look: Raster


@dataclass(slots=True)
class _Layer:
    """A layer on a band: colour (h, w, 3) and alpha (h, w, 1) in 0..1; a shadow has no colour but black."""

    colour: F32
    alpha: F32
    is_shadow: bool


def fitted_to_picture(
    picture: Raster, background: Raster, objects: Sequence[SplitObject]
) -> tuple[Raster, list[SplitObject]]:
    """Return the layers, objects back to front, with colours that give `picture` when stacked.

    `background` and `picture` cover the same canvas. Alphas stay, but a shadow is never denser than the picture allows:
    under density d nothing brighter than 1 - d can be seen.
    """
    background = replace(background, rgba=background.rgba.copy())
    made = [_copied(one) for one in objects]
    rasters = [background, *(raster for one in made for raster in (one.shadow, one.reflection, one.look))]
    canvas = picture.rect
    for top in range(canvas.y, canvas.bottom, BAND):
        band = Rect(canvas.x, top, canvas.width, min(BAND, canvas.bottom - top))
        there = [raster for raster in rasters if raster is not None]
        layers = [_on_band(raster, band) for raster in there]
        for layer, raster in zip(layers, there, strict=True):
            layer.is_shadow = any(raster is one.shadow for one in made)
        target = moved_to(picture, band).rgba[..., :3].astype(np.float32) / np.float32(255)
        _lighten_shadows(layers, target)
        error = _fit_colours(layers, target)
        for share in SHADOWS_LEFT:
            if not _thinned_shadows(layers, error, share):
                break
            error = _fit_colours(layers, target)
        for layer, raster in zip(layers, there, strict=True):
            _write_back(layer, raster, band)
    return background, made


def _copied(one: SplitObject) -> SplitObject:
    def own(raster: Raster | None) -> Raster | None:
        return None if raster is None else replace(raster, rgba=raster.rgba.copy())

    look = own(one.look)
    assert look is not None
    return SplitObject(own(one.shadow), own(one.reflection), look)


def _on_band(raster: Raster, band: Rect) -> _Layer:
    pixels = moved_to(raster, band).rgba.astype(np.float32) / np.float32(255)
    return _Layer(pixels[..., :3], pixels[..., 3:], is_shadow=False)


def _lighten_shadows(layers: list[_Layer], target: F32) -> None:
    """Make shadows that are seen no denser than the brightest channel of the picture allows."""
    room = 1 - target.max(axis=2, keepdims=True)
    clear = np.ones_like(room)
    for layer in reversed(layers):
        if layer.is_shadow:
            most = np.where(clear > 0.5, np.minimum(layer.alpha, room), layer.alpha)
            # Two shadows one over the other share the room.
            room = np.maximum(0, 1 - (1 - room) / np.maximum(1 - most * clear, FAINTEST))
            layer.alpha = _whole_levels(most)
        else:
            clear = clear * (1 - layer.alpha)


def _whole_levels(alpha: F32) -> F32:
    """Return an alpha of whole 255ths, so that colours are fitted to the shadow that the layer will hold."""
    levels: F32 = np.floor(alpha * np.float32(255) + np.float32(1e-3)) / np.float32(255)
    return levels


def _thinned_shadows(layers: list[_Layer], error: F32, share: float) -> bool:
    """Leave only `share` of all shadows where the picture is brighter than the stack; whether there was such a place.

    Without shadows the weights of what is seen add up to one, so every picture can be reached.
    """
    dark = error.max(axis=2, keepdims=True) > TOO_DARK
    for layer in layers:
        if layer.is_shadow:
            layer.alpha = np.where(dark, _whole_levels(layer.alpha * np.float32(share)), layer.alpha)
    return bool(dark.any())


def _fit_colours(layers: list[_Layer], target: F32) -> F32:
    """Change colours so that the stack comes as near to `target` as it can; returns what is missing."""
    weights, seen = [], np.ones_like(layers[0].alpha)
    for layer in reversed(layers):
        weights.append(np.zeros_like(seen) if layer.is_shadow else seen * layer.alpha)
        seen = seen * (1 - layer.alpha)
    weights.reverse()
    for _ in range(ROUNDS):
        error = target - sum(w * layer.colour for w, layer in zip(weights, layers, strict=True))
        if float(np.abs(error).max()) < FITTED:
            break
        # A layer that is already as bright or as dark as can be takes nothing more; the others must not wait for it.
        free = [w * _has_room(layer.colour, error) for w, layer in zip(weights, layers, strict=True)]
        norm = np.maximum(sum(w * w for w in free), FAINTEST)
        for w, layer in zip(free, layers, strict=True):
            if not layer.is_shadow:
                layer.colour = np.clip(layer.colour + w / norm * error, 0, 1).astype(np.float32)
    missing: F32 = target - sum(w * layer.colour for w, layer in zip(weights, layers, strict=True))
    return missing


def _has_room(colour: F32, error: F32) -> npt.NDArray[np.bool_]:
    return (error > 0) & (colour < 1) | (error < 0) & (colour > 0)


def _write_back(layer: _Layer, raster: Raster, band: Rect) -> None:
    part = raster.rect.intersection(band)
    if part.is_empty:
        return
    y, x = part.y - raster.rect.y, part.x - raster.rect.x
    inside = raster.rgba[y : y + part.height, x : x + part.width]
    cut = np.s_[part.y - band.y : part.bottom - band.y, part.x - band.x : part.right - band.x]
    seen = layer.alpha[cut] > 0
    colour = np.floor(layer.colour[cut] * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    if layer.is_shadow:
        inside[..., 3:] = np.floor(layer.alpha[cut] * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    else:
        inside[..., :3] = np.where(seen, colour, inside[..., :3])
