"""The measures on path-traced truth: light as it really falls, on models that no network of ours was trained on.

`evaluation_calibration` states the measures' error on our own renderer, whose rule they invert. Here the light was
traced, so the figures also hold what that rule leaves out: depth of things, shadows on one another and on walls,
light from the sky. `traced_neighbours` asks for the swapped neighbours of such scenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.conditions import canvas_grid
from psdstudio.engine.network import SceneNet
from psdstudio.engine.pictures import frame_rect, resized_u8, to_u8
from psdstudio.gen.request import Raster
from psdstudio.training.evaluation_layers import CROP_PX, ObjectPixels, footings
from psdstudio.training.evaluation_light import light_figures, scene_light
from psdstudio.training.evaluation_measures import Pair, fog_share, psnr, ratio_with_interval
from psdstudio.training.evaluation_neighbours import BATCH, SceneSource, swapped_neighbours
from psdstudio.training.layouts import Layout, Placement
from psdstudio.training.looks import plan_look
from psdstudio.training.scene_truth import SceneTruth
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.traced_truth import TracedScene
from psdstudio.training.words import WordBank
from psdstudio.training.world import draw_world

TRACED_FOLDER = Path("tests/data/traced")
AGREEMENT = "true layers put together against the true whole, dB"
STACK = "the same with black shadow layers for all effects, dB"
FOG = "fog outside the boundary band"
NEIGHBOUR_PARTS = ("look", "background")
"""Not the effects: mirror images of traced floors are in the pictures, but no layer's truth."""


def traced_figures(scenes: Sequence[TracedScene]) -> Mapping[str, dict[str, float]]:
    """Return the figures of light and ground as read off true layers, and how well the layers make the whole."""
    lights = []
    layered: list[Pair] = []
    stacked: list[Pair] = []
    fog: list[Pair] = []
    for scene in scenes:
        read = footings(traced_objects(scene), scene.size, scene.light.horizon)
        lights.append(scene_light(read, scene.light.azimuth_deg % 360))
        layered.append((psnr(scene.stacked(mirror_images=True), scene.composite), 1.0))
        stacked.append((psnr(scene.stacked(mirror_images=False), scene.composite), 1.0))
        looks = scene.looks(CROP_PX)
        fog.append((sum(fog_share(look) for look in looks), float(len(looks))))
    return {
        **light_figures(lights),
        FOG: ratio_with_interval(fog),
        AGREEMENT: ratio_with_interval(layered),
        STACK: ratio_with_interval(stacked),
    }


def traced_objects(scene: TracedScene) -> list[ObjectPixels]:
    """Return the true objects as an engine would deliver them on this canvas, back to front."""
    whole, out = Rect(0, 0, scene.size.width, scene.size.height), []
    behind = torch.zeros(scene.size.height, scene.size.width)
    looks = scene.looks(CROP_PX)
    for i, box in enumerate(scene.boxes):
        rect = frame_rect(frames.crop_of(box), scene.size)
        look = Raster(rgba=resized_u8(looks[i], rect.width, rect.height), rect=rect)
        # A shadow layer lies on the ground: whoever stands behind covers it (`compose.mask_effects`).
        density = (scene.shadows[i] * (1 - behind))[None]
        rgba = to_u8(torch.cat([density.new_zeros(3, *density.shape[1:]), density]))
        shadow = Raster(rgba=rgba, rect=whole) if bool(np.any(rgba[..., 3])) else None
        out.append(ObjectPixels(LayerId(f"object {i}"), box, look, shadow))
        behind = behind + (1 - behind) * scene.canvas_looks[i, 3]
    return out


def traced_neighbours(
    net: SceneNet,
    library: SpriteLibrary,
    bank: WordBank,
    scenes: Sequence[TracedScene],
    *,
    count: int,
    look_px: int,
) -> dict[str, dict[str, float]]:
    """Return how often right neighbours are preferred to swapped ones (`evaluation_neighbours`) on traced scenes.

    Only scenes of two or three things whose nouns are in the library count; empty when there are too few of them.
    """
    known = [s for s in scenes if all(noun in library.by_noun for noun in s.nouns)]
    by_count = {k: alike for k in (2, 3) if len(alike := [s for s in known if len(s.nouns) == k]) >= BATCH}
    if not by_count:
        return {}
    source = _traced_source(by_count, library, look_px)
    return swapped_neighbours(
        net, library, bank, scenes=count, look_px=look_px, source=source, parts=NEIGHBOUR_PARTS
    )


def _traced_source(
    by_count: Mapping[int, Sequence[TracedScene]], library: SpriteLibrary, look_px: int
) -> SceneSource:
    def draw(rng: np.random.Generator, part: str) -> tuple[SceneTruth, int]:
        k = int(rng.choice(list(by_count)))
        chosen = rng.choice(len(by_count[k]), BATCH, replace=False)
        return as_truth([by_count[k][i] for i in chosen], library, look_px), int(rng.integers(k))

    return draw


def as_truth(scenes: Sequence[TracedScene], library: SpriteLibrary, look_px: int) -> SceneTruth:
    """Return scenes of equally many objects as the training renders them; effects hold shadows and no mirror images.

    A layout lends the words; its drawings are any of the right noun, for what is seen comes from the pictures.
    """
    rows, columns = canvas_grid(scenes[0].size.width, scenes[0].size.height)
    canvas = (rows * (look_px // 16), columns * (look_px // 16))
    shadows = torch.stack([s.shadow_rows(look_px // 2) for s in scenes])
    blank = torch.zeros(*shadows.shape[:2], 4, *shadows.shape[2:])

    def shrunk(pictures: list[torch.Tensor]) -> torch.Tensor:
        return F.interpolate(torch.stack(pictures), size=canvas, mode="area")

    return SceneTruth(
        layouts=[_words_of(s, library) for s in scenes],
        background=shrunk([s.background for s in scenes]),
        composite=shrunk([s.composite for s in scenes]),
        looks=torch.stack([s.looks(look_px) for s in scenes]),
        effects=torch.cat([shadows[:, :, None], blank], dim=2),
        boxes=torch.stack([s.boxes for s in scenes]),
        aspect=torch.tensor([s.aspect for s in scenes]),
        light=torch.tensor([s.light.light_vector() for s in scenes]),
    )


def _words_of(scene: TracedScene, library: SpriteLibrary) -> Layout:
    rng = np.random.default_rng(scene.number)
    world = replace(
        draw_world(rng),
        words=scene.words,
        azimuth_deg=scene.light.azimuth_deg,
        elevation_deg=scene.light.elevation_deg,
        softness=scene.light.softness,
        horizon=scene.light.horizon,
    )
    placed = []
    for noun, box in zip(scene.nouns, scene.boxes.tolist(), strict=True):
        sprite = library.by_noun[noun][0]
        look = plan_look(sprite, None, world.gain, world.shade, rng)
        placed.append(Placement(sprite, look, noun, (box[0], box[1], box[2], box[3]), standing=True))
    return Layout(world, tuple(placed), scene.words, scene.aspect)
