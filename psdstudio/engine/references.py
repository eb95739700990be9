"""The picture that guides a look: the user's own, or the library's for the noun."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine import frames
from psdstudio.engine.guided import affine_of
from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.pictures import pad_colour, to_tensor
from psdstudio.engine.recolouring import recoloured
from psdstudio.engine.rows import FOLLOWED, LOOSE, REFERENCE_PLATE
from psdstudio.gen.colours import named_colour
from psdstudio.gen.request import ObjectPart

MAX_REFERENCE_PX = 2048
"""A picture of the user is taken no finer than that; what stands larger on the canvas is enlarged."""
MIRRORED = 0.5
"""Share of the seeds that turn a library picture round, so that not every fox looks to the left."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture (4, h, w) in 0..1, straight, with padded colour, over the crop (`frames.crop_of`) of its alpha box.

    `aspect` is the width of that box by its height. Where it is `followed` the look is the thing itself under the
    scene's light, otherwise another one of its kind. `noun` names a library picture.
    """

    picture: Tensor
    aspect: float
    followed: bool
    noun: str | None = None

    def in_crop(self, box: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the picture (4, *size) in the crop of `box` (4,): as large as that allows, on its lower edge."""
        x, y, w, h = box.unbind(-1)
        height = torch.minimum(h, w / self.aspect)
        width = height * self.aspect
        own = torch.stack([x + (w - width) / 2, y + h - height, width, height])
        source, target = frames.crop_of(own)[None], frames.crop_of(box)[None]
        premul = frames.resample_rgba(self.picture[None], source, target, size)
        return pad_colour(premul)[0]


def find_reference(part: ObjectPart, library: ReferenceLibrary) -> Reference | None:
    """Return what guides the look of `part`; None where it is known or nothing guides it."""
    if part.look is not None or part.partial is not None:
        return None
    # Inside an outline that is kept there is no room for the thing itself.
    followed = part.follow_reference and part.silhouette is None
    if part.reference is not None:
        return _of_user(to_tensor(part.reference), followed=followed)
    noun = library.find(part.engine_words) if part.use_library else None
    if noun is None:
        return None
    picture = library.picture(noun)
    if np.random.default_rng(part.seed).random() < MIRRORED:
        picture = picture.flip(-1)
    if (colour := named_colour(part.engine_words)) is not None:
        paint = torch.tensor(colour).view(1, 3, 1, 1)
        picture = torch.cat([recoloured(picture[None], paint)[0], picture[3:]])
    return Reference(picture, library.aspect(noun), followed, noun)


def reference_plate(reference: Reference | None, box: Tensor, px: int) -> Tensor:
    """Return (5, px, px): the picture in -1..1 in the crop of `box` (4,), and how near the look is to stay to it."""
    plate = torch.zeros(REFERENCE_PLATE, px, px)
    if reference is not None:
        plate[:4] = reference.in_crop(box, (px, px)) * 2 - 1
        plate[4] = FOLLOWED if reference.followed else LOOSE
    return plate


def _of_user(rgba: Tensor, *, followed: bool) -> Reference | None:
    """Cut the user's picture (4, h, w) to its crop frame, as looks are cut; None where it is clear everywhere."""
    ys, xs = (rgba[3] > 0.03).nonzero(as_tuple=True)
    if ys.numel() == 0:
        return None
    h = float(rgba.shape[1])
    left, top, right, bottom = (float(v) for v in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    box = torch.tensor([[left, top, right - left, bottom - top]]) / h
    crop = frames.crop_of(box)
    most = min(1.0, MAX_REFERENCE_PX / (h * float(crop[0, 2:].max())))
    width, height = (max(1, round(h * float(side) * most)) for side in crop[0, 2:])
    source = torch.tensor([[0.0, 0.0, rgba.shape[2] / h, 1.0]])
    picture = pad_colour(frames.resample_rgba(rgba[None], source, crop, (height, width)))[0]
    return Reference(picture, float(box[0, 2] / box[0, 3]), followed)


GUIDE_RADIUS, GUIDE_NOISE = 2, 1e-3
"""Half a window in pixels of the look, and the variance (of 0..1) below which a reference says nothing (epsilon)."""


def with_detail_of(look: Tensor, shown: Tensor, fine: Tensor) -> Tensor:
    """Return a painted look (4, p, p) at the size of `fine` (4, h, w), with the detail of the reference it follows.

    `shown` (4, p, p) is the reference as the network saw it, `fine` the same picture finer; all straight, 0..1, colour
    padded. Guided upsampling (He and Sun, "Fast Guided Filter", 1505.00996, eq. 4-6): in every window the look is an
    affine function of the reference, which is then asked of the finer one. Light and colour of the look stay, and where
    it departs from the reference it stays as it is.
    """
    size = fine.shape[-2:]
    slope, offset = affine_of(shown[:3], look[:3], GUIDE_RADIUS, GUIDE_NOISE)
    alpha_slope, alpha_offset = affine_of(shown[3:], look[3:], GUIDE_RADIUS, GUIDE_NOISE)
    colour = torch.einsum("cghw,ghw->chw", _upsampled(slope, size), fine[:3]) + _upsampled(offset, size)
    alpha = _upsampled(alpha_slope, size)[0] * fine[3:] + _upsampled(alpha_offset, size)
    return torch.cat([colour, alpha]).clamp(0, 1)


def _upsampled(x: Tensor, size: tuple[int, ...]) -> Tensor:
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=size, mode="bilinear", align_corners=False)
    return out.reshape(*x.shape[:-2], *size)
