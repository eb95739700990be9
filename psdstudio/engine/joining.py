"""Known pixels put back over painted ones at document size, without a seam where the two meet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.geometry import Rect
from psdstudio.engine.pictures import pad_colour, to_tensor, to_u8
from psdstudio.gen.request import PartlyKnown, Raster

SEAM_MARGIN = 96
"""Pixels around the hole whose mistakes are carried into it."""


def moved_to(raster: Raster, rect: Rect) -> Raster:
    """Return the pixels of `raster` that lie in `rect`, clear where it does not reach."""
    rgba = np.zeros((rect.height, rect.width, 4), np.uint8)
    part = raster.rect.intersection(rect)
    if not part.is_empty:
        y, x = part.y - raster.rect.y, part.x - raster.rect.x
        rgba[part.y - rect.y : part.bottom - rect.y, part.x - rect.x : part.right - rect.x] = raster.rgba[
            y : y + part.height, x : x + part.width
        ]
    return Raster(rgba=rgba, rect=rect, native_size=raster.native_size)


def with_alpha(made: Raster, silhouette: Raster) -> Raster:
    """Return the colours of `made` under the very alpha of `silhouette`; past its own alpha colour goes on outward."""
    there = moved_to(made, silhouette.rect)
    picture = to_tensor(there.rgba)
    rgba = to_u8(pad_colour(torch.cat([picture[:3] * picture[3:], picture[3:]])[None])[0])
    rgba[..., 3] = silhouette.rgba[..., 3]
    rgba[rgba[..., 3] == 0] = 0
    return Raster(rgba=rgba, rect=silhouette.rect, native_size=made.native_size)


def with_known(made: Raster, partial: PartlyKnown) -> Raster:
    """Return the known pixels as they are and in the hole what was made, fitted to its border.

    What the painted picture gets wrong along the border is carried into the hole and fades inward: membrane
    interpolation (Perez et al. 2003, "Poisson image editing", section 2) by push-pull.
    """
    known = partial.raster
    there = moved_to(made, known.rect)
    rows, columns = (np.flatnonzero(partial.unknown.any(axis=axis)) for axis in (1, 0))
    top, left = max(0, rows[0] - SEAM_MARGIN), max(0, columns[0] - SEAM_MARGIN)
    near = np.s_[top : rows[-1] + 1 + SEAM_MARGIN, left : columns[-1] + 1 + SEAM_MARGIN]
    hole = torch.from_numpy(partial.unknown[near])
    fitted = fitted_to_border(to_tensor(there.rgba[near]), to_tensor(known.rgba[near]), hole)
    rgba = known.rgba.copy()
    rgba[near][partial.unknown[near]] = to_u8(fitted)[partial.unknown[near]]
    return Raster(rgba=rgba, rect=known.rect, native_size=made.native_size)


def fitted_to_border(made: Tensor, known: Tensor, hole: Tensor) -> Tensor:
    """Add to `made` (4, h, w) the smooth continuation into `hole` (h, w) of known - made from around it."""
    sure = ((~hole) & (known[3] > 0.5) & (made[3] > 0.5)).float()
    if not bool(sure.any()):
        return made
    error = (known[:3] - made[:3] + 1) / 2
    carried = pad_colour(torch.cat([error * sure, sure[None]])[None])[0, :3] * 2 - 1
    return torch.cat([(made[:3] + carried).clamp(0, 1), made[3:]])
