"""Few-step adapters (LoRAs distilled from SDXL): how a run with one of them is stepped. Off unless the user asks.

What is known (looked up, not measured here): full Lightning checkpoints under LayerDiffuse give bad pictures (issues
LayerDiffuse #12, DiffusersCLI #4, ComfyUI-Easy-Use #785); the Lightning *LoRA* over an ordinary SDXL checkpoint with
LayerDiffuse is reported as good by one user, LCM and TCD as no better (LayerDiffuse #12). Of Hyper-SD with LayerDiffuse
there is no report; its 8 and 12 step editions keep classifier-free guidance (scales 5 to 8) and so negative words. The
alpha is a small signal in the latents, which such adapters were never trained on: look at the edges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from psdstudio.engine.sdxl.schedules import Solver
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelFile

MAX_STEPS = 16
KEPT_GUIDANCE = (5.0, 8.0)
"""Scales that the guidance-preserving Hyper-SD adapters were made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """How a run with a few-step adapter is stepped: `text_guidance` 1 is without guidance, one evaluation a step."""

    steps: int
    text_guidance: float = 1.0
    solver: Solver = Solver.EULER
    spacing: str = "trailing"


def acceleration_of(model: ModelFile, *, text_guidance: float) -> Acceleration:
    """Return how this adapter is used; `text_guidance` is the user's and counts where the adapter keeps guidance.

    The number of steps is the file's fact "steps", else what its title or file name says ("8-step", "8steps").
    Timesteps are trailing, so that the first one is pure noise as in the distillation (Lin et al. 2305.08891, table 2).

    Raises:
        ModelIncompatible: The file does not say for how many steps it was made.
    """
    words = f"{model.title} {PurePath(model.path).name}".lower()
    steps = model.fact("steps")
    if steps is None or not steps.isdecimal():
        found = re.search(r"(\d+)[\s_-]?steps?(?![a-z])", words)
        steps = found.group(1) if found else None
    if steps is None or not 1 <= int(steps) <= MAX_STEPS:
        raise ModelIncompatible(
            f"“{model.title}” does not say for how many steps it was made.",
            "Give the file a name such as “lightning 8step”, or switch the acceleration off.",
        )
    if "cfg" in words or model.fact("guidance") == "kept":
        low, high = KEPT_GUIDANCE
        return Acceleration(steps=int(steps), text_guidance=min(max(text_guidance, low), high))
    return Acceleration(steps=int(steps))
