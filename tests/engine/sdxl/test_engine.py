"""The photoreal engine on a tiny SDXL with LayerDiffuse's files: a scene from words to layers, and its laws."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.engine import PhotorealEngine
from psdstudio.errors import ModelIncompatible, ModelNotFound, StudioError
from psdstudio.gen.engine import (
    EngineEvent,
    LayoutReady,
    Preview,
    Progress,
    Stage,
    needed_capabilities,
    refusal_of,
)
from psdstudio.gen.model_files import EngineSetup, LoraUse, ModelKind, PhotorealOptions
from psdstudio.gen.request import (
    PartlyKnown,
    Raster,
    Sampling,
)
from psdstudio.models.adding import add_models
from tests.engine.sdxl import tiny_models
from tests.engine.sdxl.engine_runs import (
    BOAT,
    FLOAT,
    FOX,
    GROUND,
    SIZE,
    Placed,
    kept,
    loaded,
    painted,
    pixels,
    request,
    run,
    sky,
    small,
)

pytestmark = pytest.mark.torch


def test_a_scene_comes_from_words_with_progress_and_previews(engine: PhotorealEngine) -> None:
    asked = request(FOX, replace(BOAT, box=BoxF(0.1, 0.5, 0.4, 0.4)))
    result, events = run(engine, asked)
    assert result.background is not None
    assert result.background.rgba.shape == (120, 150, 4)
    assert [made.id for made in result.objects] == ["fox", "boat"]
    assert all(made.look is not None for made in result.objects)
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    (layout,) = [event for event in events if isinstance(event, LayoutReady)]
    assert dict(layout.boxes)[LayerId("boat")] == BoxF(0.1, 0.5, 0.4, 0.4)
    preview = next(event for event in events if isinstance(event, Preview))
    assert {layer for layer, _ in preview.rasters} == {"ground", "fox", "boat"}
    assert preview.composite.rgba.shape[2] == 4


def test_the_same_request_gives_the_same_bytes(engine: PhotorealEngine) -> None:
    first, second = run(engine, request(FOX))[0], run(engine, request(FOX))[0]
    assert pixels(first) == pixels(second)
    other = run(engine, replace(request(replace(FOX, seed=77))))[0]
    assert pixels(other)["fox look"] != pixels(first)["fox look"]
    assert first.weights_sha256 == engine.info.weights_sha256


def test_a_checkpoint_in_one_file_paints_the_same(
    engine: PhotorealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psdstudio.engine.sdxl import loading
    from tests.engine.sdxl import tiny

    # One file has no configuration; a real one is of SDXL's size, the tiny one brings its own.
    monkeypatch.setattr(loading, "resource_dir", lambda _: tiny.write_configs(tmp_path / "config"))
    single = loaded(tiny_models.write_models(tmp_path, single_file=True))
    assert pixels(run(single, request(FOX))[0]) == pixels(run(engine, request(FOX))[0])
    single.close()


def test_kept_layers_are_read_and_never_returned(engine: PhotorealEngine) -> None:
    red, blue = (
        request(kept(BOAT, Rect(20, 40, 60, 50), colour), FOX, background=sky((90, 140, 200)))
        for colour in ((220, 20, 20), (20, 20, 220))
    )
    beside_red, beside_blue = run(engine, red)[0], run(engine, blue)[0]
    for result in (beside_red, beside_blue):
        assert result.background is None
        assert result.objects[0].look is None
        assert not result.objects[0].effects_made
    assert pixels(beside_red)["fox look"] != pixels(beside_blue)["fox look"]
    darker = run(engine, replace(red, background=sky((10, 10, 30))))[0]
    assert pixels(darker)["fox look"] != pixels(beside_red)["fox look"]


def test_a_kept_object_keeps_its_place_and_the_background_is_made_anew(engine: PhotorealEngine) -> None:
    result, _ = run(engine, request(kept(BOAT, Rect(20, 40, 60, 50))))
    assert result.background is not None
    assert result.objects[0].box == BoxF.from_rect(Rect(20, 40, 60, 50), SIZE)


def test_silhouettes_and_known_pixels_stay(engine: PhotorealEngine) -> None:
    outline = painted(Rect(30, 20, 70, 80))
    asked = replace(FOX, silhouette=outline, box=BoxF.from_rect(outline.rect, SIZE))
    result, _ = run(engine, request(asked))
    look = result.objects[0].look
    assert look is not None
    assert np.array_equal(look.rgba[..., 3], outline.rgba[..., 3])
    whole = np.full((SIZE.height, SIZE.width, 4), (90, 140, 60, 255), np.uint8)
    unknown = np.zeros(whole.shape[:2], np.bool_)
    unknown[30:90, 40:100] = True
    partial = PartlyKnown(raster=Raster(rgba=whole, rect=Rect(0, 0, *SIZE)), unknown=unknown)
    filled, _ = run(
        engine, request(kept(BOAT, Rect(0, 0, 30, 30)), background=replace(GROUND, partial=partial))
    )
    assert filled.background is not None
    assert np.array_equal(filled.background.rgba[~unknown], whole[~unknown])
    assert not np.array_equal(filled.background.rgba[unknown], whole[unknown])


def test_negative_words_loras_and_guidance_act(engine: PhotorealEngine) -> None:
    plain = pixels(run(engine, request(FOX))[0])["fox look"]
    styled = replace(FOX, loras=(LoraUse(title=tiny_models.STYLE),))
    told = replace(FOX, negative_words="blurry")
    assert pixels(run(engine, request(styled))[0])["fox look"] != plain
    assert pixels(run(engine, request(told))[0])["fox look"] != plain
    stronger = replace(request(FOX), sampling=Sampling(steps=2, text_guidance=9.0))
    assert pixels(run(engine, stronger)[0])["fox look"] != plain
    # A LoRA that is not asked for any more is gone without a trace.
    assert pixels(run(engine, request(FOX))[0])["fox look"] == plain


def test_cancelling_at_any_event_leaves_the_engine_as_it_was(engine: PhotorealEngine) -> None:
    asked = request(replace(FOX, loras=(LoraUse(title=tiny_models.STYLE),)), kept(BOAT, Rect(20, 40, 60, 50)))
    expected, events = run(engine, asked)
    for stop in range(0, len(events), 3):
        running = engine.generate(asked)
        for _ in range(stop + 1):
            next(running)
        running.close()
    assert pixels(run(engine, asked)[0]) == pixels(expected)


def test_what_cannot_be_done_is_said_before_anything_is_computed(engine: PhotorealEngine) -> None:
    many = [replace(FOX, id=LayerId(f"fox {i}")) for i in range(30)]
    refused = {
        "30 objects": request(*many),
        "too long": request(FOX, size=Size(6000, 600)),
        "nothing to paint": request(kept(FOX, Rect(0, 0, 40, 40)), background=sky((1, 2, 3))),
        "not among your models": request(replace(FOX, loras=(LoraUse(title="lost"),))),
        "another place": request(replace(kept(FOX, Rect(0, 0, 40, 40)), box=None)),
        "word pieces": request(replace(FOX, engine_words="very " * 400 + "red fox")),
    }
    for said, asked in refused.items():
        events: list[EngineEvent] = []
        with pytest.raises(StudioError, match=said) as caught:
            events.extend(engine.generate(asked))
        assert caught.value.hint
        assert not any(isinstance(event, Preview) for event in events)
    fault = refusal_of(refused["30 objects"], engine.info)
    assert isinstance(fault, ModelIncompatible)
    assert needed_capabilities(request(FOX)) <= engine.info.capabilities
    run(engine, request(FOX))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ModelKind.SDXL_FOLDER, "no SDXL model"),
        (ModelKind.TRANSPARENT_DECODER, "no transparent decoder"),
        (ModelKind.TRANSPARENT_LORA, "no transparent layers"),
    ],
)
def test_a_missing_file_is_named(setup: EngineSetup, kind: ModelKind, said: str) -> None:
    fewer = replace(setup, models=tuple(model for model in setup.models if model.kind is not kind))
    with pytest.raises(ModelNotFound, match=said):
        list(PhotorealEngine(small(fewer), precision=FLOAT).load())


def test_without_the_transparent_encoder_objects_are_made_but_not_kept(setup: EngineSetup) -> None:
    without = tuple(model for model in setup.models if model.kind is not ModelKind.TRANSPARENT_ENCODER)
    engine = loaded(replace(setup, models=without))
    run(engine, request(FOX, background=sky((90, 140, 200))))
    with pytest.raises(ModelNotFound, match="transparent encoder is missing"):
        run(engine, request(kept(BOAT, Rect(20, 40, 60, 50)), FOX))
    engine.close()


def test_a_joint_adapter_shows_kept_rows_clean_and_tells_layers_apart(
    setup: EngineSetup, tmp_path: Path
) -> None:
    base = next(model for model in setup.models if model.kind is ModelKind.SDXL_FOLDER)
    own = tiny_models.write_joint(tmp_path / "joint.safetensors", base.sha256)
    strange = tiny_models.write_joint(tmp_path / "other.safetensors", "0" * 64)
    asked = request(kept(BOAT, Rect(20, 40, 60, 50)), FOX)
    trained = loaded(replace(setup, models=(*setup.models, own)))
    result, _ = run(trained, asked)
    assert not any("another base" in note for note in result.notes)
    assert pixels(result) == pixels(run(trained, asked)[0])
    trained.close()
    other = loaded(replace(setup, models=(*setup.models, strange)))
    result, _ = run(other, asked)
    assert any("another base" in note for note in result.notes)
    other.close()


def test_large_canvases_get_a_second_pass_when_it_is_wanted(setup: EngineSetup) -> None:
    large = request(FOX, background=sky((90, 140, 200)), size=Size(300, 240))
    large = replace(large, background=replace(GROUND, look=None))
    once = loaded(setup)
    plain, _ = run(once, large)
    once.close()
    twice = loaded(replace(setup, photoreal=PhotorealOptions(upscale=True)))
    fine, events = run(twice, large)
    twice.close()
    assert plain.background is not None and fine.background is not None
    assert plain.background.native_size is not None and fine.background.native_size is not None
    assert math.prod(fine.background.native_size) > math.prod(plain.background.native_size)
    assert fine.background.rgba.shape == plain.background.rgba.shape == (240, 300, 4)
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)


def test_the_released_two_layer_path_is_used_where_it_applies(setup: EngineSetup, tmp_path: Path) -> None:
    pair = tuple(
        tiny_models.write_two_layer(tmp_path / f"{kind.name}.safetensors", kind, channels=channels)
        for kind, channels in ((ModelKind.BACKGROUND_TO_BLEND, 8), (ModelKind.BLEND_TO_FOREGROUND, 12))
    )
    asked = request(FOX, background=sky((90, 140, 200)))
    joint = loaded(setup)
    by_joint_rows = pixels(run(joint, asked)[0])
    joint.close()
    two = loaded(replace(setup, models=(*setup.models, *pair)))
    result, events = run(two, asked)
    steps = [event for event in events if isinstance(event, Progress) and event.stage is Stage.DENOISE]
    assert steps[-1].total == 4, "two steps for the blended picture, two for the object"
    assert pixels(result)["fox look"] != by_joint_rows["fox look"]
    # With a place that was asked for it does not apply, and nothing of it is left on the network.
    placed = request(replace(FOX, box=BoxF(0.1, 0.5, 0.4, 0.4)), background=sky((90, 140, 200)))
    _, events = run(two, placed)
    steps = [event for event in events if isinstance(event, Progress) and event.stage is Stage.DENOISE]
    assert steps[-1].total == 3, "two steps, the first of them twice: the composite is held in part"
    assert pixels(run(two, asked)[0]) == pixels(result)
    two.close()


def test_references_guide_by_an_ip_adapter_or_by_what_their_latents_say(
    setup: EngineSetup, tmp_path: Path
) -> None:
    red, blue = (np.full((30, 20, 4), (*colour, 255), np.uint8) for colour in ((220, 20, 20), (20, 20, 220)))
    plain, by_red, by_blue = (request(replace(FOX, reference=one)) for one in (None, red, blue))

    def looks(engine: PhotorealEngine) -> list[Placed]:
        return [pixels(run(engine, asked)[0])["fox look"] for asked in (plain, by_red, by_blue)]

    by_latents = loaded(setup)
    without = looks(by_latents)
    by_latents.close()
    tiny_models.write_picture_reader(tmp_path)
    by_tokens = loaded(replace(setup, models=(*setup.models, *add_models(tmp_path))))
    assert by_tokens.info.weights_sha256 != ""
    with_tokens = looks(by_tokens)
    by_tokens.close()
    assert with_tokens[0] == without[0], "without a reference the adapter changes nothing"
    assert len({*without, *with_tokens}) == 5


def test_a_few_step_adapter_takes_its_own_steps_and_is_priced_so(setup: EngineSetup, tmp_path: Path) -> None:
    lora = tiny_models.write_lora(tmp_path / "lightning_4step.safetensors", seed=8)
    fast = tiny_models.model_file(lora, ModelKind.ACCELERATION, tiny_models.FAST, steps="4")
    chosen = replace(setup.photoreal, acceleration=tiny_models.FAST)
    engine = loaded(replace(setup, models=(*setup.models, fast), photoreal=chosen))
    costs = engine.info.costs
    assert costs is not None
    assert (costs.steps, costs.guided) == (4, False)
    result, events = run(engine, request(FOX))
    steps = [event for event in events if isinstance(event, Progress) and event.stage is Stage.DENOISE]
    assert steps[-1].total == 4
    assert result.weights_sha256 == engine.info.weights_sha256
    engine.close()
