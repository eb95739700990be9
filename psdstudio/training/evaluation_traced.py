"""The measures on path-traced truth: light as it really falls, on models that no network of ours was trained on.

`evaluation_calibration` states the measures' error on our own renderer, whose rule they invert. Here the light was
traced, so the figures also hold what that rule leaves out: depth of things, shadows on one another and on walls,
light from the sky.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.pictures import frame_rect, resized_u8, to_u8
from psdstudio.gen.request import Raster
from psdstudio.training.evaluation_layers import CROP_PX, ObjectPixels, footings
from psdstudio.training.evaluation_light import light_figures, scene_light
from psdstudio.training.evaluation_measures import Pair, fog_share, psnr, ratio_with_interval
from psdstudio.training.traced_truth import TracedScene

TRACED_FOLDER = Path("tests/data/traced")
AGREEMENT = "true layers put together against the true whole, dB"
STACK = "the same with black shadow layers for all effects, dB"
FOG = "fog outside the boundary band"


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
