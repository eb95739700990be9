"""Padded colour: smooth colour in every invisible pixel, as LayerDiffuse's transparent encoder was trained on it.

A pyramid of premultiplied colour and alpha, each level smaller by 1.2 until a side is one pixel; then upwards again,
every level over what came from below (arXiv 2402.17113 and its released code, there called "pad rgb").
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_STEP = 1.2


def padded_colour(rgba: Tensor) -> Tensor:
    """Return (b, 3, h, w): the colour where the picture is opaque, colour from around where it is not.

    Args:
        rgba: (b, 4, h, w) float32 or wider, 0..1, straight alpha.
    """
    colour, alpha = rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]
    pyramid = [(colour, alpha)]
    while min(alpha.shape[-2:]) > 1:
        size = (int(alpha.shape[-2] / _STEP), int(alpha.shape[-1] / _STEP))
        colour, alpha = _area(colour, size), _area(alpha, size)
        pyramid.append((colour, alpha))
    padded = colour.sum((2, 3), keepdim=True) / alpha.sum((2, 3), keepdim=True).clamp(min=1e-8)
    for colour, alpha in reversed(pyramid):
        padded = F.interpolate(padded, size=alpha.shape[-2:], mode="bilinear", align_corners=False)
        padded = colour + padded * (1 - alpha)
    return padded


def _area(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink by exact area: torch's own "area" rounds to whole pixels, which shifts the picture at a step of 1.2."""
    rows, columns = (_shares(old, new, picture) for old, new in zip(picture.shape[-2:], size, strict=True))
    return rows @ picture @ columns.T


def _shares(old: int, new: int, like: Tensor) -> Tensor:
    """(new, old): which share of a new pixel each old one covers; rows sum to 1."""
    edges = torch.arange(new + 1, dtype=torch.float64) * (old / new)
    pixels = torch.arange(old, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * (new / old)).to(like)
