"""Frames: where each row of the network lies on the canvas, and resampling between frames.

All rectangles are tensors (..., 4) of x, y, width, height in *square units*: the canvas is `aspect` wide and 1 high,
so that angles and circles stay what they are. An object's *box* is its alpha box. Its look row shows the *crop*: the
box grown by 8 % on every side and padded to an aspect between 1:2 and 2:1. Its effect row shows two frames: the
shadow frame (ground around the contact line) and the reflection frame (below the contact line).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CROP_MARGIN = 0.08
LOOK_PX = 128
EFFECT_PX = 64
SHADOW_REACH = 1.2
"""How far a shadow may fall sideways, in object heights."""
SHADOW_DEPTH = 0.45
"""How far a shadow may fall up and down the canvas from the contact line, in object heights."""
MAX_HALVINGS = 10
"""A canvas of 20,000 pixels comes down to 20 this way; halving on would leave single pixels."""


def crop_of(box: Tensor) -> Tensor:
    """Return the look frame of alpha boxes (..., 4)."""
    x, y, w, h = box.unbind(-1)
    grown_w, grown_h = w * (1 + 2 * CROP_MARGIN), h * (1 + 2 * CROP_MARGIN)
    crop_w = torch.maximum(grown_w, grown_h / 2)
    crop_h = torch.maximum(grown_h, grown_w / 2)
    return torch.stack([x + (w - crop_w) / 2, y + (h - crop_h) / 2, crop_w, crop_h], dim=-1)


def box_in_crop(box: Tensor) -> Tensor:
    """Return the alpha box in fractions of its crop (..., 4)."""
    crop = crop_of(box)
    return torch.cat([(box[..., :2] - crop[..., :2]) / crop[..., 2:], box[..., 2:] / crop[..., 2:]], dim=-1)


def shadow_frame(box: Tensor) -> Tensor:
    """Return the ground frame around the contact line (the lower edge of the box) in which a shadow is painted."""
    x, y, w, h = box.unbind(-1)
    reach = SHADOW_REACH * h
    ground = y + h
    return torch.stack([x - reach, ground - SHADOW_DEPTH * h, w + 2 * reach, 2 * SHADOW_DEPTH * h], dim=-1)


def reflection_frame(box: Tensor) -> Tensor:
    """Return the frame below the contact line for a reflection: as wide as the crop, as high as the box."""
    crop = crop_of(box)
    y, h = box[..., 1], box[..., 3]
    return torch.stack([crop[..., 0], y + h, crop[..., 2], h], dim=-1)


def mirrored_crop(box: Tensor) -> Tensor:
    """Return the frame that the crop takes when mirrored at the contact line (its rows must be flipped)."""
    crop = crop_of(box)
    ground = box[..., 1] + box[..., 3]
    bottom = crop[..., 1] + crop[..., 3]
    return torch.stack([crop[..., 0], 2 * ground - bottom, crop[..., 2], crop[..., 3]], dim=-1)


def resample(image: Tensor, source: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample images from their source frames into target frames, bilinear, zero outside.

    image: (n, c, h, w); source, target: (n, 4) of positive extent; returns (n, c, *size). Shrinking is antialiased by
    halving the image until it is at most about twice as fine as the target.
    """
    n = image.shape[0]
    rows = (torch.arange(size[0], device=image.device) + 0.5) / size[0]
    columns = (torch.arange(size[1], device=image.device) + 0.5) / size[1]
    x = target[:, 0:1] + columns * target[:, 2:3]
    y = target[:, 1:2] + rows * target[:, 3:4]
    u = (x - source[:, 0:1]) / source[:, 2:3] * 2 - 1
    v = (y - source[:, 1:2]) / source[:, 3:4] * 2 - 1
    grid = torch.stack([u[:, None, :].expand(n, *size), v[:, :, None].expand(n, *size)], dim=-1)
    step = (source[:, 2:] / torch.tensor([image.shape[3], image.shape[2]])).reciprocal() * (
        target[:, 2:] / torch.tensor([size[1], size[0]])
    )
    level = torch.log2(step.mean(dim=1).clamp(min=1e-6)).round().clamp(0, MAX_HALVINGS).long()
    out = image.new_zeros(n, image.shape[1], *size)
    small = image
    for k in range(int(level.max()) + 1 if n else 0):
        if k > 0:
            small = _halved(small)
        chosen = (level == k).nonzero()[:, 0]
        if chosen.numel():
            out[chosen] = F.grid_sample(
                small[chosen], grid[chosen], mode="bilinear", padding_mode="zeros", align_corners=False
            )
    return out


def _halved(image: Tensor) -> Tensor:
    """Half as many pixels in the same frame; dropping the last row of an odd height would shift the picture."""
    h, w = image.shape[-2:]
    if h % 2 == 0 and w % 2 == 0:
        return F.avg_pool2d(image, 2)
    return F.adaptive_avg_pool2d(image, ((h + 1) // 2, (w + 1) // 2))


def resample_rgba(straight: Tensor, source: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample straight RGBA (n, 4, h, w) in 0..1 without fringes; returns *premultiplied* RGBA (n, 4, *size)."""
    alpha = straight[:, 3:4]
    return resample(torch.cat([straight[:, :3] * alpha, alpha], dim=1), source, target, size)


def encode_box(box: Tensor, aspect: Tensor) -> Tensor:
    """Turn boxes (..., 4) in square units into centre, ground line, log height, log aspect, of about unit spread.

    `aspect`: (...,) width of the canvas in square units.
    """
    x, y, w, h = box.unbind(-1)
    centre = ((x + w / 2) / aspect - 0.5) * 4
    ground = (y + h - 0.7) * 6
    return torch.stack([centre, ground, (h.log() + 1.2) * 2, (w / h).log() * 1.5], dim=-1)


def decode_box(units: Tensor, aspect: Tensor) -> Tensor:
    """Inverse of `encode_box`."""
    centre = (units[..., 0] / 4 + 0.5) * aspect
    ground = units[..., 1] / 6 + 0.7
    h = (units[..., 2] / 2 - 1.2).exp()
    w = h * (units[..., 3] / 1.5).exp()
    return torch.stack([centre - w / 2, ground - h, w, h], dim=-1)
