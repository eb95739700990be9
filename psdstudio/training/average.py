"""Put runs together that went on from the same weights: `python -m psdstudio.training.average A B --began S --to RUN`.

Two cores that train one network do not train it twice as fast; two networks trained apart from the same start and then
averaged (model soups, Wortsman et al. 2203.05482; local SGD, Stich 1805.09767) were better than either.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open

from psdstudio.engine.network import SceneNet
from psdstudio.training.checkpoints import TrainState, load_state, save_state
from psdstudio.training.train import build_state


def averaged(paths: Sequence[Path], began: Path) -> TrainState[SceneNet]:
    """Return a state whose network and average are the mean of the runs' averages; its optimizer is fresh.

    What was seen is what the start had seen and all that each of the runs saw since.

    Raises:
        ValueError: no run is given.
    """
    if not paths:
        raise ValueError("There is no run to average.")
    runs = [build_state(1e-3) for _ in paths]
    for run, path in zip(runs, paths, strict=True):
        load_state(path, run)
    out = build_state(1e-3)
    with torch.no_grad():
        for name, value in out.average.state_dict().items():
            mean = torch.stack([run.average.state_dict()[name] for run in runs]).mean(0)
            value.copy_(mean)
            out.net.state_dict()[name].copy_(mean)
    out.step = max(run.step for run in runs)
    before = _seen(began)
    stages = set(before).union(*(run.seen for run in runs))
    out.seen = {
        stage: before.get(stage, 0) + sum(run.seen.get(stage, 0) - before.get(stage, 0) for run in runs)
        for stage in sorted(stages)
    }
    return out


def _seen(path: Path) -> dict[str, int]:
    with safe_open(path, framework="pt") as file:
        return dict(json.loads(file.metadata()["seen"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="checkpoints (last.safetensors) to put together")
    parser.add_argument(
        "--began", type=Path, required=True, help="the checkpoint from which all of them went on"
    )
    parser.add_argument("--to", type=Path, required=True, help="the checkpoint to write")
    args = parser.parse_args(arguments)
    state = averaged(args.runs, args.began)
    save_state(args.to, state, with_optimizer=False)
    print(f"{args.to}: the mean of {len(args.runs)} runs, seen {state.seen}")


if __name__ == "__main__":
    main()
