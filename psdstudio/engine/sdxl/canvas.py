"""Between the document's canvas and the pictures that SDXL paints: sizes, known layers, boxes, silhouettes and holes.

Every row shows the whole canvas, stretched to a size that SDXL was trained at (a *bucket*): the boxes of a scene are
fractions of the canvas and mean the same in both. Rasters of the document are straight RGBA8 in canvas pixels.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine.pictures import pad_colour
from psdstudio.engine.sdxl.rows import MAP_SCALE
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.request import PartlyKnown, Raster

NATIVE_AREA = 1024 * 1024
CELL = 64
"""Both sides of a bucket are multiples of this: so wants the transparent decoder, and so was SDXL trained."""
MAX_STRETCH = 4.0
"""The longest buckets of SDXL's training are 2048 x 512."""
MAX_ASPECT = 5.0
"""Canvases beyond the longest bucket are stretched by up to a quarter; beyond that things would be deformed."""
AREA_WEIGHT = 0.1
SMALLEST_AREA = 0.9
"""Buckets have at least this share of the area asked for, as SDXL's own have."""
LATENT_SCALE = 8
F32Array = npt.NDArray[np.float32]
HARDLY = 0.01
"""A latent pixel of which less than this is unknown counts as known."""


def bucket_of(size: Size, area: int = NATIVE_AREA) -> Size:
    """Return the size at which a canvas is painted: near `area` pixels, multiples of 64, the nearest aspect.

    With the native area these are SDXL's buckets (Podell et al. 2023, appendix I): 1024 x 1024, 1216 x 832, 1344 x 768
    and so on, never larger than the area.

    Raises:
        ModelIncompatible: The canvas is longer than the network can paint.
    """
    aspect = size.width / size.height
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise ModelIncompatible(
            f"A canvas of {size.width} × {size.height} pixels is too long for this engine: it paints up to "
            f"{MAX_ASPECT:.0f} to 1.",
            "Nothing was changed. Make the canvas less long, or choose another engine.",
        )
    cells = area / CELL**2
    found: tuple[float, Size] | None = None
    for rows in range(1, math.floor(cells) + 1):
        for columns in range(math.ceil(SMALLEST_AREA * cells / rows), math.floor(cells / rows) + 1):
            if not 1 / MAX_STRETCH <= columns / rows <= MAX_STRETCH:
                continue
            stretched, share = math.log(columns / rows / aspect), rows * columns / cells
            off = abs(stretched) - AREA_WEIGHT * math.log(share)
            if found is None or off < found[0]:
                found = (off, Size(columns * CELL, rows * CELL))
    if found is None:
        raise ValueError(f"no bucket has about {area} pixels")
    return found[1]


def on_canvas(raster: Raster, canvas: Size, bucket: Size) -> Tensor:
    """Resample a raster over the whole canvas: straight RGBA (4, h, w) in 0..1 at the bucket's size, clear elsewhere.

    Colours are weighed by alpha, and under alpha 0 goes on the colour of the nearest sure pixels.
    """
    rgba = raster.rgba.astype(np.float32) / np.float32(255)
    rgba[..., :3] *= rgba[..., 3:]
    premul = _placed(rgba, raster.rect, canvas, bucket)
    # A cubic filter overshoots at edges, in colour and alpha alike: brought back together, or edges would be lit.
    premul = premul / premul[3:].clamp(min=1)
    alpha = premul[3:].clamp(min=0)
    premul = torch.cat([premul[:3].clamp(min=0).minimum(alpha), alpha])
    return pad_colour(premul[None])[0]


def unknown_latents(partial: PartlyKnown, canvas: Size, bucket: Size) -> Tensor:
    """Return where the latents of a partly known row are to be made: (h/8, w/8), 1 where any pixel is unknown."""
    mask = partial.unknown.astype(np.float32)[..., None]
    share = _placed(mask, partial.raster.rect, canvas, bucket, Image.Resampling.BOX)
    return (F.max_pool2d(share[None], LATENT_SCALE)[0, 0] > HARDLY).float()


def layout_of_box(box: BoxF, bucket: Size) -> Tensor:
    """Return how much of each place a box covers: (h/32, w/32) in 0..1."""
    rows, columns = _map_size(bucket)
    down = _covered(box.y * rows, (box.y + box.height) * rows, rows)
    across = _covered(box.x * columns, (box.x + box.width) * columns, columns)
    return down[:, None] * across[None]


def layout_of_silhouette(silhouette: Raster, canvas: Size, bucket: Size) -> Tensor:
    """Return how much of each place a silhouette covers: (h/32, w/32) in 0..1, its alpha averaged."""
    alpha = silhouette.rgba[..., 3:].astype(np.float32) / np.float32(255)
    placed = _placed(alpha, silhouette.rect, canvas, bucket).clamp(0, 1)
    return F.avg_pool2d(placed, LATENT_SCALE * MAP_SCALE)[0]


def _map_size(bucket: Size) -> tuple[int, int]:
    scale = LATENT_SCALE * MAP_SCALE
    return bucket.height // scale, bucket.width // scale


def _covered(start: float, end: float, count: int) -> Tensor:
    """Return how much of each of `count` unit intervals [start, end) covers."""
    left = torch.arange(count, dtype=torch.float32)
    return ((left + 1).clamp(max=end) - left.clamp(min=start)).clamp(0, 1)


def _placed(
    pixels: F32Array,
    rect: Rect,
    canvas: Size,
    bucket: Size,
    method: Image.Resampling = Image.Resampling.BICUBIC,
) -> Tensor:
    """Resample (a, b, c) float32 that lies at `rect` of the canvas to the bucket: (c, h, w), 0 around it.

    Antialiased when it gets smaller; sub-pixel places are exact, so that a layer does not move by being read.
    """
    out = torch.zeros(pixels.shape[2], bucket.height, bucket.width)
    y0, y1, top, bottom, pad_y = _span(rect.y, rect.bottom, bucket.height / canvas.height, bucket.height)
    x0, x1, left, right, pad_x = _span(rect.x, rect.right, bucket.width / canvas.width, bucket.width)
    if y0 >= y1 or x0 >= x1:
        return out
    for c in range(pixels.shape[2]):
        padded = np.pad(pixels[..., c], ((pad_y, pad_y), (pad_x, pad_x)))
        box = (left + pad_x, top + pad_y, right + pad_x, bottom + pad_y)
        part = Image.fromarray(padded).resize((x1 - x0, y1 - y0), method, box=box)
        out[c, y0:y1, x0:x1] = torch.from_numpy(np.array(part))
    return out


def _span(start: int, end: int, scale: float, limit: int) -> tuple[int, int, float, float, int]:
    """Map [start, end) of a canvas axis to bucket pixels.

    Returns the bucket pixels it reaches, clipped; the same edges in pixels of the raster; and how many clear pixels
    must be put around the raster so that these edges lie inside.
    """
    first, last = max(0, math.floor(start * scale)), min(limit, math.ceil(end * scale))
    low, high = first / scale - start, last / scale - start
    return first, last, low, high, math.ceil(max(0.0, -low, high - (end - start))) + 1
