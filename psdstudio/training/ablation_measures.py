"""What an ablated network can do, on fixed scenes that training never drew; paired by scene with the full one.

Errors: those of the training loss (`losses.row_errors`), of the prediction after one guess, averaged over noise levels,
once with everything free and once with one look and its effects free beside kept parts. Painting: the same scenes in
few steps, stack of the layers against the predicted whole, and how well a regenerated look suits what was kept.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine.flow import add_noise
from psdstudio.engine.rows import RowRole
from psdstudio.gen.request import Sampling
from psdstudio.training.ablation_nets import AblatedNet
from psdstudio.training.evaluation_kept import agreement, free_part_setting
from psdstudio.training.evaluation_measures import Pair, psnr
from psdstudio.training.evaluation_methods import Painter, all_free, paint_jointly
from psdstudio.training.evaluation_neighbours import make_batch, one_free
from psdstudio.training.layouts import draw_layout
from psdstudio.training.losses import row_errors
from psdstudio.training.scene_batches import KnownParts, SceneBatch, show_parts
from psdstudio.training.scene_truth import SceneTruth, render_scenes
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.stages import with_guess
from psdstudio.training.words import WordBank

Measured = dict[str, Pair]

ABLATION_SEED = 990_409
LEVELS = (0.9, 0.6)
BATCH = 4
COUNTS = (2, 3, 4)
CELLS = 32
OVER = "over-composite against predicted composite, dB"


def validation_errors(
    net: AblatedNet, library: SpriteLibrary, bank: WordBank, scenes: int, look_px: int
) -> list[Measured]:
    """Return the errors of every kind of row in each of the fixed scenes (rounded up to whole batches)."""
    out: list[Measured] = []
    side = CELLS * look_px // 16
    for number in range(-(-scenes // BATCH)):
        rng = np.random.default_rng([ABLATION_SEED, number])
        k = COUNTS[number % len(COUNTS)]
        layouts = [draw_layout(library, rng, k, 1.0) for _ in range(BATCH)]
        truth = render_scenes(library, layouts, canvas=(side, side), look_px=look_px)
        rows: list[Measured] = [{} for _ in range(BATCH)]
        free = everything_free(BATCH, k)
        for name, errors in _errors(net, library, bank, truth, free, rng).items():
            for i, value in enumerate(errors.mean(1).tolist()):
                rows[i][f"{name}, all free: error x 1000"] = (1000 * value, 1.0)
        beside = _errors(net, library, bank, truth, one_free("look", 0, BATCH, k), rng)
        for name in ("looks", "effects"):
            for i, value in enumerate(beside[name][:, 0].tolist()):
                rows[i][f"{name}, beside kept parts: error x 1000"] = (1000 * value, 1.0)
        out += rows
    return out


def everything_free(b: int, k: int) -> KnownParts:
    """Return that nothing is known in b scenes of k objects."""
    return KnownParts(
        background=torch.zeros(b, dtype=torch.bool),
        looks=torch.zeros(b, k, dtype=torch.bool),
        effects=torch.zeros(b, k, dtype=torch.bool),
        canvas_level=torch.zeros(b, 2),
        look_level=torch.zeros(b, k),
        effect_level=torch.zeros(b, k),
        context_seen=torch.ones(b, dtype=torch.bool),
    )


def painted_figures(
    net: AblatedNet, painter: Painter, library: SpriteLibrary, scenes: int, sampling: Sampling
) -> list[Measured]:
    """Paint so many rendered scenes with all parts free, and each again with one look free beside the others."""
    out: list[Measured] = []
    for number in range(scenes):
        free = free_part_setting(painter, library, "look", number, sampling)
        whole = paint_jointly(painter, all_free(free.setting))
        figures: Measured = {}
        if net.ablation.paints_composite and whole.composite is not None:
            figures[OVER] = (psnr(whole.over, whole.composite), 1.0)
        again = paint_jointly(painter, free.setting)
        figures |= {f"regenerated look: {name}": (v, 1.0) for name, v in agreement(free, again).items()}
        out.append(figures)
    return out


@torch.inference_mode()
def _errors(
    net: AblatedNet,
    library: SpriteLibrary,
    bank: WordBank,
    truth: SceneTruth,
    known: KnownParts,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """Return (b, r) errors by kind of row, averaged over the levels; the noise depends on `rng` alone."""
    batch = make_batch(library, truth, known, bank)
    noise = [torch.from_numpy(rng.normal(size=tuple(c.shape))).float() for c in batch.clean]
    total: dict[str, Tensor] = {}
    for level in LEVELS:
        _noised(batch, noise, level)
        show_parts(batch, truth, known, None)
        with_guess(net, batch.groups, batch.light, batch.ground)
        for rows in batch.groups:
            rows.guess = torch.where(rows.known[:, :, None, None, None], torch.zeros(()), rows.guess)
        # The last step's plates: the composite is not shown the stack that it is compared with.
        show_parts(batch, truth, known, [rows.guess for rows in batch.groups], last=True)
        made = net(batch.groups, batch.light, batch.ground)
        for rows, part, clean in zip(batch.groups, made, batch.clean, strict=True):
            errors = row_errors(part, clean, rows.group) / len(LEVELS)
            for name, at in _kinds(rows.group, rows.role, net).items():
                total[name] = total.get(name, torch.zeros(())) + errors[:, at]
    return total


def _kinds(group: str, role: Tensor, net: AblatedNet) -> dict[str, list[int]]:
    if group != "canvas":
        return {"looks" if group == "look" else "effects": list(range(len(role)))}
    kinds = {RowRole.BACKGROUND: "background"}
    if net.ablation.paints_composite:
        kinds[RowRole.COMPOSITE] = "composite"
    return {kinds[RowRole(r)]: [i] for i, r in enumerate(role.tolist()) if RowRole(r) in kinds}


def _noised(batch: SceneBatch, noise: list[Tensor], level: float) -> None:
    for rows, clean, grain in zip(batch.groups, batch.clean, noise, strict=True):
        rows.noise = torch.where(rows.known, torch.zeros(()), torch.full((), level))
        rows.x = add_noise(clean, grain, rows.noise)
        rows.guess = torch.zeros_like(clean)
