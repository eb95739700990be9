"""The crop convention of object rows: alpha box plus 8 %, at most 2:1, stretched square, colour padded.

All working pictures are float32 (H, W, 4), straight colour, 0..1. Packed pictures are uint8 (128, 128, 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.floating[Any]]

SIZE: Final = 128
GROW: Final = 0.08
MAX_ASPECT: Final = 2.0
BOX_ALPHA: Final = 8 / 255
SURE_ALPHA: Final = 0.9
MOSTLY_SURE: Final = 0.4


@dataclass(frozen=True)
class Crop:
    """A square crop and where it came from.

    Attributes:
        rgba: uint8 (SIZE, SIZE, 4), straight colour defined everywhere.
        box: left, top, right, bottom in source pixels before the stretch; may reach beyond the picture.
        aspect: Width over height of the box, 0.5..2.
        ground_frac: Row of the lowest covered pixel as a fraction of the crop's height.
    """

    rgba: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    aspect: float
    ground_frac: float


def alpha_box(alpha: Picture) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom (exclusive) of alpha > 8/255 in a (H, W) plane; None when nothing is covered."""
    covered = alpha > BOX_ALPHA
    rows = np.flatnonzero(covered.any(axis=1))
    columns = np.flatnonzero(covered.any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def crop_box(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """Grows an alpha box by GROW of its size on each side and pads the short side to 2:1 about the centre."""
    left, top, right, bottom = box
    width, height = (right - left) * (1 + 2 * GROW), (bottom - top) * (1 + 2 * GROW)
    width, height = max(width, height / MAX_ASPECT), max(height, width / MAX_ASPECT)
    cx, cy = (left + right) / 2, (top + bottom) / 2
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2


def square_crop(picture: Picture, size: int = SIZE) -> Crop:
    """Cuts, stretches and pads one drawing.

    Args:
        picture: float32 (H, W, 4), straight colour, 0..1.
        size: Side of the result in pixels.

    Raises:
        ValueError: Nothing is covered.
    """
    found = alpha_box(picture[..., 3])
    if found is None:
        raise ValueError("the drawing is empty")
    box = crop_box(found)
    cleaned = np.concatenate([clean_rim(picture), picture[..., 3:]], axis=2)
    stretched = resample(cleaned, box, size)
    rgba = to_bytes(pad_colour(stretched))
    height = box[3] - box[1]
    return Crop(rgba, box, (box[2] - box[0]) / height, (found[3] - box[1]) / height)


def resample(picture: Picture, box: tuple[float, float, float, float], size: int) -> Picture:
    """Lanczos on premultiplied colour from a box of the source, then straight again; outside is empty."""
    margin = int(max(0, -min(box[0], box[1]), box[2] - picture.shape[1], box[3] - picture.shape[0])) + 2
    premultiplied = np.pad(
        np.concatenate([picture[..., :3] * picture[..., 3:], picture[..., 3:]], axis=2),
        ((margin, margin), (margin, margin), (0, 0)),
    )
    shifted = (box[0] + margin, box[1] + margin, box[2] + margin, box[3] + margin)
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(premultiplied[..., channel], dtype=np.float32)).resize(
                (size, size), Image.Resampling.LANCZOS, box=shifted
            )
        )
        for channel in range(4)
    ]
    alpha = np.clip(planes[3], 0, 1)
    # Lanczos rings beyond 0..alpha; straight colour must stay a colour.
    colour = np.clip(np.stack(planes[:3], axis=2) / np.maximum(alpha, 1e-4)[..., None], 0, 1)
    return np.concatenate([colour, alpha[..., None]], axis=2).astype(np.float32)


def pad_colour(picture: Picture) -> Picture:
    """Gives every pixel a smooth straight colour, so that resampling and mattes never see a fringe.

    The sure part (alpha > 0.9) keeps its colour. The thin rim beside it takes the colour of sure neighbours
    where the two disagree, translucent interiors keep theirs, and empty pixels get the nearby colour bled
    outward that tends to the mean colour of the object far away.

    Args:
        picture: float32 (H, W, 4) straight, 0..1. A square picture of SIZE is the intended scale.
    """
    alpha = picture[..., 3]
    clean = clean_rim(picture)
    # Colours at very low alpha are rounding noise of the source; trust grows with coverage.
    trust = (
        np.clip(alpha / 0.25, 0, 1) ** 2
        if not (alpha > SURE_ALPHA).any()
        else np.clip((alpha - 0.02) / 0.2, 0, 1)
    )
    weight = np.where(alpha > BOX_ALPHA, alpha**2, 0).astype(np.float32)
    mean = (clean * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1e-6)
    fill = _bleed(clean, weight, 2.0, mean)
    mixed = trust[..., None] * clean + (1 - trust[..., None]) * fill
    return np.concatenate([np.clip(mixed, 0, 1), alpha[..., None]], axis=2).astype(np.float32)


def clean_rim(picture: Picture) -> Picture:
    """The colours (H, W, 3) with the thin edge beside the sure part taken from sure neighbours.

    Lossy sources blend their backdrop into the edge; resampling would then spread it into covered pixels.
    """
    colour, alpha = picture[..., :3], picture[..., 3]
    sure = (alpha > SURE_ALPHA).astype(np.float32)
    # In mostly translucent drawings (glass, smoke) the thin parts have a colour of their own.
    if sure.sum() < MOSTLY_SURE * (alpha > BOX_ALPHA).sum() or not sure.any():
        return colour
    near_sure = _blurred(sure, 1.5)
    near_empty = _blurred((alpha < BOX_ALPHA).astype(np.float32), 1.5)
    local = _bleed(colour, sure, 1.5)
    disagree = np.abs(local - colour).max(axis=2) > 5 / 255
    rim = (alpha <= SURE_ALPHA) & (near_sure > 0.02) & (near_empty > 0.02) & disagree
    return np.where(rim[..., None], local, colour)


def to_bytes(picture: Picture) -> NDArray[np.uint8]:
    """Rounds 0..1 to uint8."""
    return np.asarray(np.clip(picture, 0, 1) * 255 + 0.5, dtype=np.uint8)


def from_image(image: Image.Image) -> Picture:
    """A PIL picture as float32 RGBA 0..1."""
    return np.asarray(image.convert("RGBA"), dtype=np.float32) / 255


def _bleed(colour: Picture, weight: Picture, sigma: float, mean: Picture | None = None) -> Picture:
    """Normalised convolution at growing widths; the widest term is the object's mean colour."""
    total = np.zeros_like(colour)
    mass = np.zeros_like(weight)
    for scale, share in ((1.0, 1.0), (4.0, 2e-2), (12.0, 1e-3)):
        blurred = _blurred(weight, sigma * scale)
        # Far below float noise a blurred weight must not outvote the next width.
        total += share * _blurred(colour * weight[..., None], sigma * scale)
        mass += share * blurred
    if mean is not None:
        total += 1e-5 * mean
        mass += 1e-5
    return np.asarray(total / np.maximum(mass, 1e-9)[..., None], dtype=np.float32)


def _blurred(plane: Picture, sigma: float) -> Picture:
    """Gaussian blur of (H, W) or (H, W, C) with empty surroundings."""
    rows, columns = _kernel(plane.shape[0], sigma), _kernel(plane.shape[1], sigma)
    if plane.ndim == 2:
        return np.asarray(rows @ plane @ columns.T, dtype=np.float32)
    return np.asarray(np.einsum("ij,jkc,lk->ilc", rows, plane, columns, optimize=True), dtype=np.float32)


@cache
def _kernel(length: int, sigma: float) -> Picture:
    offsets = np.subtract.outer(np.arange(length), np.arange(length))
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.asarray(kernel / (sigma * np.sqrt(2 * np.pi)), dtype=np.float32)
