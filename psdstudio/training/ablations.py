"""Train and compare the network with one element taken away: `python -m psdstudio.training.ablations --minutes 120`.

Every variant (`ablation_nets.ABLATIONS`) goes on from the same weights (`--init`, or from nothing with
`--from-scratch`) for the same number of steps over the same batches; how many is decided once, from the time of a few
steps and the minutes given, and kept in OUT/plan.json. Then all are compared on fixed scenes, paired with the full one.
Resumable: a variant goes on from its checkpoint, a finished one is not trained again. The result, OUT/ablations.json,
is a report that `psdstudio.training.card` reads.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # the wait policy must be set before torch starts its threads
import torch

from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.memory import keep_freed_memory
from psdstudio.engine.network import NetConfig, SceneNet
from psdstudio.engine.weights import WeightsInfo, load_weights
from psdstudio.gen.request import Sampling
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.resources_path import resource_dir
from psdstudio.training.ablation_measures import painted_figures, validation_errors
from psdstudio.training.ablation_nets import ABLATIONS, FULL, AblatedNet, Ablation
from psdstudio.training.checkpoints import TrainState, begin_from, resume, save_state
from psdstudio.training.evaluation_baselines import Measured, table
from psdstudio.training.evaluation_methods import Painter
from psdstudio.training.evaluation_neighbours import swapped_neighbours
from psdstudio.training.evaluation_report import Figures, markdown, write_json
from psdstudio.training.sprites import SpriteLibrary, trained_nouns
from psdstudio.training.stages import LossFunction, Material, averaged_copy, mixed_loss, scene_loss
from psdstudio.training.train import caption_sample, learning_rate, train_step
from psdstudio.training.words import WordBank

NOUNS, LOOK_PX = 100, 64
SAVE_EVERY_S = 120.0
TIMED_STEPS = 3
WARM_STEPS = 200


class AblationsFailed(ValueError):
    """The folder holds another comparison, or training was stopped; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all variants of one comparison share; `init` is the hash of the weights they start from, or ""."""

    steps: int
    stage: str
    batch: int
    rate: float
    seed: int
    look_px: int
    nouns: int
    init: str

    def said(self, ablation: Ablation) -> str:
        """Return what was done to a variant, in words."""
        began = "trained on for" if self.init else "trained from nothing for"
        gone = "" if ablation is FULL else f" with {ablation.taken_away} taken away"
        return f"{began} {self.steps:,} steps{gone}, {self.nouns} nouns, {self.look_px} px"


def ablation_material(folder: Path, nouns: int) -> Material:
    """Return the training drawings of the first `nouns` trained nouns and the encoded captions."""
    bank = WordBank()
    bank.load(folder)
    return Material(SpriteLibrary.load(folder, "train", trained_nouns()[:nouns]), bank)


def fresh_state(ablation: Ablation, rate: float, config: NetConfig | None = None) -> TrainState[SceneNet]:
    """Return an untrained variant with its average and optimizer."""
    torch.manual_seed(0)
    net = AblatedNet(ablation, config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    return TrainState(net, averaged_copy(net), optimizer, 0, {})


def train_variant(
    ablation: Ablation, plan: Plan, material: Material, out: Path, init: SceneNet | None
) -> AblatedNet:
    """Train one variant to the plan's steps, from its checkpoint where there is one; returns its average.

    Raises:
        AblationsFailed: training was stopped; the checkpoint holds everything so far.
    """
    state = fresh_state(ablation, plan.rate, None if init is None else init.config)
    path = out / f"{ablation.name.replace(' ', '-')}.safetensors"
    if not resume(path, state):
        if init is not None:
            begin_from(state, init)
        else:
            for net in (state.net, state.average):
                net.set_word_statistics(*caption_sample(material))
    loss_of = _loss(plan, material)
    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    began = saved = time.monotonic()
    first = state.step
    try:
        while state.step < plan.steps and not stopped:
            rng = np.random.default_rng([plan.seed, state.step])
            rate = _rate(plan, state.step)
            loss = train_step(state, loss_of, rng, rate)
            if state.step % 20 == 0:
                pace = (time.monotonic() - began) / (state.step - first)
                print(
                    json.dumps(
                        {
                            "variant": ablation.name,
                            "step": state.step,
                            "loss": round(loss, 4),
                            "s": round(pace, 2),
                        }
                    ),
                    flush=True,
                )
            if time.monotonic() - saved > SAVE_EVERY_S:
                save_state(path, state)
                saved = time.monotonic()
    finally:
        signal.signal(signal.SIGTERM, before)
    if state.step > first:
        save_state(path, state)
    if stopped:
        raise AblationsFailed(
            f"Stopped in variant {ablation.name} at step {state.step}; run the same command to go on."
        )
    made = state.average.eval()
    assert isinstance(made, AblatedNet)
    return made


def compare(
    nets: Mapping[str, AblatedNet], material: Material, plan: Plan, args: argparse.Namespace
) -> dict[str, Any]:
    """Measure all variants on the same scenes; returns values, paired differences and swapped neighbours."""
    encoder = TextEncoder.load(resource_dir("text_encoder"))
    references = ReferenceLibrary(resource_dir("library"))
    sampling = Sampling(steps=args.painting_steps)
    errors: dict[str, list[Measured]] = {}
    painted: dict[str, list[Measured]] = {}
    swapped: dict[str, Figures] = {}
    for name, net in nets.items():
        painter = Painter(net, encoder, references, plan.look_px)
        errors[name] = validation_errors(net, material.library, material.bank, args.scenes, plan.look_px)
        painted[name] = painted_figures(net, painter, material.library, args.painted, sampling)
        if args.neighbours:
            swapped[name] = swapped_neighbours(
                net, material.library, material.bank, scenes=args.neighbours, look_px=plan.look_px
            )
        print(f"measured: {name}", flush=True)
    pairs = [(name, FULL.name) for name in nets if name != FULL.name]
    tables = [table(_by_scene(part), pairs) for part in (errors, painted)]
    both: dict[str, dict[str, dict[str, Any]]] = {"values": {}, "differences": {}}
    for one in tables:
        for kind, columns in one.items():
            for column, figures in columns.items():
                both[kind].setdefault(column, {}).update(figures)
    for name, shares in swapped.items():
        both["values"][name] |= {
            f"right neighbours preferred, {k}": v for k, v in shares.items() if " at " not in k
        }
    return both


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train what is not trained yet, compare, write OUT/ablations.json and .md; returns the report."""
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    material = ablation_material(args.data, args.nouns)
    init, info = (None, None) if args.from_scratch else load_weights(args.init)
    plan = _plan(args, material, init, info)
    began = time.monotonic()
    nets = {a.name: train_variant(a, plan, material, out, init) for a in ABLATIONS}
    trained = time.monotonic()
    made = compare(nets, material, plan, args)
    report = {
        "weights_sha256": plan.init,
        "trained": {} if info is None else info.trained,
        "ablations": {
            "plan": asdict(plan),
            "said": {a.name: plan.said(a) for a in ABLATIONS},
            "minutes": {
                "training, this run": round((trained - began) / 60, 1),
                "comparing": round((time.monotonic() - trained) / 60, 1),
            },
            **made,
        },
    }
    write_json(out / "ablations.json", report)
    notes = [f"{a.name}: {plan.said(a)}." for a in ABLATIONS]
    text = "\n".join(markdown(f"Ablations, {kind}", made[kind], notes) for kind in ("values", "differences"))
    (out / "ablations.md").write_text(text, encoding="utf-8")
    print(text)
    return report


def _plan(
    args: argparse.Namespace, material: Material, init: SceneNet | None, info: WeightsInfo | None
) -> Plan:
    """Return the plan of the folder, or make it.

    Raises:
        AblationsFailed: the folder holds another plan than the command line asks for.
    """
    path = args.out / "plan.json"
    wanted = Plan(
        steps=args.steps, stage=args.stage, batch=args.batch, rate=args.rate, seed=args.seed,
        look_px=LOOK_PX, nouns=len(material.library.by_noun), init="" if info is None else info.sha256,
    )  # fmt: skip
    if path.is_file():
        there = Plan(**json.loads(path.read_text(encoding="utf-8")))
        if there != Plan(**{**asdict(wanted), "steps": args.steps or there.steps}):
            raise AblationsFailed(
                f"{path} belongs to another comparison ({there}); name an empty folder with --out."
            )
        return there
    if not wanted.steps:
        share = args.minutes * 60 / len(ABLATIONS)
        wanted = Plan(
            **{**asdict(wanted), "steps": max(1, int(share / _seconds_a_step(wanted, material, init)))}
        )
    write_json(path, asdict(wanted))
    print(json.dumps(asdict(wanted)), flush=True)
    return wanted


def _seconds_a_step(plan: Plan, material: Material, init: SceneNet | None) -> float:
    """Time a few steps of the full variant, the first one not counted; nothing of them is kept."""
    state = fresh_state(FULL, plan.rate, None if init is None else init.config)
    loss_of, began = _loss(plan, material), time.monotonic()
    for step in range(1 + TIMED_STEPS):
        began = time.monotonic() if step == 1 else began
        train_step(state, loss_of, np.random.default_rng([plan.seed, step]), plan.rate)
    return (time.monotonic() - began) / TIMED_STEPS


def _loss(plan: Plan, material: Material) -> LossFunction:
    if plan.stage == "scenes":
        return scene_loss(material, plan.batch, plan.look_px)
    return mixed_loss(material, plan.batch, plan.look_px)


def _rate(plan: Plan, step: int) -> float:
    """Warm up over a tenth of the steps, at most 200, then hold, then fall to a twentieth over the last 30 %."""
    warm = max(1, min(WARM_STEPS, plan.steps // 10))
    return min(1.0, (step + 1) / warm) * learning_rate(WARM_STEPS, plan.rate, step / plan.steps)


def _by_scene(variants: Mapping[str, Sequence[Measured]]) -> list[dict[str, Measured]]:
    names = list(variants)
    return [dict(zip(names, row, strict=True)) for row in zip(*variants.values(), strict=True)]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(description=__doc__)
    out.add_argument("--minutes", type=float, default=120.0, help="training of all variants together")
    out.add_argument("--steps", type=int, default=0, help="of every variant; 0: what fits into --minutes")
    out.add_argument("--init", type=Path, default=Path("resources/model/scene.safetensors"))
    out.add_argument("--from-scratch", action="store_true", help="start from nothing instead of --init")
    out.add_argument("--stage", choices=["scenes", "mixed"], default="mixed")
    out.add_argument("--batch", type=int, default=8)
    out.add_argument("--rate", type=float, default=3e-4)
    out.add_argument("--seed", type=int, default=11)
    out.add_argument("--nouns", type=int, default=NOUNS)
    out.add_argument("--scenes", type=int, default=48, help="fixed scenes for the errors")
    out.add_argument("--painted", type=int, default=24, help="scenes painted")
    out.add_argument("--painting-steps", type=int, default=8)
    out.add_argument(
        "--neighbours", type=int, default=12, help="scenes a part for swapped neighbours; 0 leaves them out"
    )
    out.add_argument("--threads", type=int, default=1)
    out.add_argument("--data", type=Path, default=Path("training_data"))
    out.add_argument("--out", type=Path, default=Path("training_data/ablations"))
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, train and compare; returns the exit code."""
    try:
        run(parser().parse_args(arguments))
    except AblationsFailed as failure:
        print(failure)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
