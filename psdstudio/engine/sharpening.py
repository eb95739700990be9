"""Warp sharpening: soft edges inside a painted part are made steep by moving colours towards them.

SceneNet paints in cells of four pixels, and what lies between two possible edges: its inner edges are soft. Nothing is
added to a colour here, as unsharp masking does, so there are no halos: every pixel takes a colour from a little further
up or down its own slope (image-dependent warping, Arad & Gotsman 1999, IEEE TIP 8(8)), the side being told by the sign
of the second derivative along the slope (shock filter, Osher & Rudin 1990, SINUM 27(4)). Alpha is not touched.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PASSES = 3
LUMA = (0.2126, 0.7152, 0.0722)
SIGMA = 1.5
"""Pixels over which lightness is smoothed before its slopes are read; the grid of the cells is finer than an edge."""
REACH = 4
"""Pixels to every side in which tones must differ for an edge."""
FAINT, CLEAR = 0.10, 0.20
"""Differences of tone below which nothing moves (shading, blotches) and above which everything does."""
STEEP, SOFT = 2.0, 3.0
"""Width of an edge in pixels (difference of tone over the steepest slope) up to which it stays, from which it moves."""
SHARPNESS = 3.0
"""How soon a pixel counts as wholly on one side of an edge, per curvature over slope."""


def sharpened(picture: Tensor) -> Tensor:
    """Return straight RGBA (n, 4, h, w) in 0..1 with steep inner edges; colours must be padded beyond the outline.

    Every colour is a mix of at most four that were there, within 3 px; where tones differ by less than `FAINT` within
    4 px nothing changes.
    """
    colour = picture[:, :3]
    n, _, h, w = picture.shape
    light = (colour * colour.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    moves = _soft_edges(light)
    shift = torch.zeros(n, 2, h, w, dtype=picture.dtype, device=picture.device)
    for i in range(PASSES):
        seen = light if i == 0 else _moved(light, shift)
        step = _uphill(_smoothed(seen)) * moves
        shift = step + _moved(shift, step)
    return torch.cat([_moved(colour, shift), picture[:, 3:]], dim=1)


def _soft_edges(light: Tensor) -> Tensor:
    """Return how far the colours at each pixel of lightness (n, 1, h, w) may move, 0..1: there is an edge, and soft."""
    smooth = _smoothed(light)
    differ = _highest(smooth) + _highest(-smooth)
    p = F.pad(light, (1, 1, 1, 1), mode="replicate")
    right, down = (p[..., 1:-1, 2:] - p[..., 1:-1, :-2]) / 2, (p[..., 2:, 1:-1] - p[..., :-2, 1:-1]) / 2
    steepest = _highest((right**2 + down**2).sqrt())
    width = (_highest(light) + _highest(-light)) / steepest.clamp(min=1e-4)
    clear = ((differ - FAINT) / (CLEAR - FAINT)).clamp(0, 1)
    return clear * ((width - STEEP) / (SOFT - STEEP)).clamp(0, 1)


def _highest(values: Tensor) -> Tensor:
    """Return the highest of (n, 1, h, w) within `REACH`."""
    side = 2 * REACH + 1
    rows = F.max_pool2d(values, (side, 1), 1, (REACH, 0))
    return F.max_pool2d(rows, (1, side), 1, (0, REACH))


def _uphill(light: Tensor) -> Tensor:
    """Return where to take each colour from, (n, 2, h, w) in pixels right and down, at most one far.

    Above the middle of a slope it is uphill, below it downhill.
    """
    p = F.pad(light, (1, 1, 1, 1), mode="replicate")
    right = (p[..., 1:-1, 2:] - p[..., 1:-1, :-2]) / 2
    down = (p[..., 2:, 1:-1] - p[..., :-2, 1:-1]) / 2
    bend_right = p[..., 1:-1, 2:] + p[..., 1:-1, :-2] - 2 * light
    bend_down = p[..., 2:, 1:-1] + p[..., :-2, 1:-1] - 2 * light
    bend_both = (p[..., 2:, 2:] + p[..., :-2, :-2] - p[..., 2:, :-2] - p[..., :-2, 2:]) / 4
    square = right**2 + down**2 + 1e-10
    steep = square.sqrt()
    bend = (bend_right * right**2 + 2 * bend_both * right * down + bend_down * down**2) / square
    side = torch.tanh(-SHARPNESS * bend / (steep + 1e-4))
    return torch.cat([right, down], dim=1) / steep * side


def _smoothed(light: Tensor) -> Tensor:
    """Return (n, 1, h, w) under a Gaussian of `SIGMA`, edges repeated."""
    half = round(3 * SIGMA)
    t = torch.arange(-half, half + 1, dtype=light.dtype, device=light.device)
    kernel = torch.exp(-(t**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(light, (half, half, half, half), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _moved(picture: Tensor, shift: Tensor) -> Tensor:
    """Read (n, c, h, w) at every pixel's place plus `shift` (n, 2, h, w), bilinear, edges repeated."""
    h, w = picture.shape[-2:]
    y = (torch.arange(h, dtype=shift.dtype, device=shift.device) + 0.5)[:, None]
    x = (torch.arange(w, dtype=shift.dtype, device=shift.device) + 0.5)[None]
    grid = torch.stack([(x + shift[:, 0]) * (2 / w) - 1, (y + shift[:, 1]) * (2 / h) - 1], dim=-1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
