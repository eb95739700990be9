"""The released two-layer paths: a convolution in two parts is the widened one, both passes, the early stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor

from psdstudio.engine.sdxl.adapters_file import AdapterWeights, FullOffset
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.lora_files import TwoLayerWeights
from psdstudio.engine.sdxl.noise import row_noise, step_generator
from psdstudio.engine.sdxl.prompts import SceneText, encode_scene, time_ids
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import SceneRow
from psdstudio.engine.sdxl.sampler import Step
from psdstudio.engine.sdxl.schedules import Schedule, Solver
from psdstudio.engine.sdxl.two_layer import (
    STOP_AT,
    Conditioned,
    Path,
    TwoLayerAdapter,
    applies,
    conditioned,
    sample_two_layers,
)
from psdstudio.errors import ModelIncompatible
from tests.engine.sdxl.scenes import (
    LATENT_SHAPE,
    OPTIONS,
    PARTS,
    SIZE_PX,
    background,
    composite,
    same,
    some_latents,
    thing,
)
from tests.engine.sdxl.tiny import SCHEDULER_CONFIG, tiny_unet

pytestmark = pytest.mark.torch
STEPS = 5
SCALE = 3.0
SCHEDULE = Schedule(solver=Solver.DPM_2M_SDE_KARRAS, steps=STEPS)
LAST = "conv_out"
KEPT_BACKGROUND = [composite(), background(kept=True, latents=some_latents(1)), thing(1, "a swan")]
KEPT_OBJECT = [composite(), background(), thing(1, "a swan", kept=True, latents=some_latents(1))]


def changes_of(channels: int) -> tuple[Tensor, Tensor]:
    """Return what a two-layer file says of `conv_in` (all channels) and of the last convolution."""
    generator = torch.Generator().manual_seed(channels)
    unet = tiny_unet()
    shape = (unet.conv_in.weight.shape[0], channels, 3, 3)
    last = unet.get_submodule(LAST).weight.shape
    return 0.1 * torch.randn(shape, generator=generator), 0.1 * torch.randn(last, generator=generator)


def widened(channels: int) -> UNet2DConditionModel:
    """Return the UNet that the released code makes of the file: convolution widened with zeros, changes added."""
    conv_in, last = changes_of(channels)
    base, wide = tiny_unet(), tiny_unet(in_channels=channels)
    state = base.state_dict()
    state["conv_in.weight"] = (
        torch.cat([state["conv_in.weight"], torch.zeros_like(conv_in[:, 4:])], dim=1) + conv_in
    )
    state[f"{LAST}.weight"] = state[f"{LAST}.weight"] + last
    wide.load_state_dict(state)
    return wide


def attached(network: RowNetwork, channels: int, **said: Any) -> TwoLayerAdapter:
    conv_in, last = changes_of(channels)
    rest = AdapterWeights(name=f"file of {channels}", unet={LAST: FullOffset(weight=last)})
    changes, adapter = conditioned(TwoLayerWeights(adapter=rest, conv_in=FullOffset(weight=conv_in)), **said)
    if adapter.name not in network.adapters.names:
        network.attach(adapter.name, changes)
    return adapter


@pytest.fixture(scope="module")
def network() -> Iterator[RowNetwork]:
    with RowNetwork(tiny_unet()) as made:
        made.attach("transparent", {LAST: FullOffset(weight=changes_of(9)[1])})
        yield made


def slowly(
    row: SceneRow, text: SceneText, wide: UNet2DConditionModel, condition: Tensor, *, until: float = 1.0
) -> Tensor:
    """Sample one row as the released code does: a UNet of its own, channels side by side, then the base UNet."""
    scheduler = DPMSolverMultistepScheduler(
        **{key: value for key, value in SCHEDULER_CONFIG.items() if key != "interpolation_type"},
        algorithm_type="sde-dpmsolver++",
        use_karras_sigmas=True,
    )
    scheduler.set_timesteps(STEPS)
    latents, generator, base = row_noise(row, LATENT_SHAPE)[None], step_generator(row), tiny_unet()
    said = {
        "text_embeds": torch.cat([text.negative_pooled, text.pooled]),
        "time_ids": time_ids(2, SIZE_PX, text.words),
    }
    for timestep in scheduler.timesteps:
        read = torch.cat([latents] * 2)
        unet = base
        if timestep >= 1000 * (1 - until):
            unet, read = wide, torch.cat([read, condition.expand(2, -1, -1, -1)], dim=1)
        words = torch.cat([text.negative_words, text.words])
        silent, loud = unet(read, timestep, words, added_cond_kwargs=said).sample.chunk(2)
        latents = scheduler.step(
            silent + SCALE * (loud - silent), timestep, latents, generator=generator
        ).prev_sample
    return latents[0]


def run(
    network: RowNetwork,
    rows: list[SceneRow],
    kept: Tensor,
    *,
    stop_at: float = 1.0,
    replaces: str = "transparent",
) -> tuple[Tensor, list[Step]]:
    running = sample_two_layers(
        network,
        encode_scene(PARTS, rows),
        rows,
        SCHEDULE,
        replace(OPTIONS, guidance=Guidance(text=SCALE, context=1.5)),
        blending=attached(network, 8),
        separating=attached(network, 12, stop_at=stop_at, replaces=frozenset({replaces})),
        kept=kept,
    )
    steps = []
    while True:
        try:
            steps.append(next(running))
        except StopIteration as done:
            return done.value, steps


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    ("rows", "target", "stop_at"), [(KEPT_BACKGROUND, 2, 1.0), (KEPT_OBJECT, 1, STOP_AT)]
)
def test_both_passes_are_what_widened_networks_give(
    network: RowNetwork, rows: list[SceneRow], target: int, stop_at: float
) -> None:
    kept = some_latents(7)
    made, steps = run(network, rows, kept, stop_at=stop_at)
    text = encode_scene(PARTS, rows)
    blend = slowly(rows[0], text.of_row(0), widened(8), kept[None])
    wanted = slowly(
        rows[target], text.of_row(target), widened(12), torch.cat([kept, blend])[None], until=stop_at
    )
    same(made[0], blend)
    same(made[target], wanted)
    assert torch.equal(made[3 - target], some_latents(1)), "the kept row is given back as it was"
    assert [(step.index, step.total) for step in steps] == [(i, 2 * STEPS) for i in range(1, 2 * STEPS + 1)]
    assert [step.rows for step in steps] == [(0,)] * STEPS + [(0, target)] * STEPS
    same(steps[-1].clean, made[[0, target]])


def test_the_early_stop_and_the_kept_layer_matter(network: RowNetwork) -> None:
    made, _ = run(network, KEPT_OBJECT, some_latents(7))
    stopped, _ = run(network, KEPT_OBJECT, some_latents(7), stop_at=0.5)
    other, _ = run(network, KEPT_OBJECT, some_latents(8))
    assert torch.equal(stopped[0], made[0])
    assert (stopped[1] - made[1]).abs().max() > 1e-3
    assert (other[0] - made[0]).abs().max() > 1e-3
    assert (other[1] - made[1]).abs().max() > 1e-3


def test_the_file_stands_for_the_adapters_it_replaces(network: RowNetwork) -> None:
    transparent = [*KEPT_BACKGROUND[:2], thing(1, "a swan", adapters={"transparent": 1.0})]
    bare, _ = run(network, KEPT_BACKGROUND, some_latents(7))
    replaced, _ = run(network, transparent, some_latents(7))
    assert torch.equal(replaced, bare)
    both, _ = run(network, transparent, some_latents(7), replaces="something else")
    assert (both[2] - bare[2]).abs().max() > 1e-3


def test_cancelling_takes_the_condition_off(network: RowNetwork) -> None:
    text = encode_scene(PARTS, KEPT_BACKGROUND)
    adapters = {"blending": attached(network, 8), "separating": attached(network, 12)}
    hooks = dict(network.unet.conv_in._forward_hooks)
    for stop in (1, STEPS, STEPS + 1):
        running = sample_two_layers(
            network, text, KEPT_BACKGROUND, SCHEDULE, OPTIONS, kept=some_latents(7), **adapters
        )
        for _ in range(stop):
            next(running)
        running.close()
        assert dict(network.unet.conv_in._forward_hooks) == hooks


def test_which_scenes_are_two_layers() -> None:
    swan = KEPT_OBJECT[2]
    assert applies(KEPT_BACKGROUND) is Path.FOREGROUND
    assert applies(KEPT_OBJECT) is Path.BACKGROUND
    assert applies(KEPT_BACKGROUND[1:]) is None, "no composite to blend in"
    assert applies([composite(), background(), thing(1, "a swan")]) is None, "nothing is kept"
    assert applies([*KEPT_BACKGROUND[:2], swan]) is None, "nothing is free"
    assert applies([*KEPT_BACKGROUND, thing(2, "a cat")]) is None, "two objects"
    asked: list[dict[str, Any]] = [
        {"layout": torch.ones(4, 4)},
        {"reference": some_latents(1)},
        {"latents": some_latents(1), "strength": 0.5},
        {"latents": some_latents(1), "unknown": torch.ones(16, 16)},
        {"image_tokens": torch.ones(4, 64)},
    ]
    for said in asked:
        assert applies([*KEPT_BACKGROUND[:2], thing(1, "a swan", **said)]) is None, f"asks for {set(said)}"
    with pytest.raises(ValueError, match="not two layers"):
        next(
            sample_two_layers(
                None,  # type: ignore[arg-type]  # not reached
                encode_scene(PARTS, KEPT_BACKGROUND[1:]),
                KEPT_BACKGROUND[1:],
                SCHEDULE,
                OPTIONS,
                blending=TwoLayerAdapter(name="a", extra=torch.zeros(1, 4, 3, 3)),
                separating=TwoLayerAdapter(name="b", extra=torch.zeros(1, 8, 3, 3)),
                kept=some_latents(1),
            )
        )


def test_files_of_the_wrong_kind_are_refused(network: RowNetwork) -> None:
    with pytest.raises(ModelIncompatible, match="reads 4 channels of conditions, and this path has 8"):
        Conditioned(network, attached(network, 8), torch.cat([some_latents(1), some_latents(2)]))
