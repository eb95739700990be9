"""Noise levels and steps: diffusers' schedulers by name, one scheduler object per row, few-step adapters.

A noised latent is x_i = signal_i (z + sigma_i e): signal is 1 for the Euler schedulers and 1 / sqrt(sigma^2 + 1) for
DPM++ (Karras et al. 2206.00364, table 1: variance exploding and preserving).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)
from torch import Tensor

from psdstudio.errors import ModelIncompatible

SDXL_CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "timestep_spacing": "leading",
        "steps_offset": 1,
    }
)
"""As published with SDXL base 1.0; a checkpoint that predicts velocities says so in its own."""
_SHARED = (*SDXL_CONFIG, "rescale_betas_zero_snr", "trained_betas")
_PREDICTIONS = ("epsilon", "v_prediction", "sample")


class Solver(Enum):
    """The schedulers on offer; the value is what the window says."""

    EULER = "Euler"
    EULER_ANCESTRAL = "Euler a"
    DPM_2M_SDE_KARRAS = "DPM++ 2M SDE Karras"


def _scheduler(solver: Solver, config: Mapping[str, Any]) -> Any:
    match solver:
        case Solver.EULER:
            return EulerDiscreteScheduler(**config)
        case Solver.EULER_ANCESTRAL:
            return EulerAncestralDiscreteScheduler(**config)
        case Solver.DPM_2M_SDE_KARRAS:
            return DPMSolverMultistepScheduler(
                **config, algorithm_type="sde-dpmsolver++", solver_order=2, use_karras_sigmas=True
            )


class Schedule:
    """The noise levels of one run and how a row goes from one to the next.

    Args:
        config: Of the model's scheduler (`scheduler_config.json`); keys that the solver does not have are left out.
        solver: Which scheduler.
        steps: Number of steps, 1 to 1000.
        spacing: "leading", "trailing" or "linspace" instead of the model's own.

    Attributes:
        timesteps: Of each step, of 1000, falling.
        sigmas: (steps + 1,) noise levels sigma, falling to 0.
        prediction: What the network predicts: "epsilon", "v_prediction" or "sample".

    Raises:
        ModelIncompatible: The model predicts something else.
    """

    def __init__(
        self,
        config: Mapping[str, Any] = SDXL_CONFIG,
        *,
        solver: Solver = Solver.EULER,
        steps: int,
        spacing: str | None = None,
    ) -> None:
        if not 1 <= steps <= 1000:
            raise ValueError(f"{steps} steps")
        self.solver = solver
        self._config = {key: config[key] for key in _SHARED if key in config}
        if spacing is not None:
            self._config["timestep_spacing"] = spacing
        self.prediction = str(self._config.get("prediction_type", "epsilon"))
        if self.prediction not in _PREDICTIONS:
            raise ModelIncompatible(
                f"This model predicts “{self.prediction}”, which the photoreal engine has no steps for.",
                "Choose an SDXL model; models of the flow kind (SD 3, Flux) are another family.",
            )
        made = self._made(steps)
        self.sigmas: Tensor = made.sigmas
        self.timesteps: tuple[float, ...] = tuple(made.timesteps.tolist())
        self._start_scale: Tensor | float = made.init_noise_sigma

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.timesteps)

    def start(self, strength: float) -> int:
        """Return the step at which a row starts that is to be changed by this share (SDEdit, 2108.01073).

        As in diffusers' image-to-image pipelines; at least the last step is taken.
        """
        return self.steps - min(max(int(self.steps * strength), 1), self.steps)

    def pure(self, noise: Tensor) -> Tensor:
        """Return the latents that a row of which nothing is known starts with."""
        return noise * self._start_scale

    def noised(self, clean: Tensor, noise: Tensor, step: int) -> Tensor:
        """Return q(z, t): `clean` latents at the noise level before step `step`; `step` = steps is after the last."""
        return self._signal(step) * (clean + self._sigma(step) * noise)

    def renoised(self, latents: Tensor, noise: Tensor, step: int) -> Tensor:
        """Return latents that have taken step `step` at the noise level before it (RePaint, 2201.09865, eq. 1)."""
        added = (self._sigma(step) ** 2 - self._sigma(step + 1) ** 2) ** 0.5
        return self._signal(step) * (latents / self._signal(step + 1) + added * noise)

    def scaled(self, latents: Tensor, step: int) -> Tensor:
        """Return noised latents as the network wants them: of about unit variance."""
        if self.solver is Solver.DPM_2M_SDE_KARRAS:
            return latents
        return latents / ((self._sigma(step) ** 2 + 1) ** 0.5)

    def clean(self, latents: Tensor, predicted: Tensor, step: int) -> Tensor:
        """Return what the latents are once clean, as far as the prediction of step `step` says (x0)."""
        sigma, signal = self._sigma(step), self._signal(step)
        if self.prediction == "sample":
            return predicted
        if self.prediction == "epsilon":
            return latents / signal - sigma * predicted
        preserved = latents / signal / (sigma**2 + 1) ** 0.5
        return (preserved - sigma * predicted) / (sigma**2 + 1) ** 0.5

    def solver_of(self, start: int, generator: torch.Generator | None) -> RowSolver:
        """Return the steps of one row that starts before step `start`."""
        return RowSolver(self._made(self.steps), start, generator)

    def _made(self, steps: int) -> Any:
        with warnings.catch_warnings():
            # diffusers 0.42 makes numpy arrays of tensors in the way that numpy 2 is about to drop.
            warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
            scheduler = _scheduler(self.solver, self._config)
            scheduler.set_timesteps(steps)
        return scheduler

    def _sigma(self, step: int) -> Tensor:
        return self.sigmas[step]

    def _signal(self, step: int) -> Tensor:
        if self.solver is Solver.DPM_2M_SDE_KARRAS:
            return 1 / (self._sigma(step) ** 2 + 1) ** 0.5
        return torch.ones(())


class RowSolver:
    """The scheduler of one row, with its own count of steps, its own history and its own generator.

    Rows start at different steps, and a multistep scheduler remembers the predictions of the rows it saw: one object
    for all rows could do neither. On the CPU the generator is the row's, so that no device changes its noise.
    """

    def __init__(self, scheduler: Any, start: int, generator: torch.Generator | None) -> None:
        self._scheduler, self._generator = scheduler, generator
        self._next = start
        scheduler.set_begin_index(start)

    def step(self, predicted: Tensor, latents: Tensor) -> Tensor:
        """Return the latents (4, h, w) of this row one step further down, float32."""
        timestep = self._scheduler.timesteps[self._next]
        # What the network is given is scaled by the schedule; this call tells the scheduler that it was.
        self._scheduler.scale_model_input(latents[None], timestep)
        made = self._scheduler.step(
            predicted[None].float(), timestep, latents[None], generator=self._generator, return_dict=False
        )
        self._next += 1
        stepped: Tensor = made[0][0]
        return stepped
