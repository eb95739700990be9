"""Guided filter: in every window one picture as an affine function of another (or of itself, which calms it).

He, Sun, Tang, "Guided Image Filtering", PAMI 2013, with the colour guide of eq. 14-16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def affine_of(guide: Tensor, target: Tensor, radius: int, noise: float) -> tuple[Tensor, Tensor]:
    """Return slope (c, g, h, w) and offset (c, h, w) of target (c, h, w) as a function of guide (g, h, w).

    A window is 2 radius + 1 pixels wide. `noise` is the variance below which the guide says nothing (epsilon).
    """
    g = guide.shape[0]
    mean_g, mean_t = _window(guide, radius), _window(target, radius)
    spread = _window(guide[:, None] * guide[None], radius) - mean_g[:, None] * mean_g[None]
    shared = _window(target[:, None] * guide[None], radius) - mean_t[:, None] * mean_g[None]
    slope = _solved(spread + noise * torch.eye(g)[:, :, None, None], shared.transpose(0, 1)).transpose(0, 1)
    offset = mean_t - torch.einsum("cghw,ghw->chw", slope, mean_g)
    return _window(slope, radius), _window(offset, radius)


def calmed(picture: Tensor, radius: int, noise: float) -> Tensor:
    """Return (c, h, w) without the unrest that is weaker than `noise`; edges that are stronger stay."""
    slope, offset = affine_of(picture, picture, radius, noise)
    return torch.einsum("cghw,ghw->chw", slope, picture) + offset


def _window(x: Tensor, radius: int) -> Tensor:
    """Mean of (..., h, w) over the window around every pixel; at the border over what there is of it."""
    width, flat = 2 * radius + 1, x.reshape(1, -1, *x.shape[-2:])
    across = F.avg_pool2d(flat, (1, width), 1, (0, radius), count_include_pad=False)
    return F.avg_pool2d(across, (width, 1), 1, (radius, 0), count_include_pad=False).reshape(x.shape)


def _solved(system: Tensor, right: Tensor) -> Tensor:
    """Solve system (g, g, h, w) @ x = right (g, c, h, w) in every pixel, by elimination.

    The systems are symmetric and positive, so no rows are exchanged. A batched solver takes minutes for a canvas.
    """
    rows = [torch.cat([system[i], right[i]]) for i in range(system.shape[0])]
    for i, row in enumerate(rows):
        rows[i] = row / row[i]
        for j in range(len(rows)):
            if j != i:
                rows[j] = rows[j] - rows[j][i] * rows[i]
    return torch.stack(rows)[:, len(rows) :]
