"""Schedules: the numbers of diffusers' schedulers, per row, at any start."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)
from torch import Tensor

from psdstudio.engine.sdxl.acceleration import Acceleration, acceleration_of
from psdstudio.engine.sdxl.noise import reference_noise, row_noise, step_generator
from psdstudio.engine.sdxl.schedules import SDXL_CONFIG, Schedule, Solver
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelFile, ModelKind
from tests.engine.sdxl.scenes import LATENT_SHAPE, same, some_latents, thing
from tests.engine.sdxl.tiny import SCHEDULER_CONFIG

pytestmark = pytest.mark.torch
SOLVERS = tuple(Solver)
THEIR_WARNING = "ignore:__array__ implementation:DeprecationWarning"
"""Of diffusers' own schedulers under numpy 2; `Schedule` deals with it by itself."""


def diffusers_scheduler(solver: Solver, **changed: Any) -> Any:
    config = {**SCHEDULER_CONFIG, **changed}
    if solver is Solver.DPM_2M_SDE_KARRAS:
        config.pop("interpolation_type")
        return DPMSolverMultistepScheduler(**config, algorithm_type="sde-dpmsolver++", use_karras_sigmas=True)
    if solver is Solver.EULER_ANCESTRAL:
        config.pop("interpolation_type")
        return EulerAncestralDiscreteScheduler(**config)
    return EulerDiscreteScheduler(**config)


def answers(latents: Tensor, step: int) -> Tensor:
    """Return what stands in for the network: any function of latents and step."""
    return torch.tanh(latents * 0.3 + 0.1 * step)


@pytest.mark.filterwarnings(THEIR_WARNING)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_row_goes_down_as_in_diffusers_to_the_bit(solver: Solver, prediction: str) -> None:
    schedule = Schedule({**SDXL_CONFIG, "prediction_type": prediction}, solver=solver, steps=6)
    theirs = diffusers_scheduler(solver, prediction_type=prediction)
    theirs.set_timesteps(6)
    row = thing(1, "a swan", seed=5)
    ours_z = schedule.pure(row_noise(row, LATENT_SHAPE))
    their_z = row_noise(row, LATENT_SHAPE)[None] * theirs.init_noise_sigma
    rows, generator = schedule.solver_of(0, step_generator(row)), step_generator(row)
    assert schedule.timesteps == tuple(theirs.timesteps.tolist())
    for step, timestep in enumerate(theirs.timesteps):
        scaled = theirs.scale_model_input(their_z, timestep)
        assert torch.equal(schedule.scaled(ours_z, step), scaled[0])
        predicted = answers(scaled, step)
        made = theirs.step(predicted, timestep, their_z, generator=generator)
        guess = schedule.clean(ours_z, predicted[0], step)
        if hasattr(made, "pred_original_sample"):
            torch.testing.assert_close(guess, made.pred_original_sample[0], atol=1e-5, rtol=1e-5)
        ours_z, their_z = rows.step(predicted[0], ours_z), made.prev_sample
        assert torch.equal(ours_z, their_z[0])
    assert torch.isfinite(ours_z).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_noise_and_clean_are_inverse(solver: Solver, prediction: str) -> None:
    schedule = Schedule({**SDXL_CONFIG, "prediction_type": prediction}, solver=solver, steps=9)
    clean, noise = some_latents(1), some_latents(2)
    for step in range(schedule.steps):
        sigma = schedule.sigmas[step]
        alpha = 1 / (sigma**2 + 1) ** 0.5
        exact = {"epsilon": noise, "v_prediction": alpha * noise - alpha * sigma * clean, "sample": clean}
        noised = schedule.noised(clean, noise, step)
        torch.testing.assert_close(
            schedule.clean(noised, exact[prediction], step), clean, atol=2e-4, rtol=1e-4
        )
    assert torch.equal(schedule.noised(clean, noise, schedule.steps), clean)


@pytest.mark.filterwarnings(THEIR_WARNING)
@pytest.mark.parametrize("solver", SOLVERS)
def test_noised_latents_are_those_of_diffusers(solver: Solver) -> None:
    schedule, theirs = Schedule(solver=solver, steps=7), diffusers_scheduler(solver)
    theirs.set_timesteps(7)
    clean, noise = some_latents(1), some_latents(2)
    for step in (0, 3, 6):
        theirs.set_begin_index(step)
        wanted = theirs.add_noise(clean[None], noise[None], theirs.timesteps[step : step + 1])[0]
        torch.testing.assert_close(schedule.noised(clean, noise, step), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_taken_back_has_the_noise_of_its_level(solver: Solver) -> None:
    schedule, clean = Schedule(solver=solver, steps=7), some_latents(1)
    zero, one = torch.zeros(LATENT_SHAPE), torch.ones(LATENT_SHAPE)
    for step in (0, 4, 6):
        later = schedule.noised(clean, zero, step + 1)
        same(schedule.renoised(later, zero, step), schedule.noised(clean, zero, step))
        own = schedule.renoised(schedule.noised(zero, one, step + 1), zero, step)
        fresh = schedule.renoised(zero, one, step)
        same((own**2 + fresh**2) ** 0.5, schedule.noised(zero, one, step))


@pytest.mark.parametrize(("strength", "start"), [(1.0, 0), (0.5, 5), (0.3, 7), (0.01, 9), (0.0, 9)])
def test_strength_says_where_a_row_starts(strength: float, start: int) -> None:
    assert Schedule(steps=10).start(strength) == start


def test_a_row_that_starts_late_ends_clean_and_keeps_more() -> None:
    schedule, clean, noise = Schedule(steps=10), some_latents(1), some_latents(2)
    distances = []
    for strength in (0.2, 0.6, 1.0):
        start = schedule.start(strength)
        rows, latents = schedule.solver_of(start, None), schedule.noised(clean, noise, start)
        for step in range(start, schedule.steps):
            latents = rows.step(answers(schedule.scaled(latents, step), step), latents)
        distances.append(float((latents - clean).abs().mean()))
    assert distances == sorted(distances)
    assert distances[0] < 0.5 * distances[-1]


def test_noise_depends_on_the_seed_alone() -> None:
    one, same, other = thing(1, "a", seed=3), thing(2, "b", seed=3), thing(1, "a", seed=4)
    assert torch.equal(row_noise(one, LATENT_SHAPE), row_noise(same, LATENT_SHAPE))
    assert not torch.equal(row_noise(one, LATENT_SHAPE), row_noise(other, LATENT_SHAPE))
    draws = [
        row_noise(one, (9999,)),
        reference_noise(one, (9999,)),
        torch.randn(9999, generator=step_generator(one)),
    ]
    related = torch.corrcoef(torch.stack(draws)) - torch.eye(3)
    assert related.abs().max() < 0.05


def test_a_model_that_predicts_something_else_is_refused() -> None:
    with pytest.raises(ModelIncompatible, match="flow_prediction"):
        Schedule({**SDXL_CONFIG, "prediction_type": "flow_prediction"}, steps=4)
    with pytest.raises(ValueError, match="0 steps"):
        Schedule(steps=0)


def accelerator(title: str, **facts: str) -> ModelFile:
    return ModelFile(
        kind=ModelKind.ACCELERATION,
        path=f"/models/{title}.safetensors",
        sha256="0" * 64,
        title=title,
        size_bytes=1,
        facts=tuple(facts.items()),
    )


@pytest.mark.parametrize(
    ("facts", "made"),
    [
        ({"method": "Lightning", "steps": "8"}, Acceleration(steps=8)),
        ({"method": "Turbo", "steps": "4"}, Acceleration(steps=4, solver=Solver.EULER_ANCESTRAL)),
        (
            {"method": "Hyper-SD", "steps": "12", "guidance": "kept"},
            Acceleration(steps=12, text_guidance=6.0),
        ),
        ({"steps": "2"}, Acceleration(steps=2)),
    ],
)
def test_acceleration_is_read_from_the_facts_of_the_file(facts: dict[str, str], made: Acceleration) -> None:
    assert acceleration_of(accelerator("some LoRA", **facts), text_guidance=6.0) == made
    schedule = Schedule(solver=made.solver, steps=made.steps, spacing=made.spacing)
    assert schedule.timesteps[0] == 999
    assert schedule.steps == made.steps


def test_kept_guidance_stays_in_the_range_it_was_made_for() -> None:
    model = accelerator("some LoRA", steps="8", guidance="kept")
    assert acceleration_of(model, text_guidance=2.0).text_guidance == 5.0
    assert acceleration_of(model, text_guidance=20.0).text_guidance == 8.0


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"method": "LCM", "steps": "4"}, "LCM, which has a scheduler of its own"),
        ({"method": "Lightning"}, "how many steps"),
        ({"steps": "50"}, "how many steps"),
        ({"steps": "0"}, "how many steps"),
    ],
)
def test_acceleration_that_cannot_be_stepped_is_refused(facts: dict[str, str], said: str) -> None:
    with pytest.raises(ModelIncompatible, match=said) as refused:
        acceleration_of(accelerator("some LoRA", **facts), text_guidance=6.0)
    assert refused.value.hint
