"""From network rows to rasters at document size: details, whole objects, effects masked by what stands behind."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame, mask_effects, over_composite
from psdstudio.engine.conditions import SceneRows, Words, light_value
from psdstudio.engine.guided import calmed
from psdstudio.engine.joining import fitted_to_border, with_alpha, with_known
from psdstudio.engine.pictures import (
    enlarged_look,
    frame_rect,
    opaque,
    pad_colour,
    resized_u8,
    to_tensor,
    to_u8,
    whole_canvas,
)
from psdstudio.engine.references import Reference, with_detail_of
from psdstudio.engine.splitting import SplitObject, fitted_to_picture
from psdstudio.errors import EngineProtocolError
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectResult, Raster

ALPHA_FLOOR, ALPHA_CEILING = 0.05, 0.95
"""Predicted alpha below and above these is clean 0 and 1: a regression never reaches them by itself."""
CALM_RADIUS, CALM_NOISE = 4, 1e-3
"""Half a window in engine pixels, and the variance of what is taken out of a background: the network's grid of cells
and the bands along its border stand in skies and floors as faint unrest; what is stronger is an edge and stays."""
FAINTEST_EFFECT = 0.03
"""Effects nowhere denser than this are absent (matt ground, flying object)."""
FOOT_ALPHA, FOOT_SHARE = 127, 0.02
"""A row of a look belongs to its foot where so much of its width is more opaque than that."""
MOST_GROUNDED = 0.08
"""A look that misses its ground by more than this share of its height is cut or hangs: it stays where it is."""
HIDES = 0.03
"""A layer with more alpha than this changes what is seen of the background."""
UNSEEN_ALPHA = 3
"""Of 255: fainter parts of an effect are not seen, but would make its frame as large as where it was looked for."""


Enlarge = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]
"""Paints a part (4, h, w) in 0..1 that words (384,) name, if possible up to a (height, width); see `detail`."""


@dataclass(slots=True)
class Painted:
    """The network's last prediction in -1..1 by group, the scene it belongs to and what its parts show."""

    scene: SceneRows
    rows: dict[str, Tensor]
    light: Tensor
    words: Words


def clean_alpha(alpha: Tensor) -> Tensor:
    """Stretch predicted alpha so that sure pixels are exactly 0 or 1."""
    return ((alpha - ALPHA_FLOOR) / (ALPHA_CEILING - ALPHA_FLOOR)).clamp(0, 1)


def look_picture(painted: Painted, i: int) -> Tensor | None:
    """Return object i's painted look (4, p, p) in 0..1, or None when it was kept."""
    look = _raw_look(painted, i)
    return None if look is None else _sure_colour(look[:3], clean_alpha(look[3:]))


def _raw_look(painted: Painted, i: int) -> Tensor | None:
    if i not in painted.scene.feed.free_looks:
        return None
    return (painted.rows["look"][0, painted.scene.feed.free_looks.index(i)] + 1) / 2


def _raw_effect(painted: Painted, i: int) -> Tensor | None:
    if i not in painted.scene.feed.free_effects:
        return None
    return (painted.rows["effect"][0, painted.scene.feed.free_effects.index(i)] + 1) / 2


def _sure_colour(colour: Tensor, alpha: Tensor) -> Tensor:
    """Join colour (3, h, w) and alpha; under low alpha the colour of the sure part goes on outward.

    The network's own colour means little there, and resampling would mix it into the edge.
    """
    return pad_colour(torch.cat([colour * alpha, alpha])[None])[0]


def deliver(
    request: GenerationRequest, painted: Painted, enlarge: Enlarge, weights_sha256: str
) -> Generator[int, None, GenerationResult]:
    """Build the result, every free part at document size; yields the number of enlarged parts (see `part_count`)."""
    looks: list[Raster | None] = []
    done = 0
    for i in range(len(request.objects)):
        looks.append(_finished_look(request, painted, i, enlarge))
        if looks[-1] is not None:
            done += 1
            yield done
    background = _finished_background(request, painted, enlarge)
    yield part_count(painted)
    standing = [_standing(request, painted, looks[i], i) for i in range(len(request.objects))]
    effects = [_effects(request, painted, standing, i) for i in range(len(request.objects))]
    if request.picture is not None:
        background, looks, effects = _split(request.picture, background, looks, effects)
    scene, objects = painted.scene, []
    for i, (part, (shadow, reflection)) in enumerate(zip(request.objects, effects, strict=True)):
        objects.append(
            ObjectResult(
                id=part.id,
                box=part.box or _canvas_box(scene.boxes[i], scene.aspect),
                look=looks[i],
                shadow=shadow,
                reflection=reflection,
                effects_made=not part.effects_known,
                library_item=_library_item(scene.references[i]),
            )
        )
    return GenerationResult(
        request=request,
        background=background,
        objects=tuple(objects),
        light=light_value(painted.light),
        composite=composite_raster(request, painted),
        weights_sha256=weights_sha256,
    )


def _library_item(reference: Reference | None) -> str | None:
    return None if reference is None else reference.noun


def _standing(request: GenerationRequest, painted: Painted, made: Raster | None, i: int) -> Raster | None:
    """Return object i as it stands on the canvas when the run is over: painted, kept, or kept in a new place."""
    part = request.objects[i]
    if part.look is None or part.box is not None:
        return made or part.look
    rect = frame_rect(painted.scene.boxes[i], request.size)
    return Raster(rgba=resized_u8(to_tensor(part.look.rgba), rect.width, rect.height), rect=rect)


Effects = tuple[Raster | None, Raster | None]


def _split(
    picture: Raster, background: Raster | None, looks: list[Raster | None], effects: list[Effects]
) -> tuple[Raster, list[Raster | None], list[Effects]]:
    """Give all layers of a split picture the colours with which they give it back."""
    parts = []
    for look, (shadow, reflection) in zip(looks, effects, strict=True):
        if look is None:
            raise EngineProtocolError("an object of a picture that is to be split is kept")
        parts.append(SplitObject(shadow, reflection, look))
    if background is None:
        raise EngineProtocolError("the background of a picture that is to be split is kept")
    ground, fitted = fitted_to_picture(picture, background, parts)
    return ground, [one.look for one in fitted], [(one.shadow, one.reflection) for one in fitted]


def part_count(painted: Painted) -> int:
    """Return the last number that `deliver` yields."""
    return len(painted.scene.feed.free_looks) + 1


def previews(request: GenerationRequest, painted: Painted) -> tuple[tuple[LayerId, Raster], ...]:
    """Return the present prediction of every free look and background at engine size."""
    out: list[tuple[LayerId, Raster]] = []
    size = request.size
    if request.background.look is None:
        picture = (painted.rows["canvas"][0, -1] + 1) / 2
        whole = Rect(0, 0, size.width, size.height)
        native = Size(picture.shape[2], picture.shape[1])
        out.append(
            (request.background.id, Raster(rgba=to_u8(opaque(picture)), rect=whole, native_size=native))
        )
    for i in painted.scene.feed.free_looks:
        look = look_picture(painted, i)
        assert look is not None
        rect = frame_rect(frames.crop_of(painted.scene.boxes[i]), size)
        native = Size(look.shape[2], look.shape[1])
        out.append((request.objects[i].id, Raster(rgba=to_u8(look), rect=rect, native_size=native)))
    return tuple(out)


def composite_raster(request: GenerationRequest, painted: Painted) -> Raster:
    """Return the whole scene at engine size: the global row's own picture, or the stack where there is no such row."""
    canvas = painted.rows.get("canvas")
    painted_whole = canvas is not None and canvas.shape[1] == 2
    picture = (canvas[0, 0] + 1) / 2 if canvas is not None and painted_whole else _stacked(painted)
    whole = Rect(0, 0, request.size.width, request.size.height)
    return Raster(
        rgba=to_u8(opaque(picture)), rect=whole, native_size=Size(picture.shape[2], picture.shape[1])
    )


def _stacked(painted: Painted) -> Tensor:
    """Return all layers over the kept background, (3, h, w) in 0..1."""
    parts = painted.scene.feed.joined(painted.rows)
    return over_composite(parts.background, mask_effects(painted.scene.feed.placed(parts)))[0]


def _finished_look(request: GenerationRequest, painted: Painted, i: int, enlarge: Enlarge) -> Raster | None:
    look = _raw_look(painted, i)
    if look is None:
        return None
    part, box = request.objects[i], painted.scene.boxes[i]
    rect = frame_rect(frames.crop_of(box), request.size)
    look = torch.cat([_sure_colour(look[:3], clean_alpha(look[3:]))[:3], look[3:]])
    reference = painted.scene.references[i]
    if reference is not None and reference.followed:
        picture = _followed(look, reference, box, (rect.height, rect.width))
        native = Size(picture.shape[2], picture.shape[1])
    else:
        big = enlarge(look, painted.words.of_object(i), (rect.height, rect.width))
        picture = _sure_colour(big[:3], clean_alpha(big[3:]))
        native = _detailed_size(look)
    if part.silhouette is not None:
        made = Raster(rgba=resized_u8(picture, rect.width, rect.height), rect=rect, native_size=native)
        return with_alpha(made, part.silhouette)
    made = Raster(rgba=enlarged_look(picture, rect.width, rect.height), rect=rect, native_size=native)
    if part.partial is not None:
        return with_known(made, part.partial)
    # What is cut out of a picture is where the picture shows it.
    return made if request.picture is not None else grounded(made, box, request.size)


def _followed(look: Tensor, reference: Reference, box: Tensor, wanted: tuple[int, int]) -> Tensor:
    """Return a look (4, p, p) as fine as the reference that it follows, or as is `wanted` (height, width)."""
    h, w = (
        max(2 * p, min(finest, size))
        for p, finest, size in zip(look.shape[1:], reference.picture.shape[1:], wanted, strict=True)
    )
    shown = reference.in_crop(box, (look.shape[1], look.shape[2]))
    made = with_detail_of(look, shown, reference.in_crop(box, (h, w)))
    return _sure_colour(made[:3], clean_alpha(made[3:]))


def grounded(look: Raster, box: Tensor, size: Size) -> Raster:
    """Move a painted look up or down by the little that its lower edge misses the lower edge of its box (4,).

    The box says where the ground is, and shadows start there.
    """
    seen = (look.rgba[..., 3] > FOOT_ALPHA).sum(axis=1) >= max(1, FOOT_SHARE * look.rect.width)
    rows = np.flatnonzero(seen)
    if not rows.size:
        return look
    ground = round(float(box[1] + box[3]) * size.height)
    missing = ground - (look.rect.y + int(rows[-1]) + 1)
    if abs(missing) > MOST_GROUNDED * float(box[3]) * size.height:
        return look
    rect = Rect(look.rect.x, look.rect.y + missing, look.rect.width, look.rect.height)
    return Raster(rgba=look.rgba, rect=rect, native_size=look.native_size)


def _detailed_size(painted: Tensor) -> Size:
    """Return how large a part was painted: the first doubling adds detail, those after it only enlarge."""
    return Size(2 * painted.shape[-1], 2 * painted.shape[-2])


def _raster(picture: Tensor, frame: Tensor, size: Size) -> Raster:
    rect = frame_rect(frame, size)
    native = Size(picture.shape[2], picture.shape[1])
    return Raster(rgba=resized_u8(picture, rect.width, rect.height), rect=rect, native_size=native)


def _finished_background(request: GenerationRequest, painted: Painted, enlarge: Enlarge) -> Raster | None:
    if request.background.look is not None:
        return None
    calm = calmed((painted.rows["canvas"][0, -1] + 1) / 2, CALM_RADIUS, CALM_NOISE)
    picture = opaque(calm.clamp(0, 1))
    if request.picture is not None:
        picture = _continued(request.picture, painted, picture)
    size = request.size
    big = enlarge(picture, painted.words.ground[0], (size.height, size.width))
    rgba = resized_u8(opaque(big[:3]), size.width, size.height)
    made = Raster(rgba=rgba, rect=Rect(0, 0, size.width, size.height), native_size=_detailed_size(picture))
    partial = request.background.partial
    return made if partial is None else with_known(made, partial)


def _continued(flat: Raster, painted: Painted, made: Tensor) -> Tensor:
    """Put the flat picture where nothing stands on the background, and fit what is behind things to it."""
    scene, size = painted.scene, Size(flat.rect.width, flat.rect.height)
    canvas = canvas_frame(torch.tensor([scene.aspect]))
    seen = whole_canvas(flat, size, canvas, scene.canvas_px)
    hidden = torch.zeros(scene.canvas_px)
    for one in scene.feed.placed(scene.feed.joined(painted.rows)):
        for alpha in (one.look[0, 3], one.reflection[0, 3], one.density[0, 0]):
            hidden = torch.maximum(hidden, alpha)
    hole = hidden > HIDES
    return torch.where(hole, fitted_to_border(made, seen, hole), seen)


def _canvas_box(box: Tensor, aspect: float) -> BoxF:
    x, y, w, h = (float(v) for v in box)
    return BoxF(x / aspect, y, w / aspect, h)


def _effects(
    request: GenerationRequest, painted: Painted, rasters: list[Raster | None], i: int
) -> tuple[Raster | None, Raster | None]:
    effect = _raw_effect(painted, i)
    if effect is None:
        return None, None
    box = painted.scene.boxes[i]
    density = torch.cat([torch.zeros(3, *effect.shape[1:]), clean_low(effect[:1])])
    mirror = _sure_colour(effect[1:4], clean_low(effect[4:]))
    shadow = _ground_raster(request, rasters, i, density, frames.shadow_frame(box))
    reflection = _ground_raster(request, rasters, i, mirror, frames.reflection_frame(box))
    part = request.objects[i]
    return (None if part.shadow is not None else shadow), (
        None if part.reflection is not None else reflection
    )


def clean_low(alpha: Tensor) -> Tensor:
    """Drop the faint veil that a regression leaves where there is no effect."""
    return ((alpha - FAINTEST_EFFECT) / (1 - FAINTEST_EFFECT)).clamp(0, 1)


def _ground_raster(
    request: GenerationRequest, rasters: list[Raster | None], i: int, picture: Tensor, frame: Tensor
) -> Raster | None:
    """Place an effect on the canvas, cut at its border and masked by the alpha of all objects behind object i."""
    if float(picture[3].max()) < FAINTEST_EFFECT:
        return None
    size = request.size
    full = _raster(picture, frame, size)
    rect = full.rect.intersection(Rect(0, 0, size.width, size.height))
    if rect.is_empty:
        return None
    y, x = rect.y - full.rect.y, rect.x - full.rect.x
    rgba = full.rgba[y : y + rect.height, x : x + rect.width].copy()
    free = np.ones(rgba.shape[:2], np.float32)
    for j in range(i):
        other = rasters[j]
        if other is not None:
            free *= 1 - _alpha_under(other, rect)
    rgba[..., 3] = np.floor(rgba[..., 3] * free + 0.5).astype(np.uint8)
    rgba[..., 3][rgba[..., 3] < UNSEEN_ALPHA] = 0
    return _trimmed(Raster(rgba=rgba, rect=rect, native_size=full.native_size))


def _trimmed(raster: Raster) -> Raster | None:
    """Cut a raster to what is seen of it, so that frames and snapping fit the picture; None when nothing is."""
    seen = raster.rgba[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        return None
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    rect = Rect(raster.rect.x + left, raster.rect.y + top, right - left, bottom - top)
    return Raster(rgba=raster.rgba[top:bottom, left:right].copy(), rect=rect, native_size=raster.native_size)


def _alpha_under(raster: Raster, rect: Rect) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    out = np.zeros((rect.height, rect.width), np.float32)
    part = raster.rect.intersection(rect)
    if not part.is_empty:
        y, x = part.y - raster.rect.y, part.x - raster.rect.x
        alpha = raster.rgba[y : y + part.height, x : x + part.width, 3]
        out[part.y - rect.y : part.bottom - rect.y, part.x - rect.x : part.right - rect.x] = (
            alpha / np.float32(255)
        )
    return out
