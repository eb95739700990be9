"""Rendered scenes of which one part is free, as a request; and how well a regenerated part suits those that stayed.

Exposure and warmth of a rendered scene are said by no word and no number: only its other parts tell them. A part that
was regenerated beside them should therefore come near the true part's mean colour and brightness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.pictures import frame_rect, opaque, to_u8
from psdstudio.engine.plates import Parts
from psdstudio.engine.recolouring import LUMINANCE
from psdstudio.gen.request import BackgroundPart, GenerationRequest, ObjectPart, Raster, Sampling
from psdstudio.training.evaluation_methods import Outcome, Painter, Setting, density_rgba, setting_of
from psdstudio.training.layouts import Layout, draw_layout
from psdstudio.training.looks import COLOURS
from psdstudio.training.scene_truth import SceneTruth, render_scenes
from psdstudio.training.sprites import SpriteLibrary

KEPT_SEED = 990_231
SIZE = Size(1024, 1024)
"""Kept pictures lie on whole pixels of the canvas; on a large one that moves them by nothing worth measuring."""
PARTS = ("look", "background", "effect")
GRID = 32
FEWEST, MOST = 2, 4
DARKEST = 1 / 255


@dataclass(slots=True)
class FreePart:
    """One rendered scene with one free part: "look" or "effect" of object `number`, or "background"."""

    part: str
    number: int
    noun: str
    colour: str | None
    setting: Setting
    truth: SceneTruth


def free_part_setting(
    painter: Painter, library: SpriteLibrary, part: str, number: int, sampling: Sampling
) -> FreePart:
    """Render scene `number` of the test and keep all of it but `part` (and the effects that depend on it)."""
    rng = np.random.default_rng([KEPT_SEED, PARTS.index(part), number])
    count = int(rng.integers(FEWEST, MOST + 1))
    j = int(rng.integers(count))
    layout = _layout(library, rng, count, j if part == "effect" else None)
    side = GRID * painter.look_px // 16
    truth = render_scenes(library, [layout], canvas=(side, side), look_px=painter.look_px)
    request = kept_request(truth, part, j, rng, sampling)
    words = layout.objects[j].words
    return FreePart(
        part=part,
        number=j,
        noun=layout.objects[j].sprite.noun,
        colour=next((colour for colour in COLOURS if colour in words.split()), None),
        setting=setting_of(painter, request, truth.boxes[0], truth.light),
        truth=truth,
    )


def kept_request(
    truth: SceneTruth, part: str, j: int, rng: np.random.Generator, sampling: Sampling
) -> GenerationRequest:
    """Return the request that keeps everything of a truth (a batch of one) but `part` of object j."""
    layout, objects = truth.layouts[0], []
    for i, placed in enumerate(layout.objects):
        free_look = part == "look" and i == j
        known_effects = part != "background" and i != j
        box, effect = truth.boxes[0, i], truth.effects[0, i]
        x, y, w, h = (float(v) for v in box)
        objects.append(
            ObjectPart(
                id=LayerId(f"object {i}"),
                name=placed.sprite.noun,
                engine_words=placed.words,
                seed=int(rng.integers(2**62)),
                box=BoxF(x / layout.aspect, y, w / layout.aspect, h),
                look=None if free_look else _raster(truth.looks[0, i], frames.crop_of(box)),
                shadow=_raster(density_rgba(effect), frames.shadow_frame(box)) if known_effects else None,
                reflection=_raster(effect[1:], frames.reflection_frame(box)) if known_effects else None,
                effects_known=known_effects,
                use_library=False,
            )
        )
    ground = Raster(rgba=to_u8(opaque(truth.background[0])), rect=Rect(0, 0, SIZE.width, SIZE.height))
    return GenerationRequest(
        run_id="baselines",
        engine="embedded",
        size=SIZE,
        scene_words=layout.words,
        background=BackgroundPart(
            id=LayerId("background"),
            engine_words=layout.world.words,
            seed=int(rng.integers(2**62)),
            look=None if part == "background" else ground,
        ),
        objects=tuple(objects),
        sampling=sampling,
    )


def true_outcome(truth: SceneTruth) -> Outcome:
    """Return the truth as if it had been painted, at no cost: how well the measures could come out."""
    b, k = truth.boxes.shape[:2]
    parts = Parts(
        background=truth.background, ground=torch.ones(b, dtype=torch.bool), looks=truth.looks,
        shown=torch.ones(b, k, dtype=torch.bool), effects=truth.effects,
        cast=torch.ones(b, k, dtype=torch.bool), boxes=truth.boxes, aspect=truth.aspect, light=truth.light,
    )  # fmt: skip
    return Outcome(parts, truth.composite[0], 0)


def agreement(free: FreePart, outcome: Outcome) -> dict[str, float]:
    """Return how far the regenerated part is off the true one; smaller suits better.

    Colours: mean over the part, root mean square of the channels' differences, of 255. Brightness: per cent of the
    true part's. Shadow: mean absolute difference of density over its frame, of 255.
    """
    true = true_outcome(free.truth).parts
    if free.part == "effect":
        off = outcome.parts.effects[0, free.number, 0] - true.effects[0, free.number, 0]
        return {"shadow off the true one, of 255": 255 * float(off.abs().mean())}
    made, wanted = mean_colour(free, outcome.parts), mean_colour(free, true)
    return {
        "mean colour off the true one, of 255": _apart(made, wanted),
        "brightness off the true one, %": 100 * abs(math.log(_bright(made) / _bright(wanted))),
    }


def detail(free: FreePart, parts: Parts) -> float:
    """Return the mean step between neighbouring pixels of the free look (premultiplied) or background, of 255."""
    picture = parts.background[0]
    if free.part == "look":
        look = parts.looks[0, free.number]
        picture = look[:3] * look[3:]
    return 255 * float(picture.diff(dim=1).abs().mean() + picture.diff(dim=2).abs().mean())


def mean_colour(free: FreePart, parts: Parts) -> Tensor:
    """Return the mean colour (3,) of the free look (weighted by alpha) or background."""
    if free.part == "background":
        return parts.background[0].mean((1, 2))
    return _look_colour(parts.looks[0, free.number])


def _look_colour(look: Tensor) -> Tensor:
    return (look[:3] * look[3:]).sum((1, 2)) / look[3].sum().clamp(min=1e-3)


def _apart(a: Tensor, b: Tensor) -> float:
    return 255 * float((a - b).square().mean().sqrt())


def _bright(colour: Tensor) -> float:
    return max(DARKEST, float((colour * torch.tensor(LUMINANCE)).sum()))


def _layout(library: SpriteLibrary, rng: np.random.Generator, count: int, standing: int | None) -> Layout:
    """Draw a layout; where `standing` is given, that object touches the ground (it has a shadow)."""
    while True:
        layout = draw_layout(library, rng, count, 1.0)
        if standing is None or layout.objects[standing].standing:
            return layout


def _raster(picture: Tensor, frame: Tensor) -> Raster:
    return Raster(rgba=to_u8(picture), rect=frame_rect(frame, SIZE))
