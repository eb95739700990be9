"""The adapter file `psdstudio.joint/1`, and the checkpoint, which is the same with what the optimizer knows.

Keys: `lora.<module path>.down` (rank, in) and `.up` (out, rank); `embedding.<table>`. Checkpoints add `first.<key>`,
`second.<key>` and `count.<key>`, the moments of Adam and its count of steps. Metadata, all text: format, rank,
alpha, wide, every, base (SHA-256 of the base model) and steps; of a checkpoint also those of `Progress`. Safetensors
alone: nothing that a file could run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from psdstudio.errors import ModelIncompatible, ModelLoadFailed
from psdstudio.io.files import atomic_write
from psdstudio.training.joint_network import AdapterShape, JointModule

FORMAT, CHECKPOINT_FORMAT = "psdstudio.joint/1", "psdstudio.joint-checkpoint/1"
MAX_BYTES = 16 << 30
_FIRST, _SECOND, _COUNT = "first.", "second.", "count."
_OTHER_RUN = "Choose another --out folder, or the settings that the training was begun with."


@dataclass(slots=True)
class Progress:
    """How far a training is: optimizer steps, scenes shown in all processes, scale of the loss (fp16, else 0)."""

    step: int = 0
    scenes: int = 0
    loss_scale: float = 0.0


def write_adapter(path: Path, module: JointModule, *, base: str, steps: int) -> None:
    """Write what the engine loads, completely or not at all. Raises FileWriteFailed."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.named_tensors().items()}
    metadata = {"format": FORMAT, **_facts(module.shape, base), "steps": str(steps)}
    packed = save(tensors, metadata)
    atomic_write(path, lambda out: out.write(packed))


def write_checkpoint(
    path: Path,
    module: JointModule,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    *,
    base: str,
    extra: Mapping[str, str],
) -> None:
    """Write all that a training goes on from; `extra` are further facts. Raises FileWriteFailed."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in module.named_tensors().items():
        tensors[name] = parameter.detach()
        if moments := optimizer.state.get(parameter):
            tensors[_FIRST + name] = moments["exp_avg"]
            tensors[_SECOND + name] = moments["exp_avg_sq"]
            tensors[_COUNT + name] = moments["step"]
    metadata = {
        "format": CHECKPOINT_FORMAT,
        **_facts(module.shape, base),
        "step": str(progress.step),
        "scenes": str(progress.scenes),
        "loss_scale": repr(progress.loss_scale),
        **extra,
    }
    packed = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    atomic_write(path, lambda out: out.write(packed))


def read_checkpoint(
    path: Path, module: JointModule, optimizer: torch.optim.Optimizer, *, base: str, extra: Mapping[str, str]
) -> Progress:
    """Put the module and the optimizer into the state that was written; returns how far the training was.

    Raises:
        ModelLoadFailed: The file is damaged.
        ModelIncompatible: The training was begun with another base model, another adapter or other facts.
    """
    tensors, metadata = read_tensors(path, CHECKPOINT_FORMAT)
    for name, value in {**_facts(module.shape, base), **extra}.items():
        if metadata.get(name) != value:
            raise ModelIncompatible(
                f"The training in “{path.parent.name}” was begun with another {_SAID.get(name, name)}"
                f" ({metadata.get(name, 'none')[:40]}, not {value[:40]}).",
                _OTHER_RUN,
            )
    try:
        progress = Progress(
            step=int(metadata["step"]),
            scenes=int(metadata["scenes"]),
            loss_scale=float(metadata["loss_scale"]),
        )
        with torch.no_grad():
            for name, parameter in module.named_tensors().items():
                parameter.copy_(_fitting(tensors[name], parameter))
                if _FIRST + name in tensors:
                    optimizer.state[parameter] = {
                        "step": tensors[_COUNT + name],
                        "exp_avg": _fitting(tensors[_FIRST + name], parameter).to(parameter.device),
                        "exp_avg_sq": _fitting(tensors[_SECOND + name], parameter).to(parameter.device),
                    }
    except (KeyError, ValueError) as exc:
        raise _damaged(path) from exc
    return progress


def read_tensors(path: Path, wanted: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file of format `wanted`.

    Raises:
        ModelLoadFailed: It is none, is damaged, too large or holds numbers that are not finite.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _damaged(path)
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != wanted:
                raise _damaged(path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (OSError, SafetensorError) as exc:
        raise _damaged(path) from exc
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise _damaged(path)
    return tensors, metadata


_SAID = {"base": "base model", "wide": "choice of --wide", "every": "choice of --every"}


def _facts(shape: AdapterShape, base: str) -> dict[str, str]:
    return {
        "rank": str(shape.rank),
        "alpha": repr(float(shape.alpha)),
        "wide": str(shape.wide).lower(),
        "every": str(shape.every),
        "base": base,
    }


def _fitting(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape != like.shape:
        raise ValueError(f"{tuple(tensor.shape)} where {tuple(like.shape)} is wanted")
    return tensor.to(like.dtype)


def _damaged(path: Path) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"“{path.name}” cannot be read: it is damaged or no file of such a training.",
        "Nothing was changed. Use a copy of it, or begin anew in another --out folder.",
    )
