"""The photoreal engine where memory is short: ways of placing its weights, and what is said when it runs out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from psdstudio.core.geometry import Rect
from psdstudio.engine.sdxl import engine as engine_module
from psdstudio.engine.sdxl.device import Backend, ComputeDevice, this_processor
from psdstudio.engine.sdxl.engine import PhotorealEngine
from psdstudio.engine.sdxl.placement import Placing, plans_for
from psdstudio.engine.sdxl.prompts import encode_scene
from psdstudio.errors import EngineOutOfMemory
from psdstudio.gen.engine import (
    CostModel,
)
from psdstudio.gen.model_files import EngineSetup, LoraUse
from tests.engine.sdxl import tiny_models
from tests.engine.sdxl.engine_runs import (
    BOAT,
    FLOAT,
    FOX,
    kept,
    pixels,
    request,
    run,
    small,
)

pytestmark = pytest.mark.torch


def test_too_little_memory_is_said_with_numbers(setup: EngineSetup) -> None:
    tight = replace(this_processor(), free_bytes=1000, host_free_bytes=1000)
    engine = PhotorealEngine(small(setup), device=tight, precision=FLOAT)
    list(engine.load())
    with pytest.raises(EngineOutOfMemory, match="GB of memory"):
        run(engine, request(FOX))
    engine.close()


def test_memory_that_runs_out_in_a_run_is_a_sentence_and_the_next_run_works(
    engine: PhotorealEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pixels(run(engine, request(FOX))[0])
    with monkeypatch.context() as broken:

        def out_of_memory(*_: object, **__: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

        broken.setattr("psdstudio.engine.sdxl.painting.encode_scene", out_of_memory)
        with pytest.raises(EngineOutOfMemory, match="Your layers are safe"):
            run(engine, request(FOX))
    assert pixels(run(engine, request(FOX))[0]) == expected


class Pretended(ComputeDevice):
    """A graphics card as far as plans go, on which the processor computes: offloads can be seen without one."""

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")


def with_card(
    setup: EngineSetup, costs: CostModel | None, monkeypatch: pytest.MonkeyPatch
) -> PhotorealEngine:
    """Return a loaded engine on such a card, with plenty of memory."""
    plenty = 1 << 40
    card = Pretended(
        backend=Backend.CUDA, title="a card", free_bytes=plenty, total_bytes=plenty, host_free_bytes=plenty,
        bfloat16=False,
    )  # fmt: skip
    monkeypatch.setattr(engine_module, "measure_costs", lambda *_, **__: costs)
    placed = PhotorealEngine(small(setup), device=card, precision=FLOAT)
    list(placed.load())
    return placed


@pytest.mark.parametrize("placing", [Placing.FULL, Placing.MODEL, Placing.SEQUENTIAL])
def test_every_way_of_placing_the_weights_paints_the_same(
    engine: PhotorealEngine, setup: EngineSetup, placing: Placing, monkeypatch: pytest.MonkeyPatch
) -> None:
    styled = replace(FOX, loras=(LoraUse(title=tiny_models.STYLE),))
    asked = [request(styled, kept(BOAT, Rect(20, 40, 60, 50))), request(FOX)]
    expected = [pixels(run(engine, one)[0]) for one in asked]
    monkeypatch.setattr(
        engine_module, "plans_for", lambda *sizes: [p for p in plans_for(*sizes) if p.placing is placing]
    )
    placed = with_card(setup, engine.info.costs, monkeypatch)
    assert [pixels(run(placed, one)[0]) for one in asked] == expected
    placed.close()


def test_when_memory_runs_out_the_next_smaller_way_is_taken_and_said(
    engine: PhotorealEngine, setup: EngineSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pixels(run(engine, request(FOX))[0])
    placed = with_card(setup, engine.info.costs, monkeypatch)
    fails = iter([True, False])

    def short_of_memory(*args: Any, **more: Any) -> Any:
        if next(fails):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode_scene(*args, **more)

    monkeypatch.setattr("psdstudio.engine.sdxl.painting.encode_scene", short_of_memory)
    result, _ = run(placed, request(FOX))
    (note,) = [note for note in result.notes if "Memory ran out" in note]
    assert "model offload" in note
    assert pixels(result) == expected
    placed.close()
