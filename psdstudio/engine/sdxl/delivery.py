"""From the decoded rows of the photoreal engine to the layers of a document.

Every free row shows the whole canvas at its own size (the bucket, or larger after the second pass). Here objects are
parted from their shadows, trimmed, brought to document size and joined with what was known of them; kept layers are
only looked at, to mask shadows that fall behind them.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Light
from psdstudio.engine.joining import with_alpha, with_known
from psdstudio.engine.pictures import pad_colour, resized_u8, to_tensor
from psdstudio.engine.sdxl.effects import split_effects
from psdstudio.engine.sdxl.rasters import box_of, masked_by, painted_raster, trimmed_raster, whole_raster
from psdstudio.engine.sdxl.shadow_light import NEUTRAL_LIGHT, light_of_shadow
from psdstudio.errors import EngineProtocolError
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectPart, ObjectResult, Raster

ALPHA_FLOOR, ALPHA_CEILING = 0.01, 0.99
"""Decoded alpha below and above these is clean 0 and 1: a decoder hardly reaches them."""
EMPTY_ALPHA, EMPTY_SHARE = 0.1, 1e-3
"""A layer of which less than this share of the canvas is denser than this alpha came out empty."""
FULL_ALPHA, FULL_SHARE = 0.9, 0.95
"""A layer of which more than this share is denser than this alpha was not cut out."""
MISPLACED = 0.15
"""A painted object that shares less than this with the box it was given (intersection over union) stands elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintedScene:
    """What the decoders made of the free rows, in 0..1 float32 on the CPU.

    Attributes:
        composite: (3, h, w).
        background: (3, h, w); None when it is kept.
        looks: (4, h, w) straight RGBA of every object that is not kept.
        boxes: Where the layout path put objects; needed of kept looks that are to be put somewhere else.
    """

    composite: Tensor
    background: Tensor | None
    looks: Mapping[LayerId, Tensor]
    boxes: Mapping[LayerId, BoxF] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Finished:
    """One object: its new look, its shadow before masking, its box, and the light with how much shadow told of it."""

    look: Raster | None
    shadow: Raster | None
    box: BoxF
    light: tuple[float, Light] | None
    notes: tuple[str, ...] = ()


def deliver(
    request: GenerationRequest, painted: PaintedScene, weights_sha256: str, *, notes: tuple[str, ...] = ()
) -> Generator[int, None, GenerationResult]:
    """Build the result, every free part at document size; yields how many of `part_count` parts are finished.

    Raises:
        EngineProtocolError: A free part was not painted, or nobody says where a kept look is to stand.
    """
    finished: list[_Finished] = []
    for part in request.objects:
        finished.append(_object(request, painted, part))
        yield len(finished)
    background = _background(request, painted)
    yield part_count(request)
    standing = [
        _standing(request.size, part, one) for part, one in zip(request.objects, finished, strict=True)
    ]
    objects = []
    for i, (part, one) in enumerate(zip(request.objects, finished, strict=True)):
        shadow = None if one.shadow is None else masked_by(one.shadow, standing[:i])
        objects.append(
            ObjectResult(
                id=part.id,
                box=one.box,
                look=one.look,
                shadow=shadow,
                effects_made=_makes_effects(part, shadow),
            )
        )
    return GenerationResult(
        request=request,
        background=background,
        objects=tuple(objects),
        light=_light(request, finished),
        composite=painted_raster(painted.composite, request.size),
        weights_sha256=weights_sha256,
        notes=notes + tuple(note for one in finished for note in one.notes),
    )


def part_count(request: GenerationRequest) -> int:
    """Return the last number that `deliver` yields."""
    return len(request.objects) + 1


def previews(
    request: GenerationRequest, painted: PaintedScene
) -> tuple[tuple[tuple[LayerId, Raster], ...], Raster]:
    """Return every free layer and the composite as they are painted at present, at engine size."""
    out: list[tuple[LayerId, Raster]] = []
    if painted.background is not None:
        out.append((request.background.id, painted_raster(painted.background, request.size)))
    for part in request.objects:
        if part.look is None and part.id in painted.looks:
            out.append((part.id, painted_raster(_clean(painted.looks[part.id]), request.size)))
    return tuple(out), painted_raster(painted.composite, request.size)


def _makes_effects(part: ObjectPart, shadow: Raster | None) -> bool:
    """Whether the object's effects are new. What keeps its outline keeps its shadow, unless another one was painted."""
    if part.effects_known or part.look is not None:
        return False
    return shadow is not None or (part.silhouette is None and part.partial is None)


def _object(request: GenerationRequest, painted: PaintedScene, part: ObjectPart) -> _Finished:
    if part.look is not None:
        box = part.box or painted.boxes.get(part.id)
        if box is None:
            raise EngineProtocolError(f"nobody says where the kept look of {part.id} is to stand")
        return _Finished(look=None, shadow=None, box=box, light=None, notes=_stays(part))
    if part.id not in painted.looks:
        raise EngineProtocolError(f"{part.id} is free and was not painted")
    rgba = _clean(painted.looks[part.id])
    if (bad := _failing(rgba)) is not None and part.silhouette is None and part.partial is None:
        return _failed(request, painted, part, rgba, bad)
    parts = split_effects(rgba)
    look = _sure_colour(rgba) if parts is None else parts.look
    shadow = light = None
    if parts is not None:
        black = torch.cat([torch.zeros(3, *parts.density.shape), parts.density[None]])
        light = (float(parts.density.sum()), light_of_shadow(parts.density, parts.shadow))
        if not part.effects_known and part.shadow is None:
            shadow = trimmed_raster(black, request.size)
    made = trimmed_raster(look, request.size)
    box = part.box or box_of(look)
    if made is None or box is None:
        if part.silhouette is None and part.partial is None:
            return _failed(request, painted, part, rgba, _EMPTY)
        made, box = Raster(rgba=np.zeros((1, 1, 4), np.uint8), rect=Rect(0, 0, 1, 1)), part.box
        assert box is not None, "a look that is known in part has a box"
    if part.silhouette is not None:
        made = with_alpha(made, part.silhouette)
    elif part.partial is not None:
        made = with_known(made, part.partial)
    return _Finished(look=made, shadow=shadow, box=box, light=light, notes=_elsewhere(part, box_of(look)))


def _stays(part: ObjectPart) -> tuple[str, ...]:
    if part.effects_known or part.box is None:
        return ()
    return (
        f"“{part.name}” is kept and so is its shadow: this engine paints a shadow together with its object.",
    )


_EMPTY = "“{name}” came out empty; try another seed."
_FULL = "“{name}” fills the whole canvas and is not cut out; try another seed, or words for one single thing."


def _failing(rgba: Tensor) -> str | None:
    """Return what to say of a row that shows no single object; None when it does."""
    if float((rgba[3] > EMPTY_ALPHA).float().mean()) < EMPTY_SHARE:
        return _EMPTY
    if float((rgba[3] > FULL_ALPHA).float().mean()) > FULL_SHARE:
        return _FULL
    return None


def _failed(
    request: GenerationRequest, painted: PaintedScene, part: ObjectPart, rgba: Tensor, note: str
) -> _Finished:
    """Deliver an empty or uncut layer as it is, and say so: the user sees it and asks for another."""
    box = part.box or painted.boxes.get(part.id) or BoxF(0.0, 0.0, 1.0, 1.0)
    look = trimmed_raster(_sure_colour(rgba), request.size)
    if look is None:
        look = Raster(rgba=np.zeros((1, 1, 4), np.uint8), rect=Rect(*box.to_rect(request.size).origin, 1, 1))
    return _Finished(look=look, shadow=None, box=box, light=None, notes=(note.format(name=part.name),))


def _elsewhere(part: ObjectPart, stands: BoxF | None) -> tuple[str, ...]:
    if part.box is None or stands is None or part.silhouette is not None or part.partial is not None:
        return ()
    if _shared(part.box, stands) >= MISPLACED:
        return ()
    return (f"“{part.name}” does not stand where its box is; try another seed or more layout guidance.",)


def _shared(a: BoxF, b: BoxF) -> float:
    """Intersection over union."""
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    common = max(0.0, across) * max(0.0, down)
    return common / max(1e-9, a.width * a.height + b.width * b.height - common)


def _background(request: GenerationRequest, painted: PaintedScene) -> Raster | None:
    if request.background.look is not None:
        return None
    if painted.background is None:
        raise EngineProtocolError("the background is free and was not painted")
    made = whole_raster(painted.background, request.size)
    partial = request.background.partial
    return made if partial is None else with_known(made, partial)


def _standing(canvas: Size, part: ObjectPart, one: _Finished) -> Raster:
    """Return an object as it stands on the canvas when the run is over: painted, kept, or kept in a new place."""
    if one.look is not None:
        return one.look
    assert part.look is not None
    if part.box is not None:
        return part.look
    rect = one.box.to_rect(canvas)
    return Raster(rgba=resized_u8(to_tensor(part.look.rgba), rect.width, rect.height), rect=rect)


def _light(request: GenerationRequest, finished: list[_Finished]) -> Light:
    """Return the light that the most shadow was thrown by; else the one asked for, else a neutral one."""
    if request.light is not None:
        return request.light
    thrown = [one.light for one in finished if one.light is not None]
    return max(thrown, key=lambda pair: pair[0])[1] if thrown else NEUTRAL_LIGHT


def _clean(rgba: Tensor) -> Tensor:
    """Stretch decoded alpha so that sure pixels are exactly 0 or 1."""
    alpha = ((rgba[3:] - ALPHA_FLOOR) / (ALPHA_CEILING - ALPHA_FLOOR)).clamp(0, 1)
    return torch.cat([rgba[:3].clamp(0, 1), alpha])


def _sure_colour(rgba: Tensor) -> Tensor:
    """Let the colour of the sure part go on outward under low alpha, where a decoder's own means little."""
    return pad_colour(torch.cat([rgba[:3] * rgba[3:], rgba[3:]])[None])[0]
