"""Train the second stage: `python -m psdstudio.training.train_detail --budget-minutes 40`.

Resumable: the run folder holds `detail.safetensors` (weights, average, optimizer). Needs SceneNet's weights, whose
mistakes it learns to repair. `--ship` writes the average as the product's file.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # the wait policy must be set before torch starts its threads
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.detail import DetailNet
from psdstudio.engine.memory import keep_freed_memory
from psdstudio.engine.network import SceneNet
from psdstudio.engine.weights import load_detail, load_weights, save_detail
from psdstudio.training.checkpoints import TrainState, begin_from, resume, save_state
from psdstudio.training.detail_batches import DetailBatch, background_pairs, look_pairs
from psdstudio.training.sheets import matted, write_sheet
from psdstudio.training.stages import Material
from psdstudio.training.train import learning_rate, train_step

BACKGROUND_SHARE = 0.25
SLOPE_WEIGHT = 1.0
HIDDEN_COLOUR = 0.05


def detail_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of values and of their slopes; colour counts where the true alpha shows it."""
    seen = HIDDEN_COLOUR + (1 - HIDDEN_COLOUR) * (F.max_pool2d(target[:, 3:], 3, 1, 1) + 1) / 2
    weight = torch.cat([seen.expand(-1, 3, -1, -1), torch.full_like(seen, 1.5)], dim=1)
    error = predicted - target
    values = (error.abs() * weight).mean()
    across = ((error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]).mean()
    down = ((error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]).mean()
    return values + SLOPE_WEIGHT * (across + down)


def build_detail_state(rate: float, scene_net: SceneNet) -> TrainState[DetailNet]:
    """Return a fresh network, its word statistics taken from SceneNet."""
    torch.manual_seed(0)
    net = DetailNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks this keyword
    net.pooled_mean.copy_(scene_net.pooled_mean)
    net.pooled_whitening.copy_(scene_net.pooled_whitening)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    average = copy.deepcopy(net).requires_grad_(False).eval()
    return TrainState(net, average, optimizer, 0, {})


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
        begin_from(state, load_detail(args.init)[0])

    def loss_of(net: DetailNet, rng: np.random.Generator) -> Tensor:
        batch = draw_pairs(material, scene_net, rng, args.batch, px)
        return detail_loss(net(batch.low, batch.level, batch.words), batch.target)

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
            write_pair_sheet(out / "detail.png", state.average, material, scene_net, px)
            saved = time.monotonic()
    save_state(last, state)
    write_pair_sheet(out / "detail.png", state.average, material, scene_net, px)
    if args.ship:
        save_detail(args.to, state.average, trained=state.seen)
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
