"""Numbers on pictures: alpha that is neither in nor out, empty and full layers, agreement of two pictures, intervals.

Definitions: methods in Xu et al. 1703.03872 for mattes; the share of fog outside the boundary band is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

U8Array = npt.NDArray[np.uint8]
Pair = tuple[float, float]

FOG = (0.02, 0.98)
BAND = 0.03
"""Half width of the boundary band, in edges of the picture."""
EMPTY_COVER, FULL_COVER = 0.03, 0.90
"""Mean alpha of a crop: below nothing was painted, above no outline. A full box covers 0.74 of its crop."""
RESAMPLES = 2000


def straight(rgba: U8Array) -> Tensor:
    """Return (4, h, w) float32 in 0..1 of (h, w, 4) uint8."""
    return torch.from_numpy(np.array(rgba)).permute(2, 0, 1).float() / 255


def cover(look: Tensor) -> float:
    """Return the mean alpha of a look (4, h, w)."""
    return float(look[3].mean())


def fog_share(look: Tensor) -> float:
    """Return the share of pixels of a look (4, h, w) with alpha between 0.02 and 0.98 outside the boundary band."""
    alpha = look[3][None, None]
    radius = max(1, round(BAND * max(alpha.shape[-2:])))
    inside = (alpha > 0.5).float()
    grown = F.max_pool2d(inside, 2 * radius + 1, stride=1, padding=radius)
    # Padding of max pooling is minus infinity: beyond the edge counts as neither in nor out.
    shrunk = -F.max_pool2d(-inside, 2 * radius + 1, stride=1, padding=radius)
    between = (alpha > FOG[0]) & (alpha < FOG[1]) & (grown == shrunk)
    return float(between.float().mean())


def psnr(a: Tensor, b: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of two pictures (3, h, w) in 0..1, at most 60."""
    error = float(((a - b) ** 2).mean())
    return float(min(60.0, -10 * np.log10(max(error, 1e-6))))


def resized_to(picture: Tensor, height: int, width: int) -> Tensor:
    """Resize (3, h, w), antialiased."""
    return F.interpolate(
        picture[None], size=(height, width), mode="bilinear", antialias=True, align_corners=False
    )[0]


def ratio_with_interval(scenes: Sequence[Pair], seed: int = 5) -> dict[str, float]:
    """Return sum(a) / sum(b) over scenes of pairs (a, b) with a 95 % interval by bootstrap over scenes.

    A share: a = how many are right, b = how many there are. A mean: b = 1.
    """
    if not scenes or sum(b for _, b in scenes) == 0:
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0.0}
    table = np.array(scenes, np.float64)
    draws = np.random.default_rng(seed).integers(0, len(table), (RESAMPLES, len(table)))
    sums = table[draws].sum(1)
    ratios = sums[:, 0] / np.maximum(sums[:, 1], 1e-9)
    low, high = np.percentile(ratios[sums[:, 1] > 0], [2.5, 97.5])
    total = table.sum(0)
    return {
        "value": round(float(total[0] / total[1]), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "n": float(total[1]),
    }


def median_with_interval(scenes: Sequence[Sequence[float]], seed: int = 5) -> dict[str, float]:
    """Return the median of all values of all scenes with a 95 % interval by bootstrap over scenes."""
    filled = [np.array(values, np.float64) for values in scenes if len(values)]
    if not filled:
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0.0}
    draws = np.random.default_rng(seed).integers(0, len(filled), (RESAMPLES, len(filled)))
    medians = [float(np.median(np.concatenate([filled[i] for i in draw]))) for draw in draws]
    low, high = np.percentile(medians, [2.5, 97.5])
    together = np.concatenate(filled)
    return {
        "value": round(float(np.median(together)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "n": float(len(together)),
    }
