"""Measures of the verbs on rendered truth: splitting, filling behind, contacts. Pictures 0..1, straight alpha.

Definitions: alpha soft IoU and masked colour as in LayerD (2509.25134); shadow RMSE in the shadow's region and balanced
error rate as in DESOBAv2 (2308.09972). The plain inpainting that a network must beat is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.core.geometry import Rect, Size
from psdstudio.engine.pictures import pad_colour, to_tensor
from psdstudio.gen.request import Raster

SHADOW_SEEN = 0.06
"""Density from which on a pixel counts as shadow."""
MOST_DB = 60.0


def on_canvas(raster: Raster | None, size: Size) -> Tensor:
    """Return a raster on an empty canvas: premultiplied RGBA (4, h, w); all zero where there is none.

    Raises:
        ValueError: the raster's pixels are not those of its rectangle.
    """
    out = torch.zeros(4, size.height, size.width)
    if raster is None:
        return out
    if raster.rgba.shape[:2] != (raster.rect.height, raster.rect.width):
        raise ValueError(f"a raster of {raster.rgba.shape} pixels for {raster.rect}")
    part = raster.rect.intersection(Rect(0, 0, size.width, size.height))
    if not part.is_empty:
        y, x = part.y - raster.rect.y, part.x - raster.rect.x
        cut = to_tensor(raster.rgba[y : y + part.height, x : x + part.width])
        cut[:3] *= cut[3:]
        out[:, part.y : part.bottom, part.x : part.right] = cut
    return out


def stacked(
    background: Raster, objects: Sequence[tuple[Raster | None, Raster | None, Raster | None]], size: Size
) -> Tensor:
    """Return the picture (3, h, w) of a background under objects (shadow, reflection, look), back to front.

    Shadows are black in Multiply, the others Normal; effects come masked by what stands behind.
    """
    picture = on_canvas(background, size)[:3]
    for shadow, reflection, look in objects:
        picture = picture * (1 - on_canvas(shadow, size)[3:])
        for raster in (reflection, look):
            premul = on_canvas(raster, size)
            picture = premul[:3] + picture * (1 - premul[3:])
    return picture


def alpha_iou(made: Tensor, true: Tensor) -> float:
    """Return the soft intersection over union of two alphas (h, w); 1 when both are empty."""
    union = float(torch.maximum(made, true).sum())
    return float(torch.minimum(made, true).sum()) / union if union > 0 else 1.0


def masked_colour_error(made: Tensor, true: Tensor) -> float:
    """Return the mean absolute colour difference, of 255, of two premultiplied RGBA (4, h, w) where both are seen.

    Weighted by the smaller alpha; 255 when they nowhere overlap.
    """
    weight = torch.minimum(made[3], true[3])
    total = float(weight.sum())
    if total < 1:
        return 255.0
    off = (made[:3] / made[3:].clamp(min=1e-3) - true[:3] / true[3:].clamp(min=1e-3)).abs().mean(0)
    return 255 * float((off * weight).sum()) / total


def psnr_in(made: Tensor, true: Tensor, where: Tensor) -> float:
    """Return the PSNR in dB, at most 60, of two pictures (c, h, w) over the pixels `where` (h, w) is True.

    Raises:
        ValueError: it is True nowhere.
    """
    if not bool(where.any()):
        raise ValueError("no pixel to compare")
    error = float(((made - true) ** 2)[:, where].mean())
    return min(MOST_DB, -10 * float(np.log10(max(error, 1e-9))))


def nearest_padding(picture: Tensor, unknown: Tensor) -> Tensor:
    """Fill the unknown (h, w) pixels of (c, h, w) from the nearest known ones, ring by ring from the edge of the hole.

    Every ring is the mean of its neighbours that are already filled. The plainest inpainting there is.

    Raises:
        ValueError: nothing is known.
    """
    if bool(unknown.all()):
        raise ValueError("nothing is known of the picture")
    known = (~unknown).float()[None, None]
    filled = picture[None] * known
    kernel = torch.ones(1, 1, 3, 3)
    channels = picture.shape[0]
    while bool((known == 0).any()):
        count = F.conv2d(known, kernel, padding=1)
        around = F.conv2d(filled, kernel.expand(channels, 1, 3, 3), padding=1, groups=channels)
        ring = (known == 0) & (count > 0)
        filled = torch.where(ring, around / count.clamp(min=1), filled)
        known = torch.where(ring, torch.ones_like(known), known)
    return filled[0]


def smooth_padding(picture: Tensor, unknown: Tensor) -> Tensor:
    """Fill the unknown (h, w) pixels of (3, h, w) by push-pull (see `engine.pictures.pad_colour`)."""
    known = (~unknown).float()[None]
    return torch.where(unknown, pad_colour(torch.cat([picture * known, known])[None])[0, :3], picture)


def shadow_rmse(made: Tensor, true: Tensor, visible: Tensor) -> float | None:
    """Return the RMSE, of 255, of two densities (h, w) where the true one is seen; None when it is nowhere."""
    region = (true > SHADOW_SEEN) & visible
    if not bool(region.any()):
        return None
    return 255 * float((made - true)[region].square().mean().sqrt())


def balanced_error_rate(made: Tensor, true: Tensor, visible: Tensor) -> float | None:
    """Return the mean, in 0..1, of the shares of true shadow missed and of free ground darkened; None without both."""
    dark, painted = (true > SHADOW_SEEN) & visible, (made > SHADOW_SEEN) & visible
    light = ~dark & visible
    if not bool(dark.any()) or not bool(light.any()):
        return None
    missed = 1 - float((painted & dark).sum()) / float(dark.sum())
    added = float((painted & light).sum()) / float(light.sum())
    return (missed + added) / 2
