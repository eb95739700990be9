"""The second pass: layers of canvases larger than SDXL's own size are painted anew at that size, tile by tile.

What was painted is enlarged, noised a little and denoised with the layer's own words (SDEdit, Meng et al. 2022, section
3): the arrangement and the light of the joint pass stay, detail is new. Each layer passes by itself; kept layers never
pass. Tiles that are clear are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.core.geometry import Size
from psdstudio.engine.pictures import pad_colour
from psdstudio.engine.sdxl.tiled import CELL, LATENT, Blend, KeptValue, Tiling

STRENGTH = 0.3
"""Share of the noise that the second pass begins with: detail is new, shapes are not."""
WORTHWHILE = 1.15
"""Canvases no larger than so many times the bucket, along a side, are only resampled."""
MAX_ENLARGED = 4
"""Along a side; beyond that there is nothing left for the words to say, and the time grows with the area."""
CLEAR = 2 / 255
DRIFT_SCALE = 32
"""Colours coarser than so many pixels are those of the first pass: tiles would drift apart otherwise."""


Denoise = Callable[[Tensor, Tensor, float], Generator[None, None, Tensor]]
"""Clean latents (1, 4, h, w), noise of the same shape and a strength, to clean latents; yields after every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPass:
    """The networks, as one layer needs them: its own words, adapters and decoder are inside of them.

    Attributes:
        encode: (1, c, h, w) in 0..1 to latents (1, 4, h/8, w/8).
        denoise: See `row_denoiser`.
        decode: Latents to (1, c, h, w) in 0..1.
        strength: See STRENGTH.
        tiling: Tiles no larger than what the network paints at once, see `tiling_of`.
    """

    encode: Callable[[Tensor], Tensor]
    denoise: Denoise
    decode: Callable[[Tensor], Tensor]
    strength: float = STRENGTH
    tiling: Tiling = field(default_factory=Tiling)


def second_size(bucket: Size, canvas: Size) -> Size | None:
    """Return how large the layers of a canvas are painted in a second pass; None where none is worthwhile."""
    factor = max(canvas.width / bucket.width, canvas.height / bucket.height)
    if factor <= WORTHWHILE:
        return None
    factor = min(factor, MAX_ENLARGED)
    return Size(*(math.ceil(side * factor / CELL - 1e-6) * CELL for side in bucket))


def tiling_of(bucket: Size) -> Tiling:
    """Return tiles with about as many pixels as a bucket has: 1024 x 1024 for SDXL's own."""
    tile = max(CELL, math.isqrt(bucket.width * bucket.height) // CELL * CELL)
    overlap = max(2 * LATENT, tile * 3 // 16 // LATENT * LATENT)
    return Tiling(tile=tile, overlap=overlap, margin=overlap // 6 // LATENT * LATENT)


def tile_count(picture: Tensor, size: Size, tiling: Tiling) -> int:
    """Return how many tiles of a painted layer (c, h, w) are painted anew: those that are not clear."""
    big = enlarged(picture, size)
    return sum(
        not _is_clear(big[:, y.start : y.end, x.start : x.end])
        for y, x in tiling.boxes(size.height, size.width)
    )


def painted_anew(picture: Tensor, size: Size, seed: int, second: SecondPass) -> Generator[int, None, Tensor]:
    """Give a painted layer detail at a larger size.

    Args:
        picture: (3, h, w), or straight RGBA (4, h, w) with padded colour, in 0..1 float32 on the CPU.
        size: Multiples of 64.
        seed: Of the noise, which belongs to places of the layer: tiles share it where they overlap.
        second: The networks.

    Yields the number of tiles done (`tile_count`), also after every step of one; returns (c, *size) in 0..1. The same
    input gives the same output.
    """
    big = enlarged(picture, size)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(4, size.height // LATENT, size.width // LATENT, generator=generator)
    blend = Blend(size.height, size.width)
    done = 0
    for y, x in second.tiling.boxes(size.height, size.width):
        part = big[:, y.start : y.end, x.start : x.end]
        if _is_clear(part):
            blend.add(part, second.tiling.weight(y, x), y, x)
            continue
        own = noise[:, y.start // LATENT : y.end // LATENT, x.start // LATENT : x.end // LATENT]
        for _ in (steps := KeptValue(second.denoise(second.encode(part[None]), own[None], second.strength))):
            yield done
        made = second.decode(steps.value)[0].float().cpu().clamp(0, 1)
        blend.add(_without_drift(made, part), second.tiling.weight(y, x), y, x)
        done += 1
        yield done
    return blend.picture().clamp(0, 1)


def enlarged(picture: Tensor, size: Size) -> Tensor:
    """Enlarge a picture (c, h, w) in 0..1 to `size`, bicubic; of RGBA, colours are weighed by alpha."""
    if picture.shape[0] != 4:
        return _bicubic(picture, size).clamp(0, 1)
    premul = _bicubic(torch.cat([picture[:3] * picture[3:], picture[3:]]), size)
    premul = premul / premul[3:].clamp(min=1)
    alpha = premul[3:].clamp(min=0)
    return pad_colour(torch.cat([premul[:3].clamp(min=0).minimum(alpha), alpha])[None])[0]


def _bicubic(picture: Tensor, size: Size) -> Tensor:
    return F.interpolate(
        picture[None], size=(size.height, size.width), mode="bicubic", antialias=True, align_corners=False
    )[0]


def _is_clear(part: Tensor) -> bool:
    return part.shape[0] == 4 and float(part[3].max()) < CLEAR


def _without_drift(made: Tensor, was: Tensor) -> Tensor:
    """Give a tile the coarse colours that it had before; its alpha is what was painted."""
    coarse = F.avg_pool2d((was[:3] - made[:3])[None], DRIFT_SCALE)
    back = F.interpolate(coarse, size=made.shape[1:], mode="bilinear", align_corners=False)[0]
    return torch.cat([(made[:3] + back).clamp(0, 1), made[3:]])
