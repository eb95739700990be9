"""Few-step adapters (LoRAs distilled from SDXL): how a run with one of them is stepped. Off unless the user asks.

What is known (looked up, not measured here): full Lightning checkpoints under LayerDiffuse give bad pictures (issues
LayerDiffuse #12, DiffusersCLI #4, ComfyUI-Easy-Use #785); the Lightning *LoRA* over an ordinary SDXL checkpoint with
LayerDiffuse is reported as good by one user, LCM and TCD as no better (LayerDiffuse #12). Of Hyper-SD with LayerDiffuse
there is no report; its 8 and 12 step editions keep classifier-free guidance (scales 5 to 8) and so negative words. The
alpha is a small signal in the latents, which such adapters were never trained on: look at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from psdstudio.engine.sdxl.schedules import Solver
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelFile

MAX_STEPS = 16
KEPT_GUIDANCE = (5.0, 8.0)
"""Scales that the guidance-preserving Hyper-SD adapters were made for."""

_OTHER_SCHEDULERS = ("LCM", "TCD", "DMD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """How a run with a few-step adapter is stepped: `text_guidance` 1 is without guidance, one evaluation a step."""

    steps: int
    text_guidance: float = 1.0
    solver: Solver = Solver.EULER
    spacing: str = "trailing"


def acceleration_of(model: ModelFile, *, text_guidance: float) -> Acceleration:
    """Return how this adapter is used; `text_guidance` is the user's and counts where the adapter keeps guidance.

    From the file's facts "method", "steps" and "guidance". Timesteps are trailing, so that the first one is pure noise
    as in the distillation (Lin et al. 2305.08891, table 2).

    Raises:
        ModelIncompatible: It was distilled for a scheduler that is not here, or does not say for how many steps.
    """
    method, steps = model.fact("method"), model.fact("steps")
    if method in _OTHER_SCHEDULERS:
        raise ModelIncompatible(
            f"“{model.title}” is of the kind {method}, which has a scheduler of its own that is not built in.",
            "Use a LoRA of SDXL-Lightning or Hyper-SD, or switch the acceleration off.",
        )
    if steps is None or not steps.isdecimal() or not 1 <= int(steps) <= MAX_STEPS:
        raise ModelIncompatible(
            f"“{model.title}” does not say for how many steps it was made.",
            "Give the file a name such as “lightning 8step” and add it again, or switch the acceleration off.",
        )
    if model.fact("guidance") == "kept":
        low, high = KEPT_GUIDANCE
        return Acceleration(steps=int(steps), text_guidance=min(max(text_guidance, low), high))
    solver = Solver.EULER_ANCESTRAL if method == "Turbo" else Solver.EULER
    return Acceleration(steps=int(steps), solver=solver)
