"""Train the judge of the evaluation: `python -m psdstudio.training.classifier`.

It learns from the split "classifier" alone and is then measured on drawings of other hands: the split "heldout", and
the drawings that the generator is trained on. The second figure is the ceiling of what a generator can score. The
figures travel in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # the wait policy must be set before torch starts its threads
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.memory import keep_freed_memory
from psdstudio.engine.network import has_fast_bfloat16
from psdstudio.training.classifier_batches import changed, draw_sprites, garbage, lit_looks
from psdstudio.training.classifier_names import same_thing
from psdstudio.training.classifier_net import (
    JUDGE_PX,
    REJECT,
    Judge,
    JudgeNet,
    over_matte,
    save_judge,
)
from psdstudio.training.looks import LookPlan, render_looks
from psdstudio.training.sprites import SpriteLibrary, shipped_nouns

REJECT_SHARE = 0.16
PEAK_RATE = 2e-3
CALIBRATION_SEED = 20_261
LOOKS_A_NOUN = 4


def draw_batch(library: SpriteLibrary, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Return network input (count, 4, 64, 64) and class numbers (count,); the last class is REJECT."""
    bad = round(count * REJECT_SHARE)
    sprites = draw_sprites(library, rng, count - bad)
    premul = torch.cat([changed(lit_looks(library, sprites, rng), rng), garbage(library, rng, bad)])
    numbers = {noun: i for i, noun in enumerate(library.by_noun)}
    target = torch.tensor([numbers[s.noun] for s in sprites] + [len(numbers)] * bad)
    matte = torch.from_numpy(rng.random((count, 3, 1, 1))).float()
    slope = torch.from_numpy(rng.normal(0, 0.2, (count, 3, 1, 1))).float() * torch.linspace(
        -1, 1, premul.shape[-1]
    )
    grain = torch.randn(premul.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    return over_matte(premul, (matte + slope).clamp(0, 1)) + 0.02 * grain, target


def at_learning_size(library: SpriteLibrary) -> SpriteLibrary:
    """Return the library with pictures of 64 px: shrinking them anew for every batch took a fifth of the time."""
    small = torch.cat(
        [
            F.interpolate(part.float(), size=(JUDGE_PX, JUDGE_PX), mode="area")
            for part in torch.split(library.pixels, 64)
        ]
    )
    return SpriteLibrary((small + 0.5).byte(), library.nouns, library.by_noun)


def train_judge(library: SpriteLibrary, *, steps: int, batch: int, seed: int, width: int = 24) -> Judge:
    """Train with a rate that falls to zero; returns the judge without figures."""
    torch.manual_seed(seed)
    net = JudgeNet(len(library.by_noun) + 1, width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it
    optimizer = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=0.05)
    began, recent = time.monotonic(), [0.0]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1.0, (step + 1) / 50, (1 - step / steps) / 0.8)
        seen, target = draw_batch(library, np.random.default_rng([seed, step]), batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16()):
            logits = net(seen.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), target, label_smoothing=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            minutes = (time.monotonic() - began) / 60
            log = {
                "step": step + 1,
                "loss": round(float(np.mean(recent[-50:])), 3),
                "minutes": round(minutes, 1),
            }
            print(json.dumps(log), flush=True)
    return Judge(net.eval().requires_grad_(False), (*library.by_noun, REJECT), {"steps": float(steps)}, {})


def plain_looks(library: SpriteLibrary) -> tuple[Tensor, list[str]]:
    """Return every drawing as drawn, (n, 4, 128, 128) in 0..1, and its noun."""
    sprites = [s for row in library.by_noun.values() for s in row]
    plans = [LookPlan(s, False, None, (1.0, 1.0, 1.0), (0.0, 0.0), 0.0, 1.0) for s in sprites]
    return render_looks(library.pixels, plans, library.pixels.shape[-1]), [s.noun for s in sprites]


def calibrate(judge: Judge, heldout: SpriteLibrary, truth: SpriteLibrary) -> None:
    """Measure what travels with the judge: shares of right names and of rejections, and what it knows of each noun."""
    rng = np.random.default_rng(CALIBRATION_SEED)
    looks, nouns = plain_looks(heldout)
    named = judge.name(looks)
    figures = {
        "heldout_drawings": float(len(nouns)),
        "heldout_top1": _share([same_thing(a, b) for a, b in zip(named, nouns, strict=True)]),
        "heldout_top1_strict": _share([a == b for a, b in zip(named, nouns, strict=True)]),
        "heldout_rejected": _share([a == REJECT for a in named]),
    }
    seen = names_of_truth(judge, truth, rng)
    judge.truth = shares_right(seen)
    figures["truth_top1"] = float(np.mean(list(judge.truth.values())))
    figures["truth_top1_strict"] = _share([a == noun for noun, row in seen.items() for a in row])
    figures["truth_rejected"] = _share([a == REJECT for row in seen.values() for a in row])
    figures["nouns"] = float(len(judge.truth))
    figures["nouns_known"] = float(sum(judge.knows(noun) for noun in judge.truth))
    judge.confusions = {noun: row for noun, row in seen.items() if judge.truth[noun] < 1}
    waste = garbage(heldout, rng, 270)
    straight = torch.cat([waste[:, :3] / waste[:, 3:4].clamp(min=1e-3), waste[:, 3:4]], dim=1).clamp(0, 1)
    figures["garbage_rejected"] = _share([a == REJECT for a in judge.name(straight)])
    judge.figures |= {k: round(v, 4) for k, v in figures.items()}


def names_of_truth(judge: Judge, truth: SpriteLibrary, rng: np.random.Generator) -> dict[str, list[str]]:
    """Return what the judge calls 4 lit looks of every noun's training drawings."""
    sprites = [row[i % len(row)] for row in truth.by_noun.values() for i in range(LOOKS_A_NOUN)]
    named = judge.name(lit_looks(truth, sprites, rng))
    return {noun: named[LOOKS_A_NOUN * i :][:LOOKS_A_NOUN] for i, noun in enumerate(truth.by_noun)}


def shares_right(names: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the share of names that answer each noun (see `classifier_names`)."""
    return {noun: _share([same_thing(a, noun) for a in row]) for noun, row in names.items()}


def _share(flags: list[bool]) -> float:
    return sum(flags) / max(1, len(flags))


def main() -> None:
    """Parse the command line, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("training_data"))
    parser.add_argument("--out", type=Path, default=Path("training_data/classifier.safetensors"))
    parser.add_argument("--steps", type=int, default=3000, help="about 9 minutes of one core")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    nouns = shipped_nouns()
    library = SpriteLibrary.load(args.data, "classifier", nouns)
    judge = train_judge(
        at_learning_size(library), steps=args.steps, batch=args.batch, seed=args.seed, width=args.width
    )
    calibrate(
        judge, SpriteLibrary.load(args.data, "heldout", nouns), SpriteLibrary.load(args.data, "train", nouns)
    )
    save_judge(args.out, judge)
    print(json.dumps({"confusions": judge.confusions}))
    print(json.dumps(judge.figures, indent=1))


if __name__ == "__main__":
    main()
