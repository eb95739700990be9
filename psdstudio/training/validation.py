"""The fixed validation at every checkpoint: the average's errors on scenes that training never draws.

Seeds come from a range of their own, everything else from the same renderer. Errors are plain, without the weights of
the loss, so that they can be compared across stages and mixes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from psdstudio.engine.flow import add_noise
from psdstudio.engine.network import SceneNet
from psdstudio.training.layouts import draw_layout
from psdstudio.training.losses import row_errors
from psdstudio.training.scene_batches import KnownParts, draw_given, make_scene_batch, show_parts
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.stages import Material, normal

VALIDATION_SEED = 77_000_001
SCENES, OBJECTS, GRID = 6, 2, (32, 32)
LEVELS = (0.95, 0.7, 0.3)
SETTINGS = ("joint", "over ground", "mended", "split")


@torch.no_grad()
def validate(net: SceneNet, material: Material, px: int) -> dict[str, float]:
    """Return mean squared errors: "joint look 0.70" and so on, for each setting, kind of row and noise level."""
    cell, out = px // 16, {}
    for at, setting in enumerate(SETTINGS):
        rng = np.random.default_rng([VALIDATION_SEED, at])
        layouts = [draw_layout(material.library, rng, OBJECTS, 1.0) for _ in range(SCENES)]
        truth = render_scenes(material.library, layouts, canvas=(GRID[0] * cell, GRID[1] * cell), look_px=px)
        for level in LEVELS:
            known = _known(setting, level)
            batch = make_scene_batch(material.library, truth, known, material.bank, rng)
            batch.light = truth.light
            for rows, clean in zip(batch.groups, batch.clean, strict=True):
                rows.x = add_noise(clean, normal(rng, clean), rows.noise)
            show_parts(batch, truth, known, None, given=draw_given(rng, truth, known))
            made = net(batch.groups, batch.light, batch.ground)
            for rows, one, clean, weight in zip(batch.groups, made, batch.clean, batch.weights, strict=True):
                if bool(weight.any()):
                    error = float((row_errors(one, clean, rows.group) * weight).sum() / weight.sum())
                    out[f"{setting} {rows.group} {level:.2f}"] = round(error, 5)
    return out


def log_validation(path: Path, step: int, figures: dict[str, float]) -> None:
    """Append one line to the run's log; the mean over all figures is what checkpoints are compared by."""
    mean = round(float(np.mean(list(figures.values()))), 5)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, "mean": mean, **figures}) + "\n")
    print(json.dumps({"step": step, "validation": mean}), flush=True)


def _known(setting: str, level: float) -> KnownParts:
    """Everything free but what the setting says; over ground and mended all looks but the first are known."""
    over = setting in ("over ground", "mended")
    looks = torch.zeros(SCENES, OBJECTS, dtype=torch.bool)
    looks[:, 1:] = over
    free = torch.full((SCENES, 1), level)
    split = setting == "split"
    return KnownParts(
        background=torch.full((SCENES,), setting == "over ground"),
        looks=looks,
        effects=looks.clone(),
        canvas_level=torch.cat([free * (not split), free * (setting != "over ground")], dim=1),
        look_level=torch.where(looks, torch.zeros(()), free.expand(-1, OBJECTS)),
        effect_level=torch.where(looks, torch.zeros(()), free.expand(-1, OBJECTS)),
        context_seen=torch.ones(SCENES, dtype=torch.bool),
        mended=setting == "mended",
        split=split,
    )
