"""Train the second stage: `python -m psdstudio.training.train_detail --budget-minutes 40`.

Resumable to the bit: the run folder holds `detail.safetensors` (weights of the network and of the discriminator that
judges it, their average, optimizer), and what is drawn depends on seed and step alone. Needs SceneNet's weights, whose
mistakes it learns to repair. `--ship` writes the network's average as the product's file.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # the wait policy must be set before torch starts its threads
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.detail import DetailConfig, DetailNet
from psdstudio.engine.memory import keep_freed_memory
from psdstudio.engine.network import SceneNet
from psdstudio.engine.weights import load_detail, load_weights, save_detail
from psdstudio.errors import ModelLoadFailed
from psdstudio.training.checkpoints import TrainState, resume, save_state
from psdstudio.training.detail_batches import DetailBatch, background_pairs, look_pairs
from psdstudio.training.detail_losses import DetailPair, pair_loss
from psdstudio.training.discriminator import PatchDiscriminator
from psdstudio.training.sheets import matted, write_sheet
from psdstudio.training.stages import Material
from psdstudio.training.train import learning_rate, train_step

BACKGROUND_SHARE = 0.3
CONFIG = DetailConfig(fine=3)
USES, HELD = 8, 64
"""How often a batch is used on average, and from among how many of the latest: painting one costs more than a step."""


def build_detail_state(
    rate: float, scene_net: SceneNet, config: DetailConfig = CONFIG
) -> TrainState[DetailPair]:
    """Return a fresh network with a fresh judge, its word statistics taken from SceneNet."""
    torch.manual_seed(0)
    pair = DetailPair(DetailNet(config), PatchDiscriminator()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks this keyword
    pair.net.pooled_mean.copy_(scene_net.pooled_mean)
    pair.net.pooled_whitening.copy_(scene_net.pooled_whitening)
    optimizer = torch.optim.AdamW(pair.parameters(), lr=rate, betas=(0.5, 0.98), weight_decay=0.01)
    average = copy.deepcopy(pair).requires_grad_(False).eval()
    return TrainState(pair, average, optimizer, 0, {})


def begin_from_shipped(state: TrainState[DetailPair], shipped: DetailNet) -> None:
    """Start from shipped weights, which may lack fine blocks: fresh ones change nothing. The judge stays fresh.

    Raises ModelLoadFailed when the widths differ.
    """
    given = shipped.state_dict()
    for held in (state.net.net, state.average.net):
        try:
            missing, unknown = held.load_state_dict(given, strict=False)
        except RuntimeError as exc:
            raise ModelLoadFailed("These weights are of a detail network with other widths.") from exc
        if unknown or any(not name.startswith("fine.") for name in missing):
            raise ModelLoadFailed("These weights are of a detail network built otherwise.")


def replayed(draw: Callable[[int], DetailBatch], rng: np.random.Generator, step: int) -> DetailBatch:
    """Return one of the `HELD` latest batches, mirrored or not; `draw` gives the batch of a number and remembers it."""
    newest = step // USES
    batch = draw(int(rng.integers(max(0, newest - HELD + 1), newest + 1)))
    return batch.mirrored() if rng.random() < 0.5 else batch


def draw_pairs(
    material: Material, scene_net: SceneNet, rng: np.random.Generator, count: int, px: int
) -> DetailBatch:
    """Draw a batch of looks, or a quarter as many backgrounds (they have four times the pixels)."""
    if rng.random() < BACKGROUND_SHARE:
        return background_pairs(material, scene_net, rng, max(1, count // 4), px)
    return look_pairs(material, scene_net, rng, count, px)


@torch.no_grad()
def write_pair_sheet(path: Path, net: DetailNet, material: Material, scene_net: SceneNet, px: int) -> None:
    """Write input, output and truth of fixed draws under one another."""
    for kind, draw in (("looks", look_pairs), ("backgrounds", background_pairs)):
        rows: list[list[Tensor]] = [[], [], []]
        for i in range(4):
            batch = draw(material, scene_net, np.random.default_rng(1000 + i), 4, px)
            made = net(batch.low, batch.level, batch.words)
            if kind == "backgrounds" and made.shape[-2:] != (4 * px, 4 * px):
                continue
            small = F.interpolate(batch.low, scale_factor=2.0, mode="nearest")
            for row, pictures in zip(rows, (small, made, batch.target), strict=True):
                row.append(matted(pictures))
        columns = sum(p.shape[0] for p in rows[0])
        write_sheet(
            path.with_name(f"{path.stem}-{kind}.png"), torch.cat([p for row in rows for p in row]), columns
        )


def run(args: argparse.Namespace) -> None:
    """Train for the budget, then save, paint a sheet and ship if asked."""
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    material = Material.load(args.data)
    scene_net, info = load_weights(args.scene)
    px = info.look_px
    state = build_detail_state(args.rate, scene_net)
    last = out / "detail.safetensors"
    if not resume(last, state) and args.init is not None:
        begin_from_shipped(state, load_detail(args.init)[0])

    @lru_cache(maxsize=HELD)
    def draw(number: int) -> DetailBatch:
        return draw_pairs(material, scene_net, np.random.default_rng([args.seed, 1, number]), args.batch, px)

    def loss_of(pair: DetailPair, rng: np.random.Generator) -> Tensor:
        batch = replayed(draw, rng, state.step)
        mattes = torch.from_numpy(rng.uniform(-1, 1, (batch.low.shape[0], 3)).astype(np.float32))
        return pair_loss(pair, batch, mattes)

    began = saved = time.monotonic()
    recent: list[float] = []
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    while (spent := (time.monotonic() - began) / 60) < args.budget_minutes and not stopped:
        rng = np.random.default_rng([args.seed, state.step])
        rate = learning_rate(state.step, args.rate, spent / args.budget_minutes)
        recent.append(train_step(state, loss_of, rng, rate))
        state.seen["pairs"] = state.seen.get("pairs", 0) + args.batch
        if state.step % 50 == 0:
            loss = round(float(np.mean(recent[-50:])), 4)
            print(json.dumps({"step": state.step, "loss": loss, "minutes": round(spent, 1)}), flush=True)
        if time.monotonic() - saved > args.every_minutes * 60:
            save_state(last, state)
            write_pair_sheet(out / "detail.png", state.average.net, material, scene_net, px)
            saved = time.monotonic()
    save_state(last, state)
    write_pair_sheet(out / "detail.png", state.average.net, material, scene_net, px)
    if args.ship:
        save_detail(args.to, state.average.net, trained=state.seen)
        print(f"{args.to}: {args.to.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--budget-minutes", type=float, default=40.0)
    parser.add_argument("--every-minutes", type=float, default=6.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("training_data"))
    parser.add_argument("--scene", type=Path, default=Path("resources/model/scene.safetensors"))
    parser.add_argument("--init", type=Path, help="shipped file to start from where the run folder is empty")
    parser.add_argument("--out", type=Path, default=Path("training_data/run"))
    parser.add_argument("--to", type=Path, default=Path("resources/model/detail.safetensors"))
    parser.add_argument("--ship", action="store_true", help="write the product's file at the end")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
