"""Checkpoints without pickle: weights, their moving average and the optimizer's moments in one safetensors file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


@dataclass(slots=True)
class TrainState(Generic[Net]):
    """What a run needs to go on: network, its average, optimizer, samples seen per stage."""

    net: Net
    average: Net
    optimizer: torch.optim.AdamW
    step: int
    seen: dict[str, int]


def save_state(path: Path, state: TrainState[Net], *, with_optimizer: bool = True) -> None:
    """Write the state beside `path` and rename, so a stopped run never leaves half a file."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("net.", state.net), ("average.", state.average)):
        tensors |= {prefix + k: v.detach().contiguous() for k, v in module.state_dict().items()}
    if with_optimizer:
        for name, parameter in state.net.named_parameters():
            moments = state.optimizer.state.get(parameter)
            if moments:
                tensors[f"m1.{name}"] = moments["exp_avg"].contiguous()
                tensors[f"m2.{name}"] = moments["exp_avg_sq"].contiguous()
    meta = {"step": str(state.step), "seen": json.dumps(state.seen)}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    save_file(tensors, beside, metadata=meta)
    os.replace(beside, path)


def load_state(path: Path, state: TrainState[Net]) -> None:
    """Fill `state` from a file written by `save_state`; a missing optimizer part leaves the optimizer fresh."""
    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  # not a dict
    _fill(state.net, tensors, "net.")
    _fill(state.average, tensors, "average.")
    state.step, state.seen = int(meta["step"]), dict(json.loads(meta["seen"]))
    for name, parameter in state.net.named_parameters():
        if f"m1.{name}" in tensors:
            state.optimizer.state[parameter] = {
                "step": torch.tensor(float(state.step)),
                # In the parameter's own memory format: the fused optimizer walks them side by side.
                "exp_avg": torch.empty_like(parameter).copy_(tensors[f"m1.{name}"]).detach(),
                "exp_avg_sq": torch.empty_like(parameter).copy_(tensors[f"m2.{name}"]).detach(),
            }


def resume(path: Path, state: TrainState[Net]) -> bool:
    """Go on from `path` where it is there, and say so; returns whether it was."""
    if not path.exists():
        return False
    load_state(path, state)
    print(f"resumed at step {state.step}, seen {state.seen}", flush=True)
    return True


def begin_from(state: TrainState[Net], shipped: Net) -> None:
    """Start network and average from shipped weights; the optimizer stays fresh."""
    for held in (state.net, state.average):
        held.load_state_dict(shipped.state_dict())


def _fill(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
