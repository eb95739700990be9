"""The training loop of the joint adapter: deterministic data from a seed, checkpoints to go on from, one validation.

Everything that a step draws comes from (seed, step, part of the step, process), so a training that was stopped and
goes on is the training that was never stopped. Runs in every process that accelerate's launcher starts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from psdstudio.errors import EngineFailed
from psdstudio.training.joint_adapter import Progress, read_checkpoint, write_adapter, write_checkpoint
from psdstudio.training.joint_encode import load_scene
from psdstudio.training.joint_modes import draw_plan
from psdstudio.training.joint_network import JointModule
from psdstudio.training.joint_validation import validation_errors

LAST, ADAPTER, LOG, VALIDATION = "last.safetensors", "joint.safetensors", "log.jsonl", "validation.jsonl"
WARM_UP = 100
CLIP = 1.0
BETAS, WEIGHT_DECAY = (0.9, 0.99), 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a training runs.

    Attributes:
        out: Folder of its files.
        rate: Learning rate after `WARM_UP` steps; it stays, so that any training can be continued.
        accumulate: Scenes of each process in one optimizer step.
        steps: Stop at this step; None for when the time is over.
        budget_s: Stop after so many seconds.
        save_every: Steps between checkpoints.
        validate_every: Steps between validations.
        seed: Of the data.
        joint: False is the ablation: no row ever sees another one.
    """

    out: Path
    rate: float = 1e-4
    accumulate: int = 4
    steps: int | None = None
    budget_s: float = 3600.0
    save_every: int = 250
    validate_every: int = 500
    seed: int = 1
    joint: bool = True


Paint = Callable[[Path], None]
"""Writes the validation picture to a path."""


class JointRun:
    """One process's part of a training.

    Args:
        accelerator: accelerate's Accelerator, set up for `settings.accumulate`.
        module: What is trained, already on the accelerator's device.
        scenes: Files of encoded scenes to train on.
        held_out: Those that validation alone sees.
        settings: See there.
        base: SHA-256 of the base model.
        paint: Called in the first process at each validation; None for no picture.
    """

    def __init__(
        self,
        accelerator: Any,
        module: JointModule,
        scenes: Sequence[Path],
        held_out: Sequence[Path],
        settings: RunSettings,
        *,
        base: str,
        paint: Paint | None = None,
    ) -> None:
        self._accelerator, self._module, self._settings = accelerator, module, settings
        self._scenes, self._held_out = tuple(scenes), tuple(held_out)
        self._base, self._paint = base, paint
        self._parameters = list(module.named_tensors().values())
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.rate, betas=BETAS, weight_decay=WEIGHT_DECAY
        )
        self._facts = {"seed": str(settings.seed), "joint": str(settings.joint).lower()}
        self.progress = Progress()
        self._saved_step: int | None = None
        last = settings.out / LAST
        if last.exists():
            self.progress = read_checkpoint(last, module, self._optimizer, base=base, extra=self._facts)
            self._saved_step = self.progress.step
            self._restore_scale()
            self._tell({"resumed_at": self.progress.step})
        self._model, self._stepper = accelerator.prepare(module, self._optimizer)
        self.stopped = False

    def train(self) -> None:
        """Train until the steps or the time are over or `stopped` is set, then save.

        Raises:
            EngineFailed: The loss is not a number; what was saved before stays.
            FileWriteFailed: A checkpoint cannot be written; the one before stays.
        """
        settings, began = self._settings, time.monotonic()
        losses: list[float] = []
        while not self._is_over(time.monotonic() - began):
            losses.append(self._step())
            step = self.progress.step
            if step % 10 == 0:
                spent = time.monotonic() - began
                self._tell(
                    {
                        "step": step,
                        "loss": round(float(np.mean(losses[-100:])), 5),
                        "seconds": round(spent, 1),
                    }
                )
            if step % settings.save_every == 0:
                self._save()
            if step % settings.validate_every == 0:
                self._validate()
        if self._saved_step != self.progress.step:
            self._save()
        if self.progress.step % settings.validate_every:
            self._validate()

    def _is_over(self, spent_s: float) -> bool:
        """Whether any process wants to stop: all must stop at the same step, or the others wait for ever."""
        steps = self._settings.steps
        if steps is not None and self.progress.step >= steps:
            return True
        wants = self.stopped or spent_s > self._settings.budget_s
        flag = torch.tensor([float(wants)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag, "sum").item() > 0)

    def _step(self) -> float:
        """Take one optimizer step; returns the mean loss over its scenes and the processes."""
        accelerator, count = self._accelerator, self._settings.accumulate
        rate = self._settings.rate * min(1.0, (self.progress.step + 1) / WARM_UP)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        total = 0.0
        for part in range(count):
            with accelerator.accumulate(self._model):
                loss = self._loss(part)
                mean = float(accelerator.reduce(loss.detach().float(), "mean"))
                if not np.isfinite(mean):
                    raise self._not_finite()
                total += mean
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self._parameters, CLIP)
                self._stepper.step()
                self._stepper.zero_grad()
        self.progress.step += 1
        self.progress.scenes += count * accelerator.num_processes
        return total / count

    def _loss(self, part: int) -> Tensor:
        at = (self._settings.seed, self.progress.step, part, self._accelerator.process_index)
        rng = np.random.default_rng(at)
        scene = load_scene(self._scenes[int(rng.integers(len(self._scenes)))])
        plan = draw_plan(rng, scene.objects)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(scene.latents.shape, generator=generator)
        loss: Tensor = self._model(scene, plan, noise, self._settings.joint)
        return loss

    def _save(self) -> None:
        """Write checkpoint and adapter from the first process; the parameters are checked before.

        Raises:
            EngineFailed: A parameter is not a number, or the processes do not hold the same ones any more.
        """
        if not all(bool(parameter.isfinite().all()) for parameter in self._parameters):
            raise self._not_finite()
        held = torch.tensor([self._digest()], dtype=torch.int64, device=self._accelerator.device)
        digests = self._accelerator.gather(held).tolist()
        if len(set(digests)) > 1:
            raise EngineFailed(
                "The processes of this training hold different weights; it was stopped.",
                self._what_is_saved(),
            )
        if self._accelerator.is_main_process:
            scaler = self._accelerator.scaler
            self.progress.loss_scale = 0.0 if scaler is None else float(scaler.get_scale())
            out = self._settings.out
            write_checkpoint(
                out / LAST, self._module, self._optimizer, self.progress, base=self._base, extra=self._facts
            )
            write_adapter(out / ADAPTER, self._module, base=self._base, steps=self.progress.step)
        self._saved_step = self.progress.step
        self._tell({"saved_at": self.progress.step, "digests": digests})
        self._accelerator.wait_for_everyone()

    def _digest(self) -> int:
        """Return 63 bits of the SHA-256 of all trained parameters."""
        made = hashlib.sha256()
        for parameter in self._parameters:
            made.update(parameter.detach().cpu().numpy().tobytes())
        return int.from_bytes(made.digest()[:8], "big") >> 1

    def _restore_scale(self) -> None:
        scaler = self._accelerator.scaler
        if scaler is not None and self.progress.loss_scale > 0:
            scaler.load_state_dict(scaler.state_dict() | {"scale": self.progress.loss_scale})

    def _validate(self) -> None:
        if self._accelerator.is_main_process:
            with self._accelerator.autocast():
                figures = validation_errors(
                    self._module, [load_scene(path) for path in self._held_out], joint=self._settings.joint
                )
            self._write(VALIDATION, {"step": self.progress.step, **figures})
            if self._paint is not None:
                with self._accelerator.autocast():
                    self._paint(self._settings.out / f"validation-{self.progress.step:06d}.png")
        self._accelerator.wait_for_everyone()

    def _not_finite(self) -> EngineFailed:
        return EngineFailed(
            f"The loss is not a number at step {self.progress.step + 1}; the training was stopped.",
            f"{self._what_is_saved()} Go on with a lower --rate, or with --precision bf16 or no.",
        )

    def _what_is_saved(self) -> str:
        if self._saved_step is None:
            return "Nothing was saved yet."
        return f"What was saved at step {self._saved_step} is untouched."

    def _tell(self, facts: dict[str, object]) -> None:
        if self._accelerator.is_main_process:
            self._write(LOG, facts)

    def _write(self, name: str, facts: dict[str, object] | dict[str, float]) -> None:
        line = json.dumps(facts)
        with (self._settings.out / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)
