"""A little sprite pack of drawn shapes, a tiny network, a training state: all that training needs, in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from psdstudio.engine.network import NetConfig, SceneNet
from psdstudio.training.checkpoints import TrainState
from psdstudio.training.layouts import Layout, draw_layout
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.stages import Material, averaged_copy
from psdstudio.training.words import WordBank

TINY = NetConfig(c0=16, c1=32, c2=48, joint_blocks=2, heads=2, c_cond=48)
SHAPES = {"apple": "disc", "cup": "box", "swan": "ring", "candle": "bar", "lantern": "cross", "cat": "wedge"}
"""Core nouns of the vocabulary and the shape that stands for each."""
COLOURS = {"train": (0.85, 0.2, 0.2), "classifier": (0.75, 0.3, 0.2), "heldout": (0.9, 0.3, 0.3)}
SIDE = 128


def draw_shape(shape: str, colour: tuple[float, float, float]) -> Tensor:
    """(128, 128, 4) uint8 straight RGBA; colour everywhere, alpha 1 on the shape with a soft rim."""
    axis = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = axis[None, :].expand(SIDE, SIDE), axis[:, None].expand(SIDE, SIDE)
    reach = {
        "disc": (x**2 + y**2).sqrt(),
        "box": torch.maximum(x.abs(), y.abs()),
        "ring": ((x**2 + y**2).sqrt() - 0.62).abs() + 0.62,
        "bar": torch.maximum(x.abs() * 3.5, y.abs()),
        "cross": torch.minimum(torch.maximum(x.abs() * 3, y.abs()), torch.maximum(y.abs() * 3, x.abs())),
        "wedge": torch.maximum(y.abs(), x.abs() * 2 - y * 0.84),
    }[shape]
    alpha = ((0.85 - reach) * 24 + 0.5).clamp(0, 1)
    hole = ((x**2 + y**2).sqrt() - 0.4) * 24 if shape == "ring" else torch.ones(SIDE, SIDE)
    alpha = alpha * hole.clamp(0, 1)
    shade = (1 - 0.25 * y)[..., None]
    rgb = (torch.tensor(colour) * shade).clamp(0, 1)
    return (torch.cat([rgb, alpha[..., None]], dim=2) * 255).round().byte()


def write_pack(folder: Path) -> Path:
    """Write sprites.safetensors and sprites.json: every shape once per split, twice in "train"."""
    pictures: list[Tensor] = []
    entries: list[dict[str, Any]] = []
    for noun, shape in SHAPES.items():
        for split in ("train", "train", "classifier", "heldout"):
            entries.append(
                {
                    "index": len(pictures),
                    "noun": noun,
                    "split": split,
                    "aspect": 1.0,
                    "colours": ["red"],
                    "recolourable": noun in ("cup", "lantern"),
                    "source": "toy",
                    "drawing": f"{shape}-{len(pictures)}",
                }
            )
            pictures.append(draw_shape(shape, COLOURS[split]))
    # Shuffled rows: a loader that forgets the index would show the wrong thing.
    order = np.random.default_rng(0).permutation(len(pictures))
    for place, at in enumerate(order):
        entries[int(at)]["index"] = place
    save_file(
        {"rgba": torch.stack([pictures[int(at)] for at in order]).contiguous()},
        folder / "sprites.safetensors",
    )
    (folder / "sprites.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def material(folder: Path) -> Material:
    """The pack's training split and an empty word bank."""
    return Material(SpriteLibrary.load(folder, "train"), WordBank())


def tiny_state(rate: float = 3e-3) -> TrainState[SceneNet]:
    """A fresh tiny network in float32 with its optimizer."""
    torch.manual_seed(0)
    net = SceneNet(TINY)
    net.uses_bfloat16 = False
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.98))
    return TrainState(net, averaged_copy(net), optimizer, 0, {})


def lively_net(seed: int = 0) -> SceneNet:
    """A tiny network without zero layers: every input reaches every output."""
    torch.manual_seed(seed)
    net = SceneNet(TINY)
    net.uses_bfloat16 = False
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return net.eval().requires_grad_(False)


def layouts_of(
    library: SpriteLibrary, *, seed: int, count: int, objects: int, aspect: float = 1.0
) -> list[Layout]:
    """Layouts from one seed."""
    rng = np.random.default_rng(seed)
    return [draw_layout(library, rng, objects, aspect) for _ in range(count)]
