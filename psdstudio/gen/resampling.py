"""Resampling of 8-bit pixels, for the one case in which a layer of the document itself changes its size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import Size
from psdstudio.core.tiles import U8Array

F32 = npt.NDArray[np.float32]


def resampled_rgba(rgba: U8Array, size: Size) -> U8Array:
    """Return straight RGBA (h, w, 4) uint8 at another size; colours are weighed by alpha, so no rim shows."""
    wide: F32 = rgba.astype(np.float32) / np.float32(255)
    wide[..., :3] *= wide[..., 3:]
    wide = _resampled(wide, size)
    alpha = np.clip(wide[..., 3:], 0, 1)
    colour = np.divide(wide[..., :3], alpha, out=np.zeros_like(wide[..., :3]), where=alpha > 1e-6)
    out: U8Array = np.rint(np.concatenate([np.clip(colour, 0, 1), alpha], axis=-1) * 255).astype(np.uint8)
    return out


def resampled_grey(grey: U8Array, size: Size) -> U8Array:
    """Return one channel (h, w, 1) uint8 at another size."""
    return np.rint(np.clip(_resampled(grey.astype(np.float32), size), 0, 255)).astype(np.uint8)


def _resampled(pixels: F32, size: Size) -> F32:
    """Return (h, w, c) at another size: Catmull-Rom, widened by the factor when it gets smaller (no aliasing)."""
    for axis, length in ((0, size.height), (1, size.width)):
        pixels = _along(pixels, axis, length)
    return pixels


def _along(pixels: F32, axis: int, length: int) -> F32:
    """Resample one axis; pixels beyond the border repeat the outermost."""
    old = pixels.shape[axis]
    if length == old:
        return pixels
    scale = old / length
    reach = max(scale, 1.0)
    centres = (np.arange(length) + 0.5) * scale - 0.5
    first = np.floor(centres - 2 * reach).astype(np.int64) + 1
    taps = int(np.ceil(4 * reach)) + 1
    places = first[:, None] + np.arange(taps)
    weights = _catmull_rom((places - centres[:, None]) / reach)
    weights /= weights.sum(axis=1, keepdims=True)
    shape = [1] * pixels.ndim
    shape[axis] = length
    out = np.zeros((*pixels.shape[:axis], length, *pixels.shape[axis + 1 :]), np.float32)
    for tap in range(taps):
        near = np.clip(places[:, tap], 0, old - 1)
        out += pixels.take(near, axis) * weights[:, tap].astype(np.float32).reshape(shape)
    return out


def _catmull_rom(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys 1981 (Cubic convolution interpolation), equation 4 with a = -1/2."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
