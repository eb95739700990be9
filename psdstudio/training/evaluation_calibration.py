"""The measures on rendered truth, by drawings that training never saw: their own error, stated beside every result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from psdstudio.engine.pictures import to_tensor
from psdstudio.gen.request import Raster
from psdstudio.training.edge_rise import inner_rise, outline_rise
from psdstudio.training.evaluation_layers import footings, truth_objects
from psdstudio.training.evaluation_light import SceneLight, light_figures, scene_light
from psdstudio.training.evaluation_measures import fog_share, median_with_interval, ratio_with_interval
from psdstudio.training.evaluation_runs import CANVAS
from psdstudio.training.layouts import draw_layout
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.sprites import SpriteLibrary

CALIBRATION_SEED = 990_061
TRUTH_PX = 128
OUTLINE = "outline, 10-90 % rise, median px of 128"
INNER = "inner edges, 10-90 % rise, median px of 128"
FOG = "fog outside the boundary band"


def truth_figures(library: SpriteLibrary, scenes: int) -> Mapping[str, dict[str, float]]:
    """Return the figures of light, ground, edges and alpha over rendered scenes of two and three objects."""
    lights: list[SceneLight] = []
    fog: list[tuple[float, float]] = []
    outlines: list[list[float]] = []
    inners: list[list[float]] = []
    for number in range(scenes):
        rng = np.random.default_rng([CALIBRATION_SEED, number])
        layout = draw_layout(library, rng, 2 + number % 2, 1.0)
        truth = render_scenes(library, [layout], canvas=(CANVAS.height, CANVAS.width), look_px=TRUTH_PX)
        read = footings(truth_objects(truth, 0, CANVAS), CANVAS, layout.world.horizon)
        standing = [f for f, o in zip(read, layout.objects, strict=True) if o.standing]
        lights.append(scene_light(standing, layout.world.azimuth_deg % 360))
        solid = [
            look
            for look, o in zip(truth.looks[0], layout.objects, strict=True)
            if not library.nouns[o.sprite.noun].soft
        ]
        fog.append((sum(fog_share(look) for look in solid), float(len(solid))))
        outlines.append([v for look in solid if (v := outline_rise(look)) is not None])
        inners.append([v for look in solid if (v := inner_rise(look)) is not None])
    return {
        **light_figures(lights),
        FOG: ratio_with_interval(fog),
        OUTLINE: median_with_interval(outlines),
        INNER: median_with_interval(inners),
    }


def edge_figures(scenes: Sequence[Sequence[Raster]]) -> Mapping[str, dict[str, float]]:
    """Return the rise of outlines and inner edges of delivered solid looks, by scene; small ones say nothing."""
    looks = [[to_tensor(raster.rgba) for raster in row] for row in scenes]
    return {
        OUTLINE: median_with_interval(
            [[v for x in row if (v := outline_rise(x)) is not None] for row in looks]
        ),
        INNER: median_with_interval([[v for x in row if (v := inner_rise(x)) is not None] for row in looks]),
    }
