"""Boxes that miss their objects: the scene stays the same, only the frames through which it is seen move."""

from __future__ import annotations

import numpy as np
import torch

from psdstudio.engine.compose import mask_effects, over_composite
from psdstudio.training.loose_boxes import MOST_GROWN, MOST_SHIFT, with_loose_boxes
from psdstudio.training.scene_truth import SceneTruth, placed_objects, render_scenes
from psdstudio.training.sprites import SpriteLibrary
from tests.training.toys import layouts_of

CANVAS = (96, 120)


def truth_of(library: SpriteLibrary) -> SceneTruth:
    layouts = layouts_of(library, seed=3, count=8, objects=2, aspect=CANVAS[1] / CANVAS[0])
    return render_scenes(library, layouts, canvas=CANVAS, look_px=64)


def test_the_layers_seen_through_other_boxes_still_stack_to_the_same_picture(library: SpriteLibrary) -> None:
    truth = truth_of(library)
    loose = with_loose_boxes(truth, np.random.default_rng(1))
    stack = over_composite(loose.background, mask_effects(placed_objects(loose, CANVAS)))
    error = (stack - truth.composite).abs().mean((1, 2, 3))
    # Only what a box cuts off may differ, and what the second resampling softens.
    assert float(error.max()) < 0.02
    assert torch.equal(loose.composite, truth.composite)


def test_some_boxes_move_none_too_far_and_some_stay(library: SpriteLibrary) -> None:
    truth = truth_of(library)
    loose = with_loose_boxes(truth, np.random.default_rng(2))
    old, new = truth.boxes.flatten(0, 1), loose.boxes.flatten(0, 1)
    moved = ((new - old) / old[:, [2, 3, 2, 3]]).abs()
    assert float(moved[:, :2].max()) <= max(MOST_GROWN, MOST_SHIFT) + 1e-5
    stayed = moved.amax(1) < 1e-6
    assert 0 < int(stayed.sum()) < len(stayed)
    looks = torch.isclose(loose.looks.flatten(0, 1)[stayed], truth.looks.flatten(0, 1)[stayed], atol=1e-4)
    assert bool(looks.all())
    assert bool((new[:, 2:] > 0).all())
