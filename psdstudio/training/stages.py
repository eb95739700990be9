"""Stages of the curriculum: how one optimizer step's loss is made.

Stage "objects": single looks without a scene. Stage "scenes": all rows of a scene jointly with known parts, plus the
layout path on scenes of their own. Stages "parts" and "mixed" take the kinds in turn (`MIXES`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from psdstudio.engine.flow import add_noise, velocity_weight
from psdstudio.engine.given import picture_to_arrange_by
from psdstudio.engine.network import KnownRows, SceneNet
from psdstudio.engine.rows import Rows
from psdstudio.training.background_batches import BackgroundBatch, draw_background_batch
from psdstudio.training.layouts import Layout, draw_layout
from psdstudio.training.loose_boxes import with_loose_boxes
from psdstudio.training.losses import flow_loss
from psdstudio.training.object_batches import ObjectBatch, draw_object_batch
from psdstudio.training.scene_batches import (
    LayoutBatch,
    SceneBatch,
    draw_given,
    draw_known,
    make_layout_batch,
    make_scene_batch,
    show_parts,
)
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.sprites import SpriteLibrary, trained_nouns
from psdstudio.training.words import WordBank

GUESS_RATE = 0.5
"""Share of steps that see the network's own last prediction (self-conditioning, Chen et al. 2208.04202)."""

LAST_STEP_RATE = 0.25
"""Share of those in which the composite is not shown the stack of the guesses, as in the last step of painting."""

LossFunction = Callable[[SceneNet, np.random.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Material:
    """What every stage draws from."""

    library: SpriteLibrary
    bank: WordBank

    @classmethod
    def load(cls, folder: Path) -> Material:
        """Read the training drawings of the trained nouns and their encoded captions."""
        material = cls(SpriteLibrary.load(folder, "train", trained_nouns()), WordBank())
        material.bank.load(folder)
        return material


def draw_levels(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Noise levels: logit-normal with its weight at high noise (mean 0.8 in logits), 25 % in the top tenth.

    High noise is where words become shapes (terminal boost, PixelART 2609.22789); without it that took longest.
    """
    logits = rng.normal(0.8, 1.0, shape)
    levels = 1 / (1 + np.exp(-logits))
    top = rng.uniform(0.9, 1, shape)
    return torch.from_numpy(np.where(rng.random(shape) < 0.25, top, levels).astype(np.float32))


def normal(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Gaussian noise shaped like a tensor, from the stage's generator."""
    seeded = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return torch.randn(like.shape, generator=seeded)


def with_guess(net: SceneNet, groups: Sequence[Rows], light: Tensor, ground: Tensor) -> None:
    """Fill `guess` of every row with the network's prediction from the same noisy state (no gradient)."""
    with torch.no_grad():
        for rows, guess in zip(groups, net(groups, light, ground), strict=True):
            rows.guess = guess.clamp(-1, 1)


def object_loss(material: Material, count: int, px: int) -> LossFunction:
    """Return the loss of the stage "objects" at a look size of `px`."""

    def loss(net: SceneNet, rng: np.random.Generator) -> Tensor:
        return single_row_loss(net, draw_object_batch(material.library, material.bank, rng, count, px), rng)

    return loss


def single_row_loss(net: SceneNet, batch: ObjectBatch | BackgroundBatch, rng: np.random.Generator) -> Tensor:
    """Noise a batch of single rows, predict, compare."""
    rows, count = batch.rows, batch.clean.shape[0]
    rows.noise = draw_levels(rng, (count, 1))
    rows.x = add_noise(batch.clean, normal(rng, batch.clean), rows.noise)
    if rng.random() < GUESS_RATE * 0.6:
        with_guess(net, [rows], batch.light, batch.ground)
    predicted = net([rows], batch.light, batch.ground)[0]
    total, weight = flow_loss(predicted, batch.clean, rows.noise, torch.ones(count, 1), rows.group)
    return total / weight


ASPECTS: tuple[tuple[float, tuple[int, int]], ...] = (
    (0.55, (32, 32)),
    (0.20, (28, 36)),
    (0.10, (36, 28)),
    (0.15, (24, 40)),
)
"""Share of batches and (rows, columns) of the canvas grid; a cell is 8 pixels at full size."""
GROUP_WEIGHTS = {"canvas": 1.0, "look": 1.0, "effect": 1.0}
LAYOUT_WEIGHT = 0.5


def draw_grid(rng: np.random.Generator) -> tuple[int, int]:
    """Draw the canvas grid of a batch."""
    at = int(np.searchsorted(np.cumsum([share for share, _ in ASPECTS]), rng.random()))
    return ASPECTS[min(at, len(ASPECTS) - 1)][1]


def scene_loss(material: Material, count: int, px: int) -> LossFunction:
    """Return the loss of the stage "scenes"; looks are `px` wide, the canvas about twice that."""

    def loss(net: SceneNet, rng: np.random.Generator) -> Tensor:
        k = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.3, 0.3, 0.2]))
        grid = draw_grid(rng)
        b = max(1, round(count * 5.75 / (2 + 1.25 * k)))
        layouts = [draw_layout(material.library, rng, k, grid[1] / grid[0]) for _ in range(b)]
        cell = px // 16
        truth = render_scenes(material.library, layouts, canvas=(grid[0] * cell, grid[1] * cell), look_px=px)
        known = draw_known(rng, b, k, draw_levels(rng, (b, 2 + 2 * k)))
        if known.split:
            # A box that was always exact would be trusted more than the picture.
            truth = with_loose_boxes(truth, rng)
        batch = make_scene_batch(material.library, truth, known, material.bank, rng)
        for rows, clean in zip(batch.groups, batch.clean, strict=True):
            rows.x = add_noise(clean, normal(rng, clean), rows.noise)
        show_parts(batch, truth, known, None, given=draw_given(rng, truth, known))
        if rng.random() < GUESS_RATE:
            _guess(net, batch)
            last = bool(rng.random() < LAST_STEP_RATE)
            show_parts(batch, truth, known, [rows.guess for rows in batch.groups], last=last)
        predicted = net(batch.groups, batch.light, batch.ground)
        total, weight = torch.zeros(()), torch.zeros(())
        for rows, made, clean, weights in zip(
            batch.groups, predicted, batch.clean, batch.weights, strict=True
        ):
            part, mass = flow_loss(made, clean, rows.noise, weights * GROUP_WEIGHTS[rows.group], rows.group)
            total, weight = total + part, weight + mass
        layouts_apart = layout_loss(net, material, rng)
        if known.split or bool(known.background.all()):
            layouts_apart = layouts_apart + arranging_loss(net, batch, truth.layouts, material, rng)
        return total / weight.clamp(min=1) + LAYOUT_WEIGHT * layouts_apart

    return loss


def arranging_loss(
    net: SceneNet, batch: SceneBatch, layouts: list[Layout], material: Material, rng: np.random.Generator
) -> Tensor:
    """Loss of the layout path when it is shown a picture: the known background, or the whole that is to be split."""
    shown = net.know([picture_to_arrange_by(batch.groups[0])], torch.zeros_like(batch.light), batch.ground)
    return _boxes_loss(net, make_layout_batch(layouts, material.bank, rng), rng, shown)


def background_loss(material: Material, count: int, px: int) -> LossFunction:
    """Return the loss of single backgrounds; the canvas is about twice as wide as a look of `px`."""

    def loss(net: SceneNet, rng: np.random.Generator) -> Tensor:
        grid, cell = draw_grid(rng), px // 16
        canvas = (grid[0] * cell, grid[1] * cell)
        return single_row_loss(net, draw_background_batch(material.bank, rng, count, canvas), rng)

    return loss


MIXES: dict[str, tuple[tuple[str, float], ...]] = {
    "parts": (("objects", 0.58), ("backgrounds", 0.38), ("layouts", 0.04)),
    "mixed": (("scenes", 0.55), ("objects", 0.20), ("backgrounds", 0.20), ("layouts", 0.05)),
}
"""Share of steps of each kind. Single parts cost a fraction of a scene and teach what things look like; scenes teach
how they belong together, so they come last."""


def mixed_loss(material: Material, count: int, px: int, mix: str = "mixed") -> LossFunction:
    """Return the loss of a stage of `MIXES`: whole scenes, single objects and backgrounds, layouts in turn."""
    losses: dict[str, LossFunction] = {
        "scenes": scene_loss(material, count, px),
        "objects": object_loss(material, 4 * count, px),
        "backgrounds": background_loss(material, 3 * count, px),
        "layouts": lambda net, rng: layout_loss(net, material, rng, 16 * count),
    }
    names, shares = [name for name, _ in MIXES[mix]], [share for _, share in MIXES[mix]]

    def loss(net: SceneNet, rng: np.random.Generator) -> Tensor:
        return losses[str(rng.choice(names, p=shares))](net, rng)

    return loss


def _guess(net: SceneNet, batch: SceneBatch) -> None:
    with_guess(net, batch.groups, batch.light, batch.ground)
    for rows in batch.groups:
        # Known rows are encoded once, without a guess of their own: train them so.
        rows.guess = torch.where(rows.known[:, :, None, None, None], torch.zeros(()), rows.guess)


def layout_loss(net: SceneNet, material: Material, rng: np.random.Generator, count: int = 32) -> Tensor:
    """Loss of the layout path: boxes and light from words, a part of the boxes known."""
    k = int(rng.integers(1, 7))
    aspect = (1.0, 1.0, 36 / 28, 28 / 36, 40 / 24)[int(rng.integers(5))]
    layouts = [draw_layout(material.library, rng, k, aspect) for _ in range(count)]
    return _boxes_loss(net, make_layout_batch(layouts, material.bank, rng), rng, None)


def _boxes_loss(
    net: SceneNet, batch: LayoutBatch, rng: np.random.Generator, shown: KnownRows | None
) -> Tensor:
    rows, count = batch.rows, batch.light.shape[0]
    level = draw_levels(rng, (count, 1))
    rows.noise = torch.where(rows.known, torch.zeros(()), level)
    rows.x = add_noise(rows.x, normal(rng, rows.x), rows.noise)
    light = add_noise(batch.light, normal(rng, batch.light), level[:, 0])
    boxes, lit = net.arrange(rows, light, level[:, 0], batch.ground, shown)
    weight = velocity_weight(level.clamp(min=0.2))
    free = torch.where(rows.known, torch.zeros(()), weight.expand_as(rows.known))
    box_loss = ((boxes - batch.clean) ** 2).mean(-1).mul(free).sum() / free.sum().clamp(min=1)
    return box_loss + 0.3 * (((lit - batch.light) ** 2).mean(-1) * weight[:, 0]).sum() / weight.sum()


def averaged_copy(net: SceneNet) -> SceneNet:
    """Return a frozen copy that will hold the moving average of the weights."""
    return copy.deepcopy(net).requires_grad_(False).eval()
