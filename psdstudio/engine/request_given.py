"""What a request says of parts pixel by pixel, at engine size: see `given.Given`."""

from __future__ import annotations

import torch
from torch import Tensor

from psdstudio.core.geometry import Size
from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame
from psdstudio.engine.given import Given
from psdstudio.engine.pictures import raster_in_frame, rect_frame, whole_canvas
from psdstudio.gen.request import GenerationRequest, ObjectPart, PartlyKnown

HARDLY = 0.01
"""A pixel of engine size of which less than this is unknown counts as known."""


def given_of(request: GenerationRequest, boxes: Tensor, canvas_px: tuple[int, int], look_px: int) -> Given:
    """Resample the known pixels of a request's parts; boxes: (k, 4) in square units."""
    given, size = Given(), request.size
    canvas = canvas_frame(torch.tensor([size.width / size.height]))
    if request.picture is not None:
        picture = whole_canvas(request.picture, size, canvas, canvas_px)[:3]
        given.picture = torch.cat([picture, torch.ones_like(picture[:1])])[None]
    if (partial := request.background.partial) is not None:
        ground = whole_canvas(partial.raster, size, canvas, canvas_px)[:3]
        inside = torch.ones(1, 1, *partial.unknown.shape)
        covered = frames.resample(inside, rect_frame(partial.raster.rect, size), canvas, canvas_px)[0]
        known = (unknown_share(partial, size, canvas, canvas_px) < HARDLY) & (covered > 1 - HARDLY)
        given.ground = torch.cat([ground, known.float()])[None]
    if any(part.silhouette is not None or part.partial is not None for part in request.objects):
        crops = frames.crop_of(boxes)
        looks = [_look(part, size, crops[i : i + 1], look_px) for i, part in enumerate(request.objects)]
        given.looks = torch.stack(looks)[None]
    return given


def unknown_share(partial: PartlyKnown, size: Size, frame: Tensor, size_px: tuple[int, int]) -> Tensor:
    """Return how much of every pixel of a frame (1, 4) is unknown: (1, *size_px) in 0..1; nothing off the raster."""
    mask = torch.from_numpy(partial.unknown).float()[None, None]
    return frames.resample(mask, rect_frame(partial.raster.rect, size), frame, size_px)[0]


def _look(part: ObjectPart, size: Size, crop: Tensor, px: int) -> Tensor:
    """Return what is known of a look: (6, px, px), colour, where it is known, alpha, where that is known."""
    nothing, everything = torch.zeros(1, px, px), torch.ones(1, px, px)
    if part.silhouette is not None:
        picture = raster_in_frame(part.silhouette, size, crop, px)
        return torch.cat([picture[:3], nothing, picture[3:], everything])
    if part.partial is not None:
        picture = raster_in_frame(part.partial.raster, size, crop, px)
        known = (unknown_share(part.partial, size, crop, (px, px)) < HARDLY).float()
        return torch.cat([picture[:3], known, picture[3:], known])
    return torch.zeros(6, px, px)
