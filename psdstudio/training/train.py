"""Train the embedded engine: `python -m psdstudio.training.train --stage objects --px 64 --budget-minutes 60`.

Resumable at any point: the run folder holds `last.safetensors` (weights, average, optimizer). The same code runs on
two CPU cores (bf16 autocast where the processor has it) and on a GPU machine with torch, numpy, pillow, safetensors.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # the wait policy must be set before torch starts its threads
import torch
from torch import Tensor, nn

from psdstudio.engine.memory import keep_freed_memory
from psdstudio.engine.network import SceneNet
from psdstudio.engine.weights import load_weights
from psdstudio.training.checkpoints import TrainState, begin_from, resume, save_state
from psdstudio.training.device import TrainedNet, chosen_device
from psdstudio.training.held_combinations import require_training_seed
from psdstudio.training.looks import choose_colour, object_words
from psdstudio.training.sheets import matted, sample_looks, write_sheet
from psdstudio.training.stages import (
    MIXES,
    LossFunction,
    Material,
    averaged_copy,
    mixed_loss,
    object_loss,
    scene_loss,
)
from psdstudio.training.validation import log_validation, validate
from psdstudio.training.words import WordBank
from psdstudio.training.world import draw_world

Net = TypeVar("Net", bound=nn.Module)
SHEET_NOUNS = (
    "swan", "flamingo", "fox", "lantern", "cat", "dog", "red car", "teapot", "cup", "apple", "sofa", "chair",
    "tree", "sailboat", "guitar", "bicycle", "rose", "pineapple", "penguin", "blue umbrella", "wine glass", "smoke",
    "hamburger", "teddy bear",
)  # fmt: skip


def learning_rate(step: int, peak: float, share_done: float, final_share: float = 0.3) -> float:
    """Warm up over 200 steps, hold, then fall linearly to a twentieth over the last `final_share` of the budget."""
    warm = min(1.0, (step + 1) / 200)
    fall = min(1.0, max(0.05, (1 - share_done) / final_share))
    return peak * warm * fall


def build_state(peak: float, device: torch.device | None = None) -> TrainState[SceneNet]:
    """Return a fresh network with its average and optimizer, on the processor unless a device is given."""
    torch.manual_seed(0)
    net = TrainedNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks this keyword
    net = net.to(device or torch.device("cpu"))
    decay = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}],
        lr=peak,
        betas=(0.9, 0.98),
        fused=True,
    )
    return TrainState(net, averaged_copy(net), optimizer, 0, {})


def train_step(
    state: TrainState[Net],
    loss_of: Callable[[Net, np.random.Generator], Tensor],
    rng: np.random.Generator,
    rate: float,
) -> float:
    """Take one optimizer step and update the average; return the loss."""
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    loss = loss_of(state.net, rng)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    keep = min(0.999, (state.step + 1) / (state.step + 10))
    with torch.no_grad():
        torch._foreach_lerp_(list(state.average.parameters()), list(state.net.parameters()), 1 - keep)
    state.step += 1
    return float(loss.detach())


def write_look_sheet(state: TrainState[SceneNet], bank: WordBank, out: Path, px: int) -> None:
    """Paint the fixed nouns with fixed seeds into out/sheet-STEP.png."""
    with torch.no_grad():
        looks = sample_looks(state.average, bank, SHEET_NOUNS, px=px, steps=12, guidance=2.0, seed=1)
    write_sheet(out / f"sheet-{state.step:06d}.png", matted(looks), 12)


def run(args: argparse.Namespace) -> None:
    """Train for the budget, saving and painting a sheet every `--every-minutes`."""
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    require_training_seed(args.seed)
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    material = Material.load(args.data)
    state = build_state(args.rate, chosen_device(args.device))
    last = out / "last.safetensors"
    resumed = resume(last, state)
    if not resumed and args.init is not None:
        shipped, info = load_weights(args.init)
        begin_from(state, shipped)
        state.seen = info.trained
    elif not resumed:
        for net in (state.net, state.average):
            net.set_word_statistics(*caption_sample(material))
    loss_of, count = make_loss(args, material)
    began = saved = mark = time.monotonic()
    budget = args.budget_minutes * 60
    recent: list[float] = []
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    while (spent := time.monotonic() - began) < budget and not stopped:
        rng = np.random.default_rng([args.seed, state.step])
        rate = learning_rate(state.step, args.rate, spent / budget if args.anneal else 0.0)
        recent.append(train_step(state, loss_of, rng, rate))
        state.seen[args.stage] = state.seen.get(args.stage, 0) + count
        if state.step % 50 == 0 and len(recent) >= 50:
            speed = 50 * count / (time.monotonic() - mark)
            mark = time.monotonic()
            log = {
                "step": state.step,
                "loss": round(float(np.mean(recent[-50:])), 4),
                "a_second": round(speed, 2),
            }
            print(json.dumps(log | {"minutes": round(spent / 60, 1), "rate": rate}), flush=True)
        if time.monotonic() - saved > args.every_minutes * 60:
            checkpoint(state, material, out, args.px)
            saved = time.monotonic()
    checkpoint(state, material, out, args.px)


def checkpoint(state: TrainState[SceneNet], material: Material, out: Path, px: int) -> None:
    """Save the run, judge its average on the fixed validation scenes and paint the fixed sheet."""
    save_state(out / "last.safetensors", state)
    log_validation(out / "validation.jsonl", state.step, validate(state.average, material, px))
    write_look_sheet(state, material.bank, out, px)


def caption_sample(material: Material) -> tuple[torch.Tensor, torch.Tensor]:
    """Return words of a few captions per noun and of many worlds, for the network's word statistics."""
    rng = np.random.default_rng(0)
    captions: list[str] = []
    for name, sprites in material.library.by_noun.items():
        noun = material.library.nouns[name]
        captions += [
            name,
            object_words(noun, None, rng),
            object_words(noun, choose_colour(sprites[0], rng)[0], rng),
        ]
    captions += [draw_world(rng).words for _ in range(200)]
    return material.bank(captions)


def make_loss(args: argparse.Namespace, material: Material) -> tuple[LossFunction, int]:
    """Return the stage's loss and how many samples a step takes."""
    if args.stage in MIXES:
        return mixed_loss(material, args.batch, args.px, args.stage), args.batch
    stage = {"objects": object_loss, "scenes": scene_loss}[args.stage]
    return stage(material, args.batch, args.px), args.batch


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=["objects", "scenes", *MIXES], default="objects")
    parser.add_argument(
        "--px", type=int, default=64, help="edge of a look; scenes use twice this for the canvas"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument(
        "--anneal", action="store_true", help="let the rate fall over the last 30 %% of the budget"
    )
    parser.add_argument("--budget-minutes", type=float, default=60.0)
    parser.add_argument("--every-minutes", type=float, default=8.0)
    parser.add_argument(
        "--init", type=Path, help="shipped weights to start from where the run folder is empty"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("training_data"))
    parser.add_argument("--out", type=Path, default=Path("training_data/run"))
    run(parser.parse_args())


if __name__ == "__main__":
    main()
