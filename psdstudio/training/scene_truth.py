"""Rendered truth of layered scenes: every row of the network and the composite over the very same layers, batched."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from psdstudio.engine.compose import Placed, mask_effects, over_composite, place_object
from psdstudio.training.backgrounds import paint_background
from psdstudio.training.effects import render_effects
from psdstudio.training.layouts import Layout
from psdstudio.training.looks import render_looks
from psdstudio.training.sprites import SpriteLibrary

RENDERER_VERSION = 4


@dataclass(slots=True)
class SceneTruth:
    """b scenes with k objects each; pictures 0..1, straight alpha, boxes in square units.

    background, composite: (b, 3, h, w); looks: (b, k, 4, p, p); effects: (b, k, 5, q, q); boxes: (b, k, 4);
    aspect: (b,); light: (b, 6); placed: the objects on the canvas with masked effects, back to front.
    """

    layouts: list[Layout]
    background: Tensor
    composite: Tensor
    looks: Tensor
    effects: Tensor
    boxes: Tensor
    aspect: Tensor
    light: Tensor


def render_scenes(
    library: SpriteLibrary, layouts: list[Layout], *, canvas: tuple[int, int], look_px: int
) -> SceneTruth:
    """Render layouts (all with equally many objects and one aspect) at a canvas of (height, width) pixels."""
    b, k = len(layouts), len(layouts[0].objects)
    plans = [p.look for layout in layouts for p in layout.objects]
    worlds = [layout.world for layout in layouts for _ in layout.objects]
    looks = render_looks(library.pixels, plans, look_px)
    boxes = torch.tensor([p.box for layout in layouts for p in layout.objects])
    standing = torch.tensor([float(p.standing) for layout in layouts for p in layout.objects])
    effects = render_effects(looks, boxes, worlds, standing, look_px // 2)
    background = torch.stack([paint_background(layout.world, *canvas) for layout in layouts])
    aspect = torch.full((b,), canvas[1] / canvas[0])
    truth = SceneTruth(
        layouts=layouts,
        background=background,
        composite=background,
        looks=torch.unflatten(looks, 0, (b, k)),
        effects=torch.unflatten(effects, 0, (b, k)),
        boxes=torch.unflatten(boxes, 0, (b, k)),
        aspect=aspect,
        light=torch.tensor([layout.world.light_vector() for layout in layouts]),
    )
    truth.composite = over_composite(background, mask_effects(placed_objects(truth, canvas)))
    return truth


def placed_objects(truth: SceneTruth, canvas: tuple[int, int]) -> list[Placed]:
    """Return the true objects resampled onto the canvas, back to front (effects not masked)."""
    return [
        place_object(truth.looks[:, i], truth.effects[:, i], truth.boxes[:, i], truth.aspect, canvas)
        for i in range(truth.looks.shape[1])
    ]
