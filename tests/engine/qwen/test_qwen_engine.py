"""Qwen-Image-Layered, tiny and random: the stack gives the picture back, a cancelled run leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path
from threading import active_count

import numpy as np
import pytest
import torch
from diffusers.pipelines.qwenimage import pipeline_qwenimage_layered
from PIL import Image

from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.engine.qwen.decomposition import (
    condition,
    decoded,
    denoised,
    engine_picture,
    engine_size,
    packed,
    unpacked,
)
from psdstudio.engine.qwen.engine import QwenLayeredEngine
from psdstudio.engine.sdxl.placement import Placing
from psdstudio.errors import EngineFailed, EngineProtocolError, ModelIncompatible
from psdstudio.gen.engine import LayoutReady, Preview, Progress, Stage, refusal_of
from psdstudio.gen.model_files import EngineSetup
from psdstudio.gen.models import ENGINE_GROUP, QWEN_KEY
from psdstudio.gen.planning import apply_result, build_request, plan_scope
from psdstudio.gen.request import GenerationResult, Sampling
from psdstudio.gen.splitting import flat_picture, split_scene
from psdstudio.gen.verbs import Verb
from psdstudio.jobs.events import JobFinished, JobProgress
from psdstudio.jobs.inline import run_inline
from psdstudio.jobs.wire import WorkerConfig
from psdstudio.render.compositor import Compositor
from tests.engine.qwen.tiny_qwen import flat_picture as blocks
from tests.engine.qwen.tiny_qwen import part, request, setup_of
from tests.gen.scenes import plan_of
from tests.jobs.harness import inline

pytestmark = pytest.mark.torch


def stacked(result: GenerationResult) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Multiply shadows, lay the objects over: a plain slow compositor in 0..255."""
    assert result.background is not None
    out = result.background.rgba[..., :3].astype(np.float64)
    for one in result.objects:
        for raster in (one.shadow, one.look):
            if raster is None:
                continue
            r = raster.rect
            there = out[r.y : r.bottom, r.x : r.right]
            alpha = raster.rgba[..., 3:] / 255
            there[...] = there * (1 - alpha) + (0 if raster is one.shadow else raster.rgba[..., :3] * alpha)
    return out


def same(one: GenerationResult, other: GenerationResult) -> bool:
    """Whether two results have the same pixels."""
    assert one.background is not None and other.background is not None
    pairs = [(one.background, other.background)]
    pairs += [(a.look, b.look) for a, b in zip(one.objects, other.objects, strict=True) if a.look and b.look]
    return all(a.rect == b.rect and np.array_equal(a.rgba, b.rgba) for a, b in pairs)


def test_the_loop_computes_what_the_pipeline_of_diffusers_does(
    loaded_engine: QwenLayeredEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pipeline takes no other size than 640 and 1024.
    monkeypatch.setattr(pipeline_qwenimage_layered, "calculate_dimensions", lambda *_: (96, 64))
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # its bar would leave a thread behind
    pipeline = loaded_engine._pipeline
    pipeline.set_progress_bar_config(disable=True)
    picture = blocks(Size(150, 100)).rgba
    with torch.no_grad():
        small = engine_picture(pipeline, picture, 78)
        given = condition(pipeline, torch.device("cpu"), small, words="a fox", seeds=[1, 2, 3], guided=True)
        loop = denoised(pipeline, given, steps=2, guidance=4.0)
        assert [next(loop).shape for _ in range(2)] == [given.noise.shape] * 2
        with pytest.raises(StopIteration) as stop:
            next(loop)
        latents = stop.value.value
        ours = [decoded(pipeline, latents, given.grid, frame) for frame in (1, 2)]
    theirs: list[torch.Tensor] = []

    def seen(_: object, step: int, t: object, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        theirs.append(tensors["latents"])
        return {}

    pictures = pipeline(
        Image.fromarray(picture), "a fox", " ", true_cfg_scale=4.0, layers=2, num_inference_steps=2,
        latents=given.noise, cfg_normalize=True, resolution=640, output_type="pt", callback_on_step_end=seen,
    ).images[0]  # fmt: skip
    assert torch.equal(latents, theirs[-1])
    # The pipeline decodes all layers in one batch, which rounds otherwise.
    torch.testing.assert_close(torch.stack(ours), pictures, rtol=0, atol=1e-5)


def test_latents_come_back_from_tokens() -> None:
    latents = torch.randn(1, 3, 8, 6, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unpacked(packed(latents), (3, 2)), latents[0])


def test_sides_are_multiples_of_32_and_the_aspect_stays() -> None:
    assert engine_size(1000, 1000, 640) == (640, 640)
    assert engine_size(3000, 2000, 640) == (768, 512)
    assert engine_size(8000, 100, 640) == (5728, 64)


def test_all_layers_are_made_and_give_the_picture_back(qwen: QwenLayeredEngine) -> None:
    asked = request([part("fox", BoxF(0.1, 0.2, 0.5, 0.5)), part("lantern"), part("moon")])
    result = run_inline(qwen, asked)
    assert [one.id for one in result.objects] == ["fox", "lantern", "moon"]
    assert result.background is not None
    assert (result.background.rgba[..., 3] == 255).all()
    assert result.background.rect == Rect(0, 0, 72, 48)
    assert asked.picture is not None
    assert np.abs(np.rint(stacked(result)) - asked.picture.rgba[..., :3]).max() <= 1
    assert result.objects[0].box == BoxF(0.1, 0.2, 0.5, 0.5)


def test_the_same_request_gives_the_same_bytes_and_seeds_and_words_matter(qwen: QwenLayeredEngine) -> None:
    asked = request([part("fox")])
    first = run_inline(qwen, asked)
    assert same(first, run_inline(qwen, asked))
    assert not same(first, run_inline(qwen, request([part("fox", seed=12)])))
    assert not same(first, run_inline(qwen, request([part("wolf")])))
    assert not same(first, run_inline(qwen, request([part("fox")], guidance=1.0)))


def test_events_tell_every_step_and_previews_show_every_layer(qwen: QwenLayeredEngine) -> None:
    asked = request([part("fox"), part("moon")], steps=3)
    events = list(qwen.generate(asked))
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    told = [event.done for event in events if isinstance(event, Progress) and event.stage is Stage.DENOISE]
    assert told == [1, 2, 3]
    previews = [event for event in events if isinstance(event, Preview)]
    assert [preview.step for preview in previews] == [1, 2, 3]
    for preview in previews:
        assert {layer_id for layer_id, _ in preview.rasters} == {"background", "fox", "moon"}
        assert all(raster.rect == Rect(0, 0, 72, 48) for _, raster in preview.rasters)
    (layout,) = [event for event in events if isinstance(event, LayoutReady)]
    assert [layer_id for layer_id, _ in layout.boxes] == ["fox", "moon"]


def test_a_run_may_be_cancelled_at_any_step_and_leaves_nothing(qwen: QwenLayeredEngine) -> None:
    asked = request([part("fox")])
    whole, threads = run_inline(qwen, asked), active_count()
    for stop_after in range(len(list(qwen.generate(asked)))):
        run = qwen.generate(asked)
        for _ in range(stop_after):
            next(run)
        run.close()
        assert active_count() == threads
    assert same(whole, run_inline(qwen, asked))
    assert torch.is_grad_enabled(), "the engine's own mode ends with the run"


def test_when_memory_runs_out_the_next_smaller_plan_is_taken_and_said(
    qwen: QwenLayeredEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request([part("fox")])
    before = run_inline(qwen, asked)
    full = replace(qwen._plans[0], placing=Placing.FULL)
    monkeypatch.setattr(qwen, "_plans", (full, *qwen._plans))
    decode, attempts = qwen._pipeline.vae.decode, []

    def decode_once_the_memory_is_there(*args: object, **more: object) -> object:
        attempts.append(1)
        if len(attempts) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(*args, **more)

    monkeypatch.setattr(qwen._pipeline.vae, "decode", decode_once_the_memory_is_there)
    result = run_inline(qwen, asked)
    assert same(before, result)
    assert any("Memory ran out" in note for note in result.notes)


@pytest.mark.parametrize("placing", [Placing.MODEL, Placing.SEQUENTIAL])
def test_wherever_the_weights_lie_the_layers_are_the_same(
    qwen: QwenLayeredEngine, monkeypatch: pytest.MonkeyPatch, placing: Placing
) -> None:
    asked = request([part("fox")])
    before = run_inline(qwen, asked)
    monkeypatch.setattr(qwen, "_plans", (replace(qwen._plans[0], placing=placing),))
    assert same(before, run_inline(qwen, asked))
    shown = [event for event in qwen.generate(asked) if isinstance(event, Preview)]
    assert not shown, "previews would move the weights to and fro"
    assert qwen._placement is not None
    qwen._placement.release()


def test_numbers_that_are_none_end_the_run_at_the_first_step(qwen: QwenLayeredEngine) -> None:
    asked = request([part("fox")])
    bias = qwen._pipeline.transformer.proj_out.bias
    before = bias.detach().clone()
    try:
        with torch.no_grad():
            bias[0] = float("nan")
        run = qwen.generate(asked)
        assert isinstance(next(run), Progress)
        with pytest.raises(EngineFailed, match="no numbers"):
            next(run)
    finally:
        with torch.no_grad():
            bias.copy_(before)


def test_what_it_cannot_do_is_refused(qwen: QwenLayeredEngine) -> None:
    asked = request([part("fox")])
    scene = replace(asked, picture=None)
    assert qwen.info.only_splits and qwen.info.key == QWEN_KEY
    assert refusal_of(asked, qwen.info) is None
    assert isinstance(refusal_of(scene, qwen.info), ModelIncompatible)
    with pytest.raises(ModelIncompatible, match="only splits"):
        next(qwen.generate(scene))
    kept = replace(asked, background=replace(asked.background, look=asked.picture))
    with pytest.raises(EngineProtocolError, match="kept"):
        next(qwen.generate(kept))
    with pytest.raises(EngineProtocolError, match="before load"):
        next(QwenLayeredEngine(EngineSetup()).generate(asked))


def test_a_picture_of_the_document_is_split_by_the_worker(
    qwen_folder: Path, small_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = metadata.EntryPoint(QWEN_KEY, "psdstudio.engine.qwen.engine:QwenLayeredEngine", ENGINE_GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: metadata.EntryPoints((entry,)))
    size = Size(96, 64)
    layer = PixelLayer(props=LayerProps(name="photo"), pixels=TileGrid.from_array(blocks(size).rgba))
    document = Document(size=size, layers=(layer,))
    shown = Compositor(threads=1).render(document)
    planned, _ = split_scene(document, plan_of("fox", "lantern"), prompt="a fox and a lantern")
    asked = build_request(
        planned, plan_scope(planned, Verb.SPLIT), run_id="s", seed=2, engine=QWEN_KEY,
        sampling=Sampling(steps=2, text_guidance=4.0), picture=flat_picture(document, shown),
    )  # fmt: skip
    config = WorkerConfig(engine=QWEN_KEY, setup=setup_of(qwen_folder), nice=0)
    with inline(config) as heard:
        job = heard.runner.submit(asked)
        result = heard.until(JobFinished, job).result
        assert heard.of(JobProgress)
    after = apply_result(planned, result)
    assert after.validate() == []
    assert [layer.props.name for layer in after.layers] == ["Background", "fox", "lantern", "Original"]
    assert np.abs(Compositor(threads=1).render(after).astype(int) - shown).max() <= 1
