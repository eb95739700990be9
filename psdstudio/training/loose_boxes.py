"""Boxes that miss their objects a little, as a hand draws or the layout path finds them: the picture is what counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.training.scene_truth import SceneTruth

TIGHT, SHIFTED = 0.35, 0.45
"""Share of the boxes that stay as they are, and of those of which every side moves; the others are drawn too large."""
SIDE_SHIFT, MOST_SHIFT = 0.04, 0.08
"""Standard deviation and limit of a side's shift in the box's extent; the margin of a crop is `frames.CROP_MARGIN`."""
MOST_GROWN = 0.2


def with_loose_boxes(truth: SceneTruth, rng: np.random.Generator) -> SceneTruth:
    """Return the same scenes with other boxes, every row seen through the frames of its new box."""
    b, k = truth.boxes.shape[:2]
    old = truth.boxes.flatten(0, 1)
    new = old + _side_shifts(rng, b * k) * old[:, [2, 3, 2, 3]]
    looks, effects = truth.looks.flatten(0, 1), truth.effects.flatten(0, 1)
    looks = _seen_in(looks, frames.crop_of(old), frames.crop_of(new))
    density = _seen_in(effects[:, :1], frames.shadow_frame(old), frames.shadow_frame(new))
    mirrored = _seen_in(effects[:, 1:], frames.reflection_frame(old), frames.reflection_frame(new))
    return replace(
        truth,
        boxes=torch.unflatten(new, 0, (b, k)),
        looks=torch.unflatten(looks, 0, (b, k)),
        effects=torch.unflatten(torch.cat([density, mirrored], dim=1), 0, (b, k)),
    )


def _side_shifts(rng: np.random.Generator, count: int) -> Tensor:
    """Return (count, 4) changes of x, y, width, height in shares of the box's extent."""
    kind = rng.random((count, 1))
    moved = np.clip(rng.normal(0, SIDE_SHIFT, (count, 4)), -MOST_SHIFT, MOST_SHIFT)
    grown = rng.uniform(0, MOST_GROWN, (count, 4)) * [-1, -1, 1, 1]
    left, top, right, bottom = np.where(kind < TIGHT, 0, np.where(kind < TIGHT + SHIFTED, moved, grown)).T
    return torch.from_numpy(np.stack([left, top, right - left, bottom - top], axis=1).astype(np.float32))


def _seen_in(picture: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Resample (n, c, h, w) between frames (n, 4) of nearly one size: the last channel ends at its frame, the colours
    before it are padded beyond their edge and so go on (colour and alpha apart leave no fringe then)."""
    scale = target[:, 2:] / source[:, 2:]
    shift = (target[:, :2] + target[:, 2:] / 2 - source[:, :2] - source[:, 2:] / 2) / source[:, 2:] * 2
    theta = torch.cat([torch.diag_embed(scale), shift[:, :, None]], dim=2)
    grid = F.affine_grid(theta, list(picture.shape), align_corners=False)
    alpha = F.grid_sample(picture[:, -1:], grid, padding_mode="zeros", align_corners=False)
    if picture.shape[1] == 1:
        return alpha
    colour = F.grid_sample(picture[:, :-1], grid, padding_mode="border", align_corners=False)
    return torch.cat([colour, alpha], dim=1)
