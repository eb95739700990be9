"""From a request to the rows of a scene: what is known becomes latents, what the user placed becomes layout maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine.flow import mixed_seed
from psdstudio.engine.sdxl.canvas import (
    LATENT_SCALE,
    layout_of_box,
    layout_of_silhouette,
    on_canvas,
    unknown_latents,
)
from psdstudio.engine.sdxl.rows import MAP_SCALE, RowIdentity, RowRole, SceneRow
from psdstudio.gen.model_files import LoraUse
from psdstudio.gen.request import GenerationRequest, ObjectPart, Raster, U8Rgba

COMPOSITE_SALT = 0x9E37_79B9_7F4A_7C15
"""Mixed into the run's seed for the composite's noise, which is no layer's."""
CHANGED_AROUND = 0.25
"""Beyond the box of a free object, by this share of its size, the composite may change: there its shadow falls."""
REFERENCE_SHARE = 0.6
"""A reference of an object without a box is laid in the middle, as large as this share of the canvas."""

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """How pictures become latents (4, h/8, w/8): opaque ones (3, h, w), transparent ones (4, h, w), all in 0..1.

    `image_tokens` makes of a reference (4, h, w) the tokens of an IP-Adapter; None where the user has none.
    """

    opaque: Encode
    transparent: Encode
    image_tokens: Encode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAdapterNames:
    """Which adapters act on which rows: on all of them, and on objects besides."""

    every: Mapping[str, float] = field(default_factory=dict)
    objects: Mapping[str, float] = field(default_factory=dict)


def scene_rows(
    request: GenerationRequest, bucket: Size, encoders: Encoders, adapters: RowAdapterNames, *, trained: bool
) -> tuple[SceneRow, ...]:
    """Return `[composite, background, object_1 .. object_K]`.

    Where the model is untrained for kept rows (`trained` is False), what the composite shows of kept layers is held
    as well: everything outside the boxes of the free objects (methods.md 4.6, step 4). A trained one predicts the
    composite whole.
    """
    background = _background_row(request, bucket, encoders, adapters)
    objects = [_object_row(request, i, bucket, encoders, adapters) for i in range(len(request.objects))]
    held = None if trained else _held_composite(request, bucket, encoders)
    composite = SceneRow(
        identity=RowIdentity(role=RowRole.COMPOSITE),
        id=None,
        words="",  # it reads those of all layers
        negative=request.background.negative_words,
        seed=mixed_seed(request.seed, COMPOSITE_SALT),
        adapters=dict(adapters.every),
        latents=held,
        unknown=None if held is None else _changing(request, bucket),
    )
    return (composite, background, *objects)


def _background_row(
    request: GenerationRequest, bucket: Size, encoders: Encoders, adapters: RowAdapterNames
) -> SceneRow:
    part, latents, unknown = request.background, None, None
    known = part.look if part.partial is None else part.partial.raster
    if known is not None:
        latents = encoders.opaque(_on_white(on_canvas(known, request.size, bucket)))
    if part.partial is not None:
        unknown = unknown_latents(part.partial, request.size, bucket)
    return SceneRow(
        identity=RowIdentity(role=RowRole.BACKGROUND, kept=part.look is not None),
        id=part.id,
        words=part.engine_words,
        negative=part.negative_words,
        seed=part.seed,
        adapters=_acting(adapters.every, {}, part.loras),
        latents=latents,
        unknown=unknown,
    )


def _object_row(
    request: GenerationRequest, i: int, bucket: Size, encoders: Encoders, adapters: RowAdapterNames
) -> SceneRow:
    part, latents, unknown = request.objects[i], None, None
    known = part.look if part.partial is None else part.partial.raster
    if known is not None:
        latents = encoders.transparent(on_canvas(known, request.size, bucket))
    if part.partial is not None:
        unknown = unknown_latents(part.partial, request.size, bucket)
    guided = part.look is None and part.reference is not None
    picture = _reference_on_canvas(part, bucket) if guided else None
    tokens = reference = None
    if picture is not None and encoders.image_tokens is not None and part.reference is not None:
        tokens = encoders.image_tokens(_straight(part.reference))
    elif picture is not None:
        reference = encoders.transparent(picture)
    return SceneRow(
        identity=RowIdentity(role=RowRole.OBJECT, order=i + 1, kept=part.look is not None),
        id=part.id,
        words=part.engine_words,
        negative=part.negative_words,
        seed=part.seed,
        adapters=_acting(adapters.every, adapters.objects, part.loras),
        latents=latents,
        unknown=unknown,
        layout=_layout(part, request.size, bucket),
        reference=reference,
        image_tokens=tokens,
    )


def _acting(
    every: Mapping[str, float], also: Mapping[str, float], loras: tuple[LoraUse, ...]
) -> dict[str, float]:
    """Return all adapters of a row; a LoRA that is named twice acts with the sum of its weights."""
    out = {**every, **also}
    for use in loras:
        out[use.title] = out.get(use.title, 0.0) + use.weight
    return out


def _layout(part: ObjectPart, canvas: Size, bucket: Size) -> Tensor | None:
    """Return where an object is: as it is kept or outlined, else its box."""
    if (shape := part.look or part.silhouette) is not None:
        return layout_of_silhouette(shape, canvas, bucket)
    return None if part.box is None else layout_of_box(part.box, bucket)


def _reference_on_canvas(part: ObjectPart, bucket: Size) -> Tensor:
    """Return the reference of an object where the object is to be, straight RGBA (4, h, w) at the bucket's size."""
    assert part.reference is not None
    high, wide = part.reference.shape[:2]
    side = REFERENCE_SHARE
    box = part.box or BoxF((1 - side) / 2, (1 - side) / 2, side, side)
    room = (box.width * bucket.width, box.height * bucket.height)
    scale = min(room[0] / wide, room[1] / high)
    width, height = max(1, round(wide * scale)), max(1, round(high * scale))
    left = round((box.x + box.width / 2) * bucket.width - width / 2)
    foot = round((box.y + box.height) * bucket.height)
    rect = Rect(left, foot - height, width, height)
    shown = F.interpolate(_premultiplied(part.reference)[None], size=(height, width), mode="area")[0]
    pixels = torch.cat([shown[:3] / shown[3:].clamp(min=1e-4), shown[3:]]).clamp(0, 1)
    rgba = (pixels * 255 + 0.5).byte().permute(1, 2, 0).contiguous().numpy()
    return on_canvas(Raster(rgba=rgba, rect=rect), bucket, bucket)


def _straight(rgba: U8Rgba) -> Tensor:
    return torch.from_numpy(rgba.copy()).permute(2, 0, 1).float() / 255


def _premultiplied(rgba: U8Rgba) -> Tensor:
    straight = _straight(rgba)
    return torch.cat([straight[:3] * straight[3:], straight[3:]])


def _held_composite(request: GenerationRequest, bucket: Size, encoders: Encoders) -> Tensor | None:
    """Return the latents of all kept layers stacked; None where the background is free or all of it may change."""
    if request.background.look is None or _changing(request, bucket) is None:
        return None
    return encoders.opaque(kept_stack(request, bucket))


def kept_stack(request: GenerationRequest, bucket: Size) -> Tensor:
    """Return the kept layers over the kept background, (3, h, w) in 0..1: shadows multiply, the rest lies over."""
    assert request.background.look is not None
    picture = _on_white(on_canvas(request.background.look, request.size, bucket))
    for part in request.objects:
        if part.look is None:
            continue
        if part.shadow is not None:
            picture = picture * (1 - on_canvas(part.shadow, request.size, bucket)[3:])
        for layer in (part.reflection, part.look):
            if layer is not None:
                rgba = on_canvas(layer, request.size, bucket)
                picture = picture * (1 - rgba[3:]) + rgba[:3] * rgba[3:]
    return picture


def _on_white(rgba: Tensor) -> Tensor:
    return rgba[:3] * rgba[3:] + (1 - rgba[3:])


def _changing(request: GenerationRequest, bucket: Size) -> Tensor | None:
    """Return where free objects may change the composite, (h/8, w/8) of 0 and 1; None where one may be anywhere."""
    free = [part for part in request.objects if part.look is None]
    if not free or any(part.box is None for part in free):
        return None
    maps = [layout_of_box(_grown(part.box), bucket) for part in free if part.box is not None]
    covered = torch.stack(maps).amax(0) > 0
    size = (bucket.height // LATENT_SCALE, bucket.width // LATENT_SCALE)
    assert covered.shape == (size[0] // MAP_SCALE, size[1] // MAP_SCALE)
    return F.interpolate(covered.float()[None, None], size=size)[0, 0]


def _grown(box: BoxF) -> BoxF:
    wide, high = box.width * CHANGED_AROUND, box.height * CHANGED_AROUND
    return BoxF(box.x - wide, box.y - high, box.width + 2 * wide, box.height + 2 * high)


def used_loras(request: GenerationRequest) -> tuple[str, ...]:
    """Return the titles of all LoRAs that the layers of a request name, each once, in their order."""
    uses = chain(request.background.loras, *(part.loras for part in request.objects))
    return tuple(dict.fromkeys(use.title for use in uses))
