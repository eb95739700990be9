"""Laws of sampling: one row is diffusers' own picture, kept is kept, rows are a set, cancelling leaves nothing."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.noise import row_noise, step_generator
from psdstudio.engine.sdxl.prompts import encode_scene
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import KeptMemory, Prediction, RowBatch, SceneRow
from psdstudio.engine.sdxl.sampler import sample
from psdstudio.engine.sdxl.schedules import Schedule, Solver
from psdstudio.errors import EngineFailed
from tests.engine.sdxl.scenes import (
    LATENT_SHAPE,
    OPTIONS,
    PARTS,
    SIZE_PX,
    STEPS,
    background,
    composite,
    left_half,
    run,
    same,
    some_latents,
    thing,
)
from tests.engine.sdxl.test_prompts import pipeline
from tests.engine.sdxl.test_schedules import diffusers_scheduler
from tests.engine.sdxl.tiny import tiny_unet

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def network() -> Iterator[RowNetwork]:
    with RowNetwork(tiny_unet()) as made:
        yield made


class Watched:
    """A network that counts what is asked of it."""

    def __init__(self, network: RowNetwork) -> None:
        self.network = network
        self.predicted: list[tuple[RowBatch, dict[str, Any]]] = []
        self.remembered: list[tuple[RowBatch, bool]] = []

    def predict(self, batch: RowBatch, **asked: Any) -> Prediction:
        self.predicted.append((batch, asked))
        return self.network.predict(batch, **asked)

    def remember(
        self, batch: RowBatch, *, readers: Sequence[int | None] | None = None, clean: bool
    ) -> KeptMemory:
        self.remembered.append((batch, clean))
        return self.network.remember(batch, readers=readers, clean=clean)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    ("solver", "guidance"),
    [
        (Solver.EULER, 5.0),
        (Solver.EULER, 1.0),
        (Solver.EULER_ANCESTRAL, 5.0),
        (Solver.DPM_2M_SDE_KARRAS, 5.0),
    ],
)
def test_one_row_is_the_picture_of_diffusers_pipeline_to_the_bit(
    solver: Solver, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tqdm.std.tqdm.monitor_interval", 0
    )  # the pipeline's progress bar would leave a thread
    pipe = pipeline()
    row = background("a swan, a cat", negative="a fog")
    pipe.scheduler = diffusers_scheduler(solver)
    pipe.set_progress_bar_config(disable=True)
    wanted = pipe(
        row.words,
        negative_prompt=row.negative,
        height=SIZE_PX[0],
        width=SIZE_PX[1],
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        latents=row_noise(row, LATENT_SHAPE)[None],
        generator=step_generator(row),
        output_type="latent",
    ).images
    with RowNetwork(tiny_unet()) as network:
        made, steps = run(network, [row], replace(OPTIONS, guidance=Guidance(text=guidance)), solver=solver)
    assert torch.equal(made, wanted)
    assert [(step.index, step.total) for step in steps] == [(i, STEPS) for i in range(1, STEPS + 1)]
    torch.testing.assert_close(steps[-1].clean, made, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("trained", [False, True])
def test_a_kept_row_is_given_back_as_it_was(network: RowNetwork, trained: bool) -> None:
    kept = some_latents(1)
    rows = [composite(), background(kept=True, latents=kept), thing(1, "a swan")]
    made, steps = run(network, rows, replace(OPTIONS, trained=trained))
    assert torch.equal(made[1], kept)
    assert all(step.rows == (0, 2) for step in steps)


@pytest.mark.parametrize("trained", [False, True])
def test_free_rows_read_the_kept_ones(network: RowNetwork, trained: bool) -> None:
    options = replace(OPTIONS, trained=trained)

    def made(latents: Tensor) -> Tensor:
        return run(network, [background(kept=True, latents=latents), thing(1, "a swan")], options)[0][1]

    assert (made(some_latents(1)) - made(some_latents(2))).abs().max() > 1e-3
    alone = run(network, [thing(1, "a swan")], options)[0][0]
    assert (made(some_latents(1)) - alone).abs().max() > 1e-3


def test_clean_kept_rows_are_read_once_and_have_no_noise(network: RowNetwork) -> None:
    watched = Watched(network)
    rows = [background(kept=True, latents=some_latents(1)), thing(1, "a swan")]
    made, _ = run(watched, rows, replace(OPTIONS, trained=True))
    assert len(watched.remembered) == 1
    batch, clean = watched.remembered[0]
    assert clean
    assert batch.timesteps.tolist() == [0.0]
    assert torch.equal(batch.latents[0], some_latents(1))
    reseeded = [replace(rows[0], seed=99), rows[1]]
    assert torch.equal(run(network, reseeded, replace(OPTIONS, trained=True))[0], made)


def test_time_matched_kept_rows_are_read_at_every_step_with_one_noise(network: RowNetwork) -> None:
    watched = Watched(network)
    kept = background(kept=True, latents=some_latents(1))
    run(watched, [kept, thing(1, "a swan")])
    schedule = Schedule(steps=STEPS)
    assert len(watched.remembered) == STEPS
    for step, (batch, clean) in enumerate(watched.remembered):
        assert not clean
        assert batch.timesteps.tolist() == [schedule.timesteps[step]]
        noised = schedule.noised(some_latents(1), row_noise(kept, LATENT_SHAPE), step)
        assert torch.equal(batch.latents[0], schedule.scaled(noised, step))
    for batch, asked in watched.predicted:
        assert batch.groups == 2  # both halves of guidance read one memory
        assert asked["kept"].timestep == batch.timesteps[0]


def test_the_order_of_objects_is_the_order_of_results(network: RowNetwork) -> None:
    swan, cat = thing(1, "a swan"), thing(2, "a cat")
    made, _ = run(network, [background(), swan, cat])
    swapped, _ = run(network, [background(), cat, swan])
    same(swapped[[0, 2, 1]], made)


def test_a_seed_is_that_of_its_layer_alone(network: RowNetwork) -> None:
    options = replace(OPTIONS, joint=False)
    rows = [background(), thing(1, "a swan"), thing(2, "a cat")]
    made, _ = run(network, rows, options)
    reseeded, _ = run(network, [*rows[:2], replace(rows[2], seed=77)], options)
    same(reseeded[:2], made[:2])
    assert (reseeded[2] - made[2]).abs().max() > 0.1
    again, _ = run(network, rows, options)
    assert torch.equal(again, made)


def test_joint_rows_read_one_another_and_single_ones_do_not(network: RowNetwork) -> None:
    rows = [background(), thing(1, "a swan")]
    joint, _ = run(network, rows)
    apart, _ = run(network, rows, replace(OPTIONS, joint=False))
    alone, _ = run(network, rows[:1], replace(OPTIONS, joint=False))
    same(apart[:1], alone)
    assert (joint - apart).abs().max() > 1e-3


@pytest.mark.parametrize("guidance", [Guidance(text=5.0), Guidance(text=5.0, context=1.5)])
def test_halves_apart_give_what_halves_together_give(network: RowNetwork, guidance: Guidance) -> None:
    rows = [
        composite(),
        background(kept=True, latents=some_latents(1)),
        thing(1, "a swan", layout=left_half()),
    ]
    options = replace(OPTIONS, guidance=guidance)
    together, _ = run(network, rows, options)
    watched = Watched(network)
    apart, _ = run(watched, rows, replace(options, halves_together=False))
    same(apart, together)
    assert all(batch.groups == 1 for batch, _ in watched.predicted)


def test_context_guidance_evaluates_rows_that_see_nobody(network: RowNetwork) -> None:
    rows = [background(kept=True, latents=some_latents(1)), thing(1, "a swan")]
    watched = Watched(network)
    made, _ = run(watched, rows, replace(OPTIONS, guidance=Guidance(text=5.0, context=2.0)))
    alone = [asked for _, asked in watched.predicted if not asked["joint"]]
    assert len(alone) == STEPS == len(watched.predicted) / 2
    assert all(asked["kept"] is None for asked in alone)
    plain, _ = run(network, rows)
    assert (made[1] - plain[1]).abs().max() > 1e-3


def test_known_pixels_of_a_partly_known_row_stay(network: RowNetwork) -> None:
    known, unknown = some_latents(1), torch.zeros(LATENT_SHAPE[1:])
    unknown[:, 8:] = 1
    rows = [background(latents=known, unknown=unknown), thing(1, "a swan")]
    made, steps = run(network, rows)
    assert torch.equal(made[0][:, :, :8], known[:, :, :8])
    assert (made[0][:, :, 8:] - known[:, :, 8:]).abs().max() > 0.1
    assert all(torch.equal(step.clean[0][:, :, :8], known[:, :, :8]) for step in steps)
    other, _ = run(network, [replace(rows[0], latents=some_latents(2)), rows[1]])
    assert (made[0][:, :, 8:] - other[0][:, :, 8:]).abs().max() > 1e-3


def test_the_known_part_is_shown_at_the_noise_of_the_step(network: RowNetwork) -> None:
    known, unknown = some_latents(1), torch.zeros(LATENT_SHAPE[1:])
    unknown[:, 8:] = 1
    row, watched, schedule = (
        background(latents=known, unknown=unknown),
        Watched(network),
        Schedule(steps=STEPS),
    )
    run(watched, [row])
    for step, (batch, _) in enumerate(watched.predicted):
        noised = schedule.noised(known, row_noise(row, LATENT_SHAPE), step)
        assert torch.equal(batch.latents[0][:, :, :8], schedule.scaled(noised, step)[:, :, :8])


@pytest.mark.parametrize("solver", list(Solver))
def test_steps_of_partly_known_rows_are_taken_again(network: RowNetwork, solver: Solver) -> None:
    known, unknown = some_latents(1), torch.zeros(LATENT_SHAPE[1:])
    unknown[:, 8:] = 1
    row, options = background(latents=known, unknown=unknown), replace(OPTIONS, resampling=3)
    watched, schedule = Watched(network), Schedule(solver=solver, steps=STEPS)
    made, steps = run(watched, [row], options, solver=solver)
    taken = [schedule.timesteps.index(float(batch.timesteps[0])) for batch, _ in watched.predicted]
    assert taken == [0, 0, 0, 1, 1, 1, 2, 3]
    assert [(step.index, step.total) for step in steps] == [(i, 8) for i in range(1, 9)]
    assert torch.equal(made[0][:, :, :8], known[:, :, :8])
    for step, (batch, _) in zip(taken, watched.predicted, strict=True):
        noised = schedule.scaled(schedule.noised(known, row_noise(row, LATENT_SHAPE), step), step)
        assert torch.equal(batch.latents[0][:, :, :8], noised[:, :, :8])
    again, _ = run(network, [row], options, solver=solver)
    assert torch.equal(again, made)
    plain, _ = run(network, [background()], options, solver=solver)
    once, _ = run(network, [background()], solver=solver)
    assert torch.equal(plain, once), "nothing is known in part, so nothing is taken again"


@pytest.mark.parametrize("trained", [False, True])
def test_a_row_of_less_strength_waits_as_context_and_starts_later(network: RowNetwork, trained: bool) -> None:
    rows = [background(latents=some_latents(1), strength=0.5), thing(1, "a swan")]
    watched = Watched(network)
    made, steps = run(watched, rows, replace(OPTIONS, trained=trained))
    assert [len(batch.identities) for batch, _ in watched.predicted] == [2, 2, 4, 4]
    assert [batch.identities[0].kept for batch, _ in watched.remembered] == [True] * (1 if trained else 2)
    assert [step.rows for step in steps] == [(0, 1)] * STEPS
    assert torch.equal(steps[0].clean[0], some_latents(1))
    assert (made[0] - some_latents(1)).abs().max() > 1e-3


def test_steps_before_any_row_starts_are_left_out(network: RowNetwork) -> None:
    made, steps = run(network, [background(latents=some_latents(1), strength=0.5)])
    assert [(step.index, step.total) for step in steps] == [(1, 2), (2, 2)]
    whole, _ = run(network, [background(latents=some_latents(1))])
    assert (made - some_latents(1)).abs().mean() < (whole - some_latents(1)).abs().mean()


def test_a_reference_is_read_by_its_own_object_alone(network: RowNetwork) -> None:
    plain = [thing(1, "a swan"), thing(2, "a cat")]
    options = replace(OPTIONS, guidance=Guidance(text=1.0))
    watched = Watched(network)
    one = [replace(plain[0], reference=some_latents(5)), plain[1]]
    made, _ = run(watched, one, options, steps=1)
    bare, _ = run(network, plain, options, steps=1)
    assert (made[0] - bare[0]).abs().max() > 1e-4
    assert watched.predicted[0][1]["kept"].readers == (1,)
    assert watched.remembered[0][0].timesteps.tolist() == [Schedule(steps=1).timesteps[0]]
    both = [replace(row, reference=some_latents(6 + i)) for i, row in enumerate(plain)]
    kept = background(kept=True, latents=some_latents(1))
    watched = Watched(network)
    run(watched, [kept, *both], replace(options, trained=True), steps=2)
    assert watched.predicted[-1][1]["kept"].readers == (None, 1, 2)


def test_cancelling_at_any_step_leaves_the_network_as_it_was(network: RowNetwork) -> None:
    rows = [
        composite(),
        background(kept=True, latents=some_latents(1)),
        thing(1, "a swan", layout=left_half()),
    ]
    before, processors = run(network, rows)[0], dict(network.unet.attn_processors)
    for stop in range(STEPS):
        text, schedule = encode_scene(PARTS, rows), Schedule(steps=STEPS)
        running: Any = sample(network, text, rows, schedule, replace(OPTIONS, trained=True))
        for _ in range(stop + 1):
            next(running)
        memory = running.gi_frame.f_locals["run"]._memories._made[1]
        held = weakref.ref(next(iter(memory.keys.values())))
        running.close()
        del running, memory
        assert held() is None, "the memory of kept rows outlives the run"
        assert torch.is_grad_enabled()
    assert network.unet.attn_processors == processors
    assert torch.equal(run(network, rows)[0], before)


def test_values_that_are_no_numbers_stop_the_run_with_a_sentence() -> None:
    unet = tiny_unet()
    unet.conv_out.bias[0] = float("nan")
    with (
        RowNetwork(unet) as network,
        pytest.raises(EngineFailed, match="not numbers in step 1 of 4") as failed,
    ):
        run(network, [background()])
    assert failed.value.hint


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([background(kept=True, latents=some_latents(1))], "all rows are kept"),
        ([background(kept=True), thing(1, "a swan")], "has no latents"),
        ([background(reference=some_latents(1))], "only objects have references"),
        (
            [background(latents=some_latents(1)[:, :8])],
            r"latents of background: \(4, 8, 16\) instead of \(4, 16, 16\)",
        ),
        ([thing(1, "a swan", layout=torch.ones(16, 16))], "layout of object 1"),
        ([background(latents=some_latents(1), unknown=torch.ones(4, 4))], "unknown of background"),
    ],
)
def test_rows_that_do_not_fit_are_refused_before_the_first_step(
    network: RowNetwork, rows: list[SceneRow], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        run(network, rows)


def test_image_tokens_guide_as_words_do(network: RowNetwork) -> None:
    tokens = torch.randn(3, 64)
    watched = Watched(network)
    rows = [background(), thing(1, "a swan", image_tokens=tokens)]
    run(watched, rows, replace(OPTIONS, image_scale=0.7), steps=1)
    batch, _ = watched.predicted[0]
    assert batch.image_tokens is not None
    assert torch.equal(batch.image_tokens[3], tokens)
    assert bool((batch.image_tokens[:3] == 0).all()), (
        "neither the silent half nor the background has a picture"
    )
    assert batch.image_scales == (0.7,) * 4
    assert watched.predicted[0][1]["kept"] is None


def test_half_precision_paints_what_full_precision_paints(network: RowNetwork) -> None:
    rows = [background(kept=True, latents=some_latents(1)), thing(1, "a swan")]
    full, _ = run(network, rows)
    text = encode_scene(PARTS, rows)
    halved = {
        name: getattr(text, name).bfloat16()
        for name in ("words", "pooled", "negative_words", "negative_pooled")
    }
    with RowNetwork(tiny_unet().bfloat16()) as half:
        watched = Watched(half)
        running = sample(watched, replace(text, **halved), rows, Schedule(steps=STEPS), OPTIONS)
        *_, last = running
    assert watched.predicted[0][0].latents.dtype == torch.bfloat16
    assert last.clean.dtype == torch.float32
    assert (last.clean[0] - full[1]).abs().mean() < 0.1 * full[1].abs().mean()
