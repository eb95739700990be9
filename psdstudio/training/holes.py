"""What is known in part, for training: holes in backgrounds and looks, silhouettes without colour."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SILHOUETTE_RATE = 0.12
"""Share of free looks whose alpha is known and whose colour is not."""
BROKEN_RATE = 0.10
"""Share of free looks of which only a part is missing."""
SHAPE_RATE = 0.35
"""Share of holes that are a plain ellipse or half-plane instead of somebody's outline."""


def looks_in_part(rng: np.random.Generator, looks: Tensor, free: Tensor) -> Tensor | None:
    """Draw what is known of free looks: (b, k, 6, p, p) as `engine.given.Given.looks`, None where nothing is.

    looks: (b, k, 4, p, p) true ones in 0..1; free: (b, k) bool.
    """
    b, k = free.shape
    drawn = torch.from_numpy(rng.random((b, k)))
    outlined = free & (drawn < SILHOUETTE_RATE)
    broken = free & (drawn >= SILHOUETTE_RATE) & (drawn < SILHOUETTE_RATE + BROKEN_RATE)
    if not bool((outlined | broken).any()):
        return None
    whole = torch.zeros(b, k, 1, *looks.shape[-2:])
    alpha_known, colour_known = whole + outlined.view(b, k, 1, 1, 1), whole
    for i, j in broken.nonzero().tolist():
        other = looks[int(rng.integers(b)), int(rng.integers(k)), 3]
        kept = 1 - _hole(rng, other)
        alpha_known[i, j, 0], colour_known[i, j, 0] = kept, kept
    return torch.cat([looks[:, :, :3], colour_known, looks[:, :, 3:], alpha_known], dim=2)


def ground_in_part(rng: np.random.Generator, background: Tensor, covers: Tensor) -> Tensor:
    """Draw a hole in every background: (b, 4, h, w) its colours and where they are known (1).

    covers: (b, k, h, w) alpha of the objects on the canvas; a hole is what some of them hide and a little more.
    """
    b, k = covers.shape[:2]
    known = torch.ones(b, 1, *background.shape[-2:])
    for i in range(b):
        chosen = rng.random(k) < 0.6
        chosen[int(rng.integers(k))] = True
        hidden = covers[i, torch.from_numpy(chosen)].amax(0)
        if rng.random() < SHAPE_RATE or not bool((hidden > 0.5).any()):
            hidden = _shape(rng, *background.shape[-2:])
        known[i, 0] = 1 - _grown(hidden, int(rng.integers(0, 4)))
    return torch.cat([background, known], dim=1)


def _hole(rng: np.random.Generator, other: Tensor) -> Tensor:
    """Draw a hole (h, w) of 0 and 1: the outline of another object somewhere over the crop, or a shape."""
    h, w = other.shape
    if rng.random() >= SHAPE_RATE:
        shift = (int(rng.integers(-h // 2, h // 2)), int(rng.integers(-w // 2, w // 2)))
        hidden = (torch.roll(other, shift, (0, 1)) > 0.5).float()
        if bool(hidden.any()):
            return hidden
    return _shape(rng, h, w)


def _shape(rng: np.random.Generator, h: int, w: int) -> Tensor:
    y = (torch.arange(h) + 0.5)[:, None] / h - float(rng.uniform(0.2, 0.8))
    x = (torch.arange(w) + 0.5)[None] / w - float(rng.uniform(0.2, 0.8))
    if rng.random() < 0.5:
        angle = float(rng.uniform(0, 2 * math.pi))
        return ((x * math.cos(angle) + y * math.sin(angle)) > 0).float()
    return ((x / float(rng.uniform(0.1, 0.35))) ** 2 + (y / float(rng.uniform(0.1, 0.35))) ** 2 < 1).float()


def _grown(hidden: Tensor, by: int) -> Tensor:
    sure = (hidden > 0.05).float()
    return F.max_pool2d(sure[None, None], 2 * by + 1, 1, by)[0, 0]
