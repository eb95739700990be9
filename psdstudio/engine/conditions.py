"""From a request to network rows: words, boxes, known pictures, references, noise. One scene, batch size 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.scene import Light
from psdstudio.engine import frames
from psdstudio.engine.compose import canvas_frame
from psdstudio.engine.feed import SceneFeed
from psdstudio.engine.flow import layer_noise, mixed_seed
from psdstudio.engine.given import Given, show_given
from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.pictures import raster_in_frame, rect_frame, whole_canvas
from psdstudio.engine.plates import Parts, look_plate
from psdstudio.engine.references import Reference, find_reference, reference_plate
from psdstudio.engine.request_given import given_of
from psdstudio.engine.rows import GROUPS, LIGHT_DIM, SEEN_DIM, RowRole, Rows
from psdstudio.engine.sampler import LayoutState
from psdstudio.engine.words import pool_words, scene_words
from psdstudio.gen.request import GenerationRequest
from psdstudio.gen.text_encoder import TextEncoder

MAX_TOKENS = 16
CELLS = 1024
SMALLEST_SIDE = 2e-3
MIN_CELLS_A_SIDE, MAX_CELLS_A_SIDE = 16, 64
EFFECT_SEED, LAYOUT_SEED, CANVAS_SEED = 0x5EED_EFFE, 0x5EED_1A10, 0x5EED_CA4A


def canvas_grid(width: int, height: int) -> tuple[int, int]:
    """Return (rows, columns) of the canvas grid: multiples of 4, about 1,024 cells, nearest to the aspect."""
    aspect = width / height
    columns = 4 * round(math.sqrt(CELLS * aspect) / 4)
    columns = min(MAX_CELLS_A_SIDE, max(MIN_CELLS_A_SIDE, columns))
    rows = min(MAX_CELLS_A_SIDE, max(MIN_CELLS_A_SIDE, 4 * round(columns / aspect / 4)))
    return rows, columns


def canvas_pixels(size: Size, look_px: int) -> tuple[int, int]:
    """Return (height, width) at which a canvas of `size` is painted beside looks of `look_px`."""
    rows, columns = canvas_grid(size.width, size.height)
    cell = look_px // 16
    return rows * cell, columns * cell


def light_units(light: Light) -> Tensor:
    """Return the six numbers the network reads, (1, 6)."""
    a = math.radians(light.azimuth_deg)
    values = (
        math.cos(a), math.sin(a), (light.elevation_deg - 45) / 25, light.softness * 2 - 1,
        (light.horizon - 0.45) * 6, 1.0,
    )  # fmt: skip
    return torch.tensor([values])


def light_value(units: Tensor) -> Light:
    """Inverse of `light_units` for a prediction (1, 6), clamped to what the renderer can show."""
    c, s, elevation, softness, horizon, _ = (float(v) for v in units[0])
    return Light(
        azimuth_deg=math.degrees(math.atan2(s, c)),
        elevation_deg=min(85.0, max(10.0, elevation * 25 + 45)),
        softness=min(1.0, max(0.0, (softness + 1) / 2)),
        horizon=min(0.95, max(0.05, horizon / 6 + 0.45)),
    )


@dataclass(slots=True)
class Words:
    """Token states of one request: per object, for the background and for the whole scene; each (16, 384) and mask."""

    objects: list[tuple[Tensor, Tensor]]
    background: tuple[Tensor, Tensor]
    scene: tuple[Tensor, Tensor]

    @property
    def ground(self) -> Tensor:
        """Pooled words of the background, (1, 384)."""
        return pool_words(self.background[0][None], self.background[1][None])

    def of_object(self, i: int) -> Tensor:
        """Pooled words of object i, (384,)."""
        states, mask = self.objects[i]
        return pool_words(states, mask)


def encode_words(request: GenerationRequest, encoder: TextEncoder) -> Words:
    """Encode all words of a request in one batch."""
    texts = [p.engine_words for p in request.objects] + [request.background.engine_words]
    states, mask = encoder.encode_tokens(texts, max_tokens=MAX_TOKENS)
    rows = [(torch.from_numpy(s), torch.from_numpy(m)) for s, m in zip(states, mask, strict=True)]
    *objects, background = rows
    ground = pool_words(background[0][None], background[1][None])
    all_states = torch.stack([r[0] for r in rows])[None, :-1]
    all_masks = torch.stack([r[1] for r in rows])[None, :-1]
    scene, scene_mask = scene_words(all_states, all_masks, ground, MAX_TOKENS)
    return Words(objects, background, (scene[0], scene_mask[0]))


def box_units(box: BoxF, aspect: float) -> Tensor:
    """Return a canvas-fraction box in square units (4,), of positive extent: a pixel of a large canvas is next to 0."""
    width, height = max(SMALLEST_SIDE, box.width * aspect), max(SMALLEST_SIDE, box.height)
    return torch.tensor([box.x * aspect, box.y, width, height])


def layout_state(
    request: GenerationRequest, words: Words, references: Sequence[Reference | None], attempt: int = 0
) -> LayoutState:
    """Prepare the layout path: known boxes (users', kept looks') clean, the others pure noise from their own seeds.

    What is known of a look, or followed (`references`, one for each object), gives its box the shape. Every `attempt`
    starts from other noise for the boxes.
    """
    k, aspect = len(request.objects), request.size.width / request.size.height
    x = torch.zeros(1, k, 4, 1, 1)
    known = torch.zeros(1, k, dtype=torch.bool)
    shapes = torch.full((1, k), torch.nan)
    for i, part in enumerate(request.objects):
        if part.box is None:
            x[0, i, :, 0, 0] = layer_noise((4,), mixed_seed(part.seed, LAYOUT_SEED + attempt))
            if part.look is not None:
                there = rect_frame(part.look.rect, request.size)[0]
                shapes[0, i] = frames.encode_box(there, torch.tensor(aspect))[3]
            elif (reference := references[i]) is not None and reference.followed:
                own = torch.tensor([0.0, 0.0, reference.aspect, 1.0])
                shapes[0, i] = frames.encode_box(own, torch.tensor(aspect))[3]
        else:
            known[0, i] = True
            x[0, i, :, 0, 0] = frames.encode_box(box_units(part.box, aspect), torch.tensor(aspect))
    light = layer_noise((LIGHT_DIM,), mixed_seed(request.background.seed, LAYOUT_SEED))[None]
    if request.light is not None:
        light = light_units(request.light)
    rows = _rows(
        "layout", x, torch.zeros(1, k, 0, 1, 1), [RowRole.LAYOUT] * k, list(range(1, k + 1)),
        torch.tensor([0.0, 0.0, aspect, 1.0]).expand(1, k, 4), words.objects,
    )  # fmt: skip
    rows.known = known
    return LayoutState(rows, light, request.light is not None, words.ground, shapes)


@dataclass(slots=True)
class SceneRows:
    """Rows of one scene split into known (encoded once) and free (denoised), and what delivery needs.

    `feed` shows the rows to one another and knows which looks and effects are free. `boxes`: (k, 4) square units.
    `seeds`: of the free rows, by group. `references`: what guides each object's look.
    """

    known: list[Rows]
    free: list[Rows]
    feed: SceneFeed
    boxes: Tensor
    aspect: float
    canvas_px: tuple[int, int]
    references: list[Reference | None] = field(default_factory=list)
    seeds: dict[str, list[int]] = field(default_factory=dict)


def references_of(request: GenerationRequest, library: ReferenceLibrary) -> list[Reference | None]:
    """Return what guides the look of each object."""
    if request.picture is not None:
        # What is cut out of a picture is to look like the picture.
        return [None] * len(request.objects)
    return [find_reference(part, library) for part in request.objects]


def scene_rows(
    request: GenerationRequest,
    words: Words,
    boxes: Tensor,
    light: Tensor,
    *,
    look_px: int,
    references: Sequence[Reference | None],
) -> SceneRows:
    """Build all rows of a request whose boxes (k, 4, square units) and light (1, 6) are decided.

    `references`: what guides the look of each object (`references_of`).
    """
    size, aspect = request.size, request.size.width / request.size.height
    canvas_px = canvas_pixels(size, look_px)
    feed = _feed(request, boxes, light, canvas_px, look_px)
    out = SceneRows([], [], feed, boxes, aspect, canvas_px, list(references))
    given = given_of(request, boxes, canvas_px, look_px)
    _add_canvas(out, request, words, given)
    if request.objects:
        plates = [reference_plate(one, box, look_px) for one, box in zip(references, boxes, strict=True)]
        _add_looks(out, request, words, torch.stack(plates))
        _add_effects(out, request, words)
    show_given(out.free, given, boxes[None], out.feed.kept.aspect)
    out.feed.start(out.known + out.free)
    return out


def _feed(
    request: GenerationRequest, boxes: Tensor, light: Tensor, canvas_px: tuple[int, int], look_px: int
) -> SceneFeed:
    """Gather what is kept, at engine size."""
    size, aspect = request.size, torch.tensor([request.size.width / request.size.height])
    parts, crops = request.objects, frames.crop_of(boxes)
    looks = torch.zeros(len(parts), 4, look_px, look_px)
    effects = torch.zeros(len(parts), 5, look_px // 2, look_px // 2)
    for i, part in enumerate(parts):
        if part.look is not None:
            # A look that is to be put somewhere else is still where it was.
            crop = crops[i : i + 1] if part.box else frames.crop_of(rect_frame(part.look.rect, size))
            looks[i] = raster_in_frame(part.look, size, crop, look_px)
        if part.effects_known:
            effects[i] = _effect_state(request, boxes, i, look_px // 2)
    has_ground = request.background.look is not None
    background = torch.zeros(3, *canvas_px)
    if has_ground:
        assert request.background.look is not None
        background = whole_canvas(request.background.look, size, canvas_frame(aspect), canvas_px)[:3]
    shown = [part.look is not None for part in parts]
    cast = [part.effects_known for part in parts]
    kept = Parts(
        background=background[None], ground=torch.tensor([has_ground]), looks=looks[None],
        shown=torch.tensor([shown], dtype=torch.bool).reshape(1, -1), effects=effects[None],
        cast=torch.tensor([cast], dtype=torch.bool).reshape(1, -1), boxes=boxes[None], aspect=aspect, light=light,
    )  # fmt: skip
    free_looks = [i for i, known in enumerate(shown) if not known]
    return SceneFeed(kept, free_looks, [i for i, known in enumerate(cast) if not known])


def canvas_known(request: GenerationRequest, canvas_px: tuple[int, int], words: Words) -> Rows | None:
    """Return the canvas row that is known before anything is painted: the background, or the picture to be split."""
    aspect = torch.tensor([request.size.width / request.size.height])
    if request.picture is not None:
        role, picture, said = RowRole.COMPOSITE, request.picture, words.scene
    elif request.background.look is not None:
        role, picture, said = RowRole.BACKGROUND, request.background.look, words.background
    else:
        return None
    clean = whole_canvas(picture, request.size, canvas_frame(aspect), canvas_px)[None, None, :3]
    plate = torch.zeros(1, 1, GROUPS["canvas"].plate, *canvas_px)
    rows = _rows("canvas", clean * 2 - 1, plate, [role], [0], torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), [said])
    return _as_known(rows)


def _add_canvas(out: SceneRows, request: GenerationRequest, words: Words, given: Given) -> None:
    """Add the composite and the background, as far as they are known or wanted.

    Over a kept background, or one that is only mended, nobody asks for the global row's picture, and it would be most
    of the work: every row then sees what is kept in its plate. A picture to be split is the global row, and known.
    """
    known = canvas_known(request, out.canvas_px, words)
    if known is not None:
        out.known.append(known)
        if request.picture is None:
            return
    h, w = out.canvas_px
    ground_alone = known is not None or given.ground is not None
    seed = mixed_seed(request.background.seed, CANVAS_SEED)
    seeds = out.seeds["canvas"] = (
        [request.background.seed] if ground_alone else [seed, request.background.seed]
    )
    r = len(seeds)
    free = _rows(
        "canvas", torch.stack([layer_noise((3, h, w), s) for s in seeds])[None],
        torch.zeros(1, r, GROUPS["canvas"].plate, h, w), [RowRole.COMPOSITE, RowRole.BACKGROUND][-r:], [0] * r,
        torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, r, 4), [words.scene, words.background][-r:],
    )  # fmt: skip
    out.free.append(free)


def _add_looks(out: SceneRows, request: GenerationRequest, words: Words, references: Tensor) -> None:
    plates = look_plate(references, [part.engine_words for part in request.objects])
    crops = _fractions(frames.crop_of(out.boxes), out.aspect)
    shape, free = (4, *references.shape[-2:]), out.feed.free_looks
    for at, known in ((_others(free, len(request.objects)), True), (free, False)):
        if not at:
            continue
        states = out.feed.kept.looks[:, at] * 2 - 1
        if not known:
            seeds = out.seeds["look"] = [request.objects[i].seed for i in at]
            states = torch.stack([layer_noise(shape, seed) for seed in seeds])[None]
        rows = _rows(
            "look", states, plates[at][None], [RowRole.LOOK] * len(at), [i + 1 for i in at], crops[at][None],
            [words.objects[i] for i in at],
        )  # fmt: skip
        (out.known if known else out.free).append(_as_known(rows) if known else rows)


def _add_effects(out: SceneRows, request: GenerationRequest, words: Words) -> None:
    frames_of = _fractions(frames.shadow_frame(out.boxes), out.aspect)
    shape, free = tuple(out.feed.kept.effects.shape[2:]), out.feed.free_effects
    for at, known in ((_others(free, len(request.objects)), True), (free, False)):
        if not at:
            continue
        states = out.feed.kept.effects[:, at] * 2 - 1
        if not known:
            seeds = out.seeds["effect"] = [mixed_seed(request.objects[i].seed, EFFECT_SEED) for i in at]
            states = torch.stack([layer_noise(shape, seed) for seed in seeds])[None]
        plate = torch.zeros(1, len(at), GROUPS["effect"].plate, *shape[1:])
        rows = _rows(
            "effect", states, plate, [RowRole.EFFECT] * len(at), [i + 1 for i in at], frames_of[at][None],
            [words.objects[i] for i in at],
        )  # fmt: skip
        (out.known if known else out.free).append(_as_known(rows) if known else rows)


def _others(free: Sequence[int], count: int) -> list[int]:
    return [i for i in range(count) if i not in free]


def _effect_state(request: GenerationRequest, boxes: Tensor, i: int, px: int) -> Tensor:
    """Return the kept effects of object i in their frames, (5, px, px) in 0..1."""
    part, box = request.objects[i], boxes[i : i + 1]
    out = torch.zeros(5, px, px)
    if part.shadow is not None:
        out[:1] = raster_in_frame(part.shadow, request.size, frames.shadow_frame(box), px)[3:]
    if part.reflection is not None:
        out[1:] = raster_in_frame(part.reflection, request.size, frames.reflection_frame(box), px)
    return out


def _fractions(box: Tensor, aspect: float) -> Tensor:
    return box / torch.tensor([aspect, 1.0, aspect, 1.0])


def _as_known(rows: Rows) -> Rows:
    rows.known = torch.ones_like(rows.known)
    return rows


def _rows(
    group: str, x: Tensor, plate: Tensor, roles: Sequence[RowRole], index: Sequence[int], box: Tensor,
    words: Sequence[tuple[Tensor, Tensor]],
) -> Rows:  # fmt: skip
    r = x.shape[1]
    states = torch.stack([w[0] for w in words])[None] if words else torch.zeros(1, 0, MAX_TOKENS, 384)
    masks = (
        torch.stack([w[1] for w in words])[None] if words else torch.zeros(1, 0, MAX_TOKENS, dtype=torch.bool)
    )
    return Rows(
        group=group, x=x, guess=torch.zeros_like(x), plate=plate, seen=torch.zeros(1, SEEN_DIM),
        noise=torch.zeros(1, r),
        role=torch.tensor([int(role) for role in roles], dtype=torch.long),
        index=torch.tensor([list(index)], dtype=torch.long),
        box=box, words=states, word_mask=masks, known=torch.zeros(1, r, dtype=torch.bool),
        present=torch.ones(1, r, dtype=torch.bool),
    )  # fmt: skip
