"""Plans from memory figures, the same numbers with every plan, and smaller plans when memory runs out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from psdstudio.engine.sdxl import device as device_module
from psdstudio.engine.sdxl.device import (
    GIGABYTE,
    Backend,
    ComputeDevice,
    Precision,
    host_memory,
    precision_of,
    this_device,
    this_processor,
)
from psdstudio.engine.sdxl.placement import (
    Parts,
    PartSizes,
    Placement,
    Placing,
    Plan,
    part_sizes,
    plans_for,
    with_smaller_plans,
)
from psdstudio.engine.sdxl.run_memory import RunMemory
from psdstudio.errors import EngineOutOfMemory, is_out_of_memory
from tests.engine.sdxl.tiny import WORDS_DIM, tiny_text_encoders, tiny_unet, tiny_vae

pytestmark = pytest.mark.torch
FLOAT32 = Precision(torch.float32, torch.float32)
CPU = torch.device("cpu")
SDXL = PartSizes(
    text_encoders=int(1.64e9), unet=int(5.13e9), vae=int(0.17e9), transparent=int(0.21e9), adapters=int(0.74e9),
    largest_module=int(0.06e9),
)  # fmt: skip
"""The real sizes in bfloat16 (platform: 2,567 M, 818 M and 84 M parameters) with LayerDiffuse's decoder and LoRA."""
GPU = ComputeDevice(
    backend=Backend.CUDA,
    title="NVIDIA RTX 4070 (12 GB)",
    free_bytes=11 * GIGABYTE,
    total_bytes=12 * GIGABYTE,
    host_free_bytes=24 * GIGABYTE,
    bfloat16=True,
)


@pytest.mark.parametrize(
    ("free", "fastest"),
    [(24, Placing.FULL), (16, Placing.FULL), (12, Placing.FULL), (8, Placing.MODEL), (4, Placing.SEQUENTIAL)],
)
def test_the_fastest_plan_that_fits_comes_first(free: float, fastest: Placing) -> None:
    plans = plans_for(replace(GPU, free_bytes=int(free * GIGABYTE)), SDXL, run_of(2))
    assert plans[0].placing is fastest
    assert [plan.placing for plan in plans if plan.halves_together] == list(Placing)[
        list(Placing).index(fastest) :
    ]


def run_of(gigabytes: float) -> RunMemory:
    return RunMemory(together=int(gigabytes * GIGABYTE), apart=int(gigabytes * GIGABYTE / 2))


def test_the_halves_of_guidance_are_taken_apart_before_weights_are_moved() -> None:
    plans = plans_for(replace(GPU, free_bytes=9 * GIGABYTE), SDXL, run_of(2))
    assert [(plan.placing, plan.halves_together) for plan in plans[:2]] == [
        (Placing.FULL, False),
        (Placing.MODEL, True),
    ]
    assert plans[0].name == "all in memory, in halves"
    alike = plans_for(GPU, SDXL, RunMemory(together=GIGABYTE, apart=GIGABYTE))
    assert all(plan.halves_together for plan in alike)


@given(free=st.integers(0, 32), host=st.integers(0, 64), working=st.integers(0, 16))
def test_no_plan_takes_more_than_there_is(free: int, host: int, working: int) -> None:
    device = replace(GPU, free_bytes=free * GIGABYTE, host_free_bytes=host * GIGABYTE)
    try:
        plans = plans_for(device, SDXL, run_of(working))
    except EngineOutOfMemory:
        # the least that could do: the processor with everything, or the device with one module at a time
        assert host * GIGABYTE < SDXL.total + working * GIGABYTE / 2
        assert (
            free * GIGABYTE < SDXL.resident(Placing.SEQUENTIAL) + working * GIGABYTE / 2
            or host * GIGABYTE < SDXL.total
        )
        assert free * GIGABYTE < SDXL.total + working * GIGABYTE / 2
        return
    for plan in plans:
        assert plan.device_bytes <= device.free_bytes
        assert plan.host_bytes <= device.host_free_bytes


def test_the_users_cap_counts_as_free_memory() -> None:
    assert plans_for(GPU.capped(8), SDXL, run_of(2))[0].placing is Placing.MODEL
    assert GPU.capped(None) == GPU and GPU.capped(100) == GPU
    processor = replace(GPU, backend=Backend.CPU, title="this processor")
    assert plans_for(processor, SDXL, run_of(1))[0].placing is Placing.PROCESSOR
    with pytest.raises(
        EngineOutOfMemory, match=r"need at least .* GB of memory; 4\.0 GB are free on this processor"
    ):
        plans_for(processor.capped(4), SDXL, run_of(1))


def test_formats_are_those_that_the_device_is_fast_in_and_the_vae_is_never_in_float16() -> None:
    assert precision_of(GPU) == Precision(torch.bfloat16, torch.bfloat16)
    assert precision_of(replace(GPU, bfloat16=False)) == Precision(torch.float16, torch.float32)
    slow = replace(GPU, backend=Backend.CPU, bfloat16=False)
    assert precision_of(slow) == FLOAT32


def test_this_machine_has_memory() -> None:
    free, total = host_memory()
    assert 0 < free <= total
    found = this_processor()
    assert 0 < found.free_bytes < total and found.torch_device == CPU
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert this_device().backend is Backend.CPU


def test_a_containers_limit_is_all_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(f"{2 * GIGABYTE}\n")
    (tmp_path / "memory.current").write_text(f"{GIGABYTE}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {GIGABYTE // 2}\n")
    monkeypatch.setattr(device_module, "_CGROUP", tmp_path)
    free, total = host_memory()
    assert total == 2 * GIGABYTE and free <= int(1.5 * GIGABYTE)
    (tmp_path / "memory.max").write_text("max\n")
    assert host_memory()[1] > 0


def tiny_parts() -> Parts:
    return Parts(
        text_encoders=tiny_text_encoders(),
        unet=tiny_unet(),
        vae=tiny_vae(),
        transparent=(
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)).eval().requires_grad_(False),
        ),
    )


def worked(parts: Parts) -> list[Tensor]:
    """What every part answers, in the order of a run, and the network once more after the decoder."""
    rng = torch.Generator().manual_seed(3)
    tokens = torch.arange(77)[None] * 7
    words = [encoder(tokens, output_hidden_states=True).hidden_states[-2] for encoder in parts.text_encoders]
    latents = torch.randn(2, 4, 16, 16, generator=rng)
    unet: Any = parts.unet
    vae: Any = parts.vae

    def noise() -> Tensor:
        answer: Tensor = unet(
            latents,
            torch.tensor([400.0, 3.0]),
            encoder_hidden_states=torch.cat(words, -1).expand(2, -1, WORDS_DIM),
            added_cond_kwargs={"text_embeds": torch.ones(2, 40), "time_ids": torch.ones(2, 6)},
        ).sample
        return answer

    first = noise()
    picture = vae.decode(latents[:1]).sample
    mean = vae.encode(picture).latent_dist.mean
    return [*words, first, picture, mean, parts.transparent[0](picture), noise()]


def test_every_plan_gives_the_same_numbers_and_leaves_the_parts_as_they_were() -> None:
    parts = tiny_parts()
    before = {
        f"{i}.{k}": v.clone() for i, part in enumerate(parts.modules) for k, v in part.state_dict().items()
    }
    expected = worked(parts)
    placement = Placement(parts, CPU, FLOAT32)
    for placing in (*Placing, Placing.SEQUENTIAL):
        placement.place(placing)
        assert placement.placing is placing
        if placing is Placing.SEQUENTIAL:
            assert all(p.is_meta for p in parts.unet.parameters()), (
                "the weights lie elsewhere until they are used"
            )
        for now, then in zip(worked(parts), expected, strict=True):
            assert torch.equal(now, then)
        placement.rest()
    placement.release()
    after = {f"{i}.{k}": v for i, part in enumerate(parts.modules) for k, v in part.state_dict().items()}
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(hasattr(m, "_hf_hook") for part in parts.modules for m in part.modules())


def test_model_offload_keeps_one_part_on_the_device() -> None:
    """On the meta device, which holds shapes only, one sees where weights are."""
    linear = [nn.Linear(4, 4) for _ in range(3)]
    parts = Parts(text_encoders=(linear[0],), unet=linear[1], vae=linear[2])
    moved: list[str] = []
    for name, module in zip("tuv", linear, strict=True):
        original = module.to

        def to(*args: Any, name: str = name, original: Any = original, **kwargs: Any) -> Any:
            moved.append(f"{name}->{torch.device(args[0])}")
            return original(*args, **kwargs)

        module.to = to  # type: ignore[method-assign]
    placement = Placement(parts, torch.device("cpu", 0), FLOAT32)  # no tensor's own, as "cuda" is none
    placement.place(Placing.MODEL)
    moved.clear()
    x = torch.ones(1, 4)
    for module in linear:
        x = module(x)
    assert [step for step in moved if step.endswith("cpu:0")] == ["t->cpu:0", "u->cpu:0", "v->cpu:0"]
    placement.release()


def test_float16_is_no_format_for_the_processor() -> None:
    parts = tiny_parts()
    half = Precision(torch.float16, torch.float32)
    placement = Placement(parts, CPU, half)
    placement.place(Placing.FULL)
    assert next(parts.unet.parameters()).dtype is torch.float16
    assert next(parts.vae.parameters()).dtype is torch.float32
    before = next(parts.unet.parameters()).clone()
    placement.place(Placing.PROCESSOR)
    assert next(parts.unet.parameters()).dtype is torch.float32
    placement.place(Placing.FULL)
    assert torch.equal(next(parts.unet.parameters()), before), "there and back costs nothing"


def test_sizes_are_counted_from_the_weights() -> None:
    parts = tiny_parts()
    sizes = part_sizes(parts, [torch.zeros(10, dtype=torch.bfloat16)])
    assert sizes.unet == sum(p.numel() * 4 for p in parts.unet.parameters())
    assert sizes.adapters == 20
    assert sizes.text_encoders + sizes.unet + sizes.vae + sizes.transparent + 20 == sizes.total
    assert 0 < sizes.largest_module < sizes.unet


PLANS = tuple(Plan(placing=placing, device_bytes=1, host_bytes=1) for placing in Placing)


def failing(
    times: int, error: type[Exception] = torch.OutOfMemoryError, said: str = "CUDA out of memory."
) -> Any:
    """An attempt that runs out of memory so many times, after a step."""
    left = [times]

    def attempt(plan: Plan) -> Generator[str, None, Placing]:
        yield f"step with {plan.placing.value}"
        if left[0]:
            left[0] -= 1
            raise error(said)
        return plan.placing

    return attempt


def run(plans: tuple[Plan, ...], attempt: Any) -> tuple[Placing, list[Placing], list[str], list[str]]:
    placed: list[Placing] = []
    notes: list[str] = []
    events: list[str] = []
    running = with_smaller_plans(plans, placed.append, attempt, notes)
    while True:
        try:
            events.append(next(running))
        except StopIteration as stop:
            return stop.value, placed, notes, events


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_out_of_memory_is_answered_by_the_next_smaller_plan(failures: int) -> None:
    made, placed, notes, events = run(PLANS, failing(failures))
    assert made is list(Placing)[failures]
    assert placed == list(Placing)[: failures + 1]
    assert len(events) == failures + 1
    assert len(notes) == failures
    assert all("Memory ran out with" in note for note in notes)


def test_after_the_last_plan_there_is_a_clear_sentence() -> None:
    with pytest.raises(
        EngineOutOfMemory, match="Memory ran out while painting, even with “everything on the"
    ) as info:
        run(PLANS, failing(4))
    assert "safe" in info.value.user_message and info.value.hint


@pytest.mark.parametrize(
    ("error", "said", "counts"),
    [
        (RuntimeError, "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory", True),
        (RuntimeError, "MPS backend out of memory", True),
        (MemoryError, "", True),
        (RuntimeError, "mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_only_memory_errors_count(error: type[Exception], said: str, counts: bool) -> None:
    assert is_out_of_memory(error(said)) is counts
    if not counts:
        with pytest.raises(error, match="mat1"):
            run(PLANS, failing(1, error, said))


def test_a_real_allocation_that_fails_is_recognised() -> None:
    with pytest.raises(RuntimeError) as info:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(info.value)


def test_cancelling_closes_the_attempt() -> None:
    closed: list[bool] = []

    def attempt(plan: Plan) -> Generator[int, None, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    running = with_smaller_plans(PLANS, lambda placing: None, attempt, [])
    assert next(running) == 1
    running.close()
    assert closed == [True]
