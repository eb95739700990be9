"""The picture that guides a look: the user's own, or the library's for the noun."""

from __future__ import annotations

import torch
from torch import Tensor

from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.pictures import pad_colour, to_tensor
from psdstudio.engine.rows import REFERENCE_PLATE
from psdstudio.gen.request import ObjectPart


def reference_plate(
    part: ObjectPart, library: ReferenceLibrary, px: int, items: dict[LayerId, str]
) -> Tensor:
    """Return (5, px, px): the picture that guides a look in -1..1, and 1 where there is one; `items` notes its noun."""
    plate = torch.zeros(REFERENCE_PLATE, px, px)
    picture: Tensor | None = None
    if part.look is not None or part.partial is not None:
        return plate
    if part.reference is not None:
        picture = _cropped_reference(to_tensor(part.reference), px)
    elif part.use_library and (noun := library.find(part.engine_words)) is not None:
        items[part.id] = noun
        picture = library.picture(noun)
        if picture.shape[-1] != px:
            picture = torch.nn.functional.interpolate(picture[None], size=(px, px), mode="area")[0]
    if picture is not None:
        plate[:4] = picture * 2 - 1
        plate[4] = 1.0
    return plate


def _cropped_reference(rgba: Tensor, px: int) -> Tensor:
    """Cut the user's picture to its crop frame, as looks are cut."""
    ys, xs = (rgba[3] > 0.03).nonzero(as_tuple=True)
    if ys.numel() == 0:
        return torch.zeros(4, px, px)
    h = float(rgba.shape[1])
    left, top, right, bottom = (float(v) for v in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    box = torch.tensor([[left, top, right - left, bottom - top]])
    source = torch.tensor([[0.0, 0.0, rgba.shape[2] / h, 1.0]])
    return pad_colour(frames.resample_rgba(rgba[None], source, frames.crop_of(box / h), (px, px)))[0]
