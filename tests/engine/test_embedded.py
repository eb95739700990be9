"""The embedded engine on random weights: same request, same bytes; any size; cancelled anywhere; honest refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine import conditions
from psdstudio.engine.conditions import encode_words, layout_state, references_of, scene_rows
from psdstudio.engine.delivery import MOST_GROUNDED
from psdstudio.engine.embedded import LAYOUT_ATTEMPTS, EmbeddedEngine, crowding
from psdstudio.engine.rows import REFERENCE_PLATE, RowRole, Rows
from psdstudio.errors import EngineFailed, EngineProtocolError
from psdstudio.gen.engine import LayoutReady, Preview, Progress, Stage
from psdstudio.gen.request import GenerationRequest, GenerationResult, Raster
from psdstudio.jobs.inline import run_inline
from tests.engine.toys import TINY_LOOK_PX, kept, loaded, model_folder, part, picture, request, tiny_net

pytestmark = pytest.mark.torch
SIZE = Size(64, 48)


def pixels(result: GenerationResult) -> dict[str, bytes]:
    """The bytes of every raster of a result, by part and kind."""
    out = {"composite": result.composite.rgba.tobytes()}
    if result.background is not None:
        out["background"] = result.background.rgba.tobytes()
    for made in result.objects:
        for kind in ("look", "shadow", "reflection"):
            raster: Raster | None = getattr(made, kind)
            if raster is not None:
                out[f"{made.id} {kind}"] = raster.rgba.tobytes() + str(raster.rect).encode()
    return out


def test_same_request_same_bytes(engine: EmbeddedEngine) -> None:
    asked = request([part("swan"), part("duck", seed=12)])
    first, second = run_inline(engine, asked), run_inline(engine, asked)
    assert pixels(first) == pixels(second)
    assert first.light == second.light
    assert len(pixels(first)) >= 6
    assert (
        run_inline(engine, replace(asked, background=replace(asked.background, seed=99))).light != first.light
    )


def test_another_folder_with_the_same_weights_gives_the_same_bytes(
    engine: EmbeddedEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked = request([part("swan")])
    other = loaded(model_folder(tmp_path_factory.mktemp("again")))
    assert pixels(run_inline(other, asked)) == pixels(run_inline(engine, asked))
    different = loaded(model_folder(tmp_path_factory.mktemp("different"), seed=3))
    assert different.info.weights_sha256 != engine.info.weights_sha256
    assert pixels(run_inline(different, asked)) != pixels(run_inline(engine, asked))


def noise(engine: EmbeddedEngine, asked: GenerationRequest) -> dict[str, torch.Tensor]:
    """The initial noise of every free row by layer."""
    assert engine._encoder is not None
    assert engine._library is not None
    words = encode_words(asked, engine._encoder)
    references = references_of(asked, engine._library)
    layout = layout_state(asked, words, references)
    boxes = torch.tensor([[0.2, 0.3, 0.3, 0.3]] * len(asked.objects))
    rows = scene_rows(asked, words, boxes, torch.zeros(1, 6), look_px=TINY_LOOK_PX, references=references)
    out = {f"box {i}": layout.rows.x[0, i] for i in range(len(asked.objects))} | {"light": layout.light}
    for group in rows.free:
        for j in range(group.x.shape[1]):
            name = "canvas" if group.group == "canvas" else f"{group.group} {int(group.index[0, j]) - 1}"
            out[name if name not in out else f"{name} {j}"] = group.x[0, j]
    return out


def test_a_layers_seed_is_its_own(engine: EmbeddedEngine) -> None:
    parts = [part("swan", 1), part("duck", 2), part("boat", 3)]
    before = noise(engine, request(parts))
    after = noise(engine, request([parts[0], replace(parts[1], seed=7), parts[2]]))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"box 1", "look 1", "effect 1"}
    ground = noise(engine, request(parts, seed=6))
    assert {n for n in before if not torch.equal(before[n], ground[n])} == {"canvas", "canvas 1", "light"}
    values = [value.flatten()[:4].tolist() for name, value in before.items() if not name.startswith("box")]
    assert len({tuple(v) for v in values}) == len(values), "no two layers share their noise"


def test_the_reference_plate_is_for_unknown_looks_only(engine: EmbeddedEngine) -> None:
    assert engine._encoder is not None
    assert engine._library is not None
    assert engine._library.find("a red apple") == "apple"
    rect = Rect(10, 10, 20, 20)
    own = picture(Rect(0, 0, 9, 9), opaque=True).rgba
    parts = [
        kept("apple", rect, SIZE),
        part("apple"),
        replace(part("apple"), use_library=False),
        replace(part("apple"), use_library=False, reference=own),
        replace(kept("apple", rect, SIZE), reference=own),
    ]
    asked = request([replace(p, id=f"{p.id} {i}") for i, p in enumerate(parts)])  # type: ignore[arg-type]  # LayerId is a str
    boxes = torch.tensor([[0.2, 0.3, 0.3, 0.3]] * 5)
    rows = scene_rows(
        asked,
        encode_words(asked, engine._encoder),
        boxes,
        torch.zeros(1, 6),
        look_px=TINY_LOOK_PX,
        references=references_of(asked, engine._library),
    )
    known = next(r for r in rows.known if r.group == "look")
    free = next(r for r in rows.free if r.group == "look")
    assert not known.plate[:, :, :REFERENCE_PLATE].any()
    assert [bool(plate.any()) for plate in free.plate[0, :, :REFERENCE_PLATE]] == [True, False, True]
    assert not torch.equal(free.plate[0, 0], free.plate[0, 2]), "the user's own picture, not the library's"
    assert [one and one.noun for one in rows.references] == [None, "apple", None, None, None]
    result = run_inline(engine, asked)
    assert [made.library_item for made in result.objects] == [None, "apple", None, None, None]


def test_boxes_of_the_user_come_back_unchanged(engine: EmbeddedEngine) -> None:
    boxes = [BoxF(0.1, 0.2, 0.3, 0.4), BoxF(0.1234567, 0.5, 0.001, 0.002), BoxF(1.5, -0.7, 0.4, 0.4)]
    parts = [part(f"thing {i}", i, box=box) for i, box in enumerate(boxes)] + [part("swan")]
    asked = request(parts)
    events = list(engine.generate(asked))
    layout = next(event for event in events if isinstance(event, LayoutReady))
    assert [box for _, box in layout.boxes[:3]] == boxes
    result = run_inline(engine, asked)
    assert [made.box for made in result.objects[:3]] == boxes
    assert result.objects[3].box == layout.boxes[3][1]
    for made, box in zip(result.objects[:3], boxes, strict=True):
        assert made.look is not None
        rect = made.look.rect
        assert rect.x + rect.width / 2 == pytest.approx((box.x + box.width / 2) * SIZE.width, abs=1)
        # Up and down it may be moved by the little that its lower edge missed the box's.
        moved = 1 + MOST_GROUNDED * box.height * SIZE.height
        assert rect.y + rect.height / 2 == pytest.approx((box.y + box.height / 2) * SIZE.height, abs=moved)


@pytest.mark.parametrize("size", [Size(1, 1), Size(37, 2000), Size(3000, 200), Size(2, 900), Size(256, 256)])
def test_any_canvas(engine: EmbeddedEngine, size: Size) -> None:
    parts = [part("swan", use_library=False), part("duck", 2, use_library=False)]
    result = run_inline(engine, request(parts, size=size))
    assert result.background is not None
    assert result.background.rgba.shape == (size.height, size.width, 4)
    assert (result.background.rgba[..., 3] == 255).all()
    for made in result.objects:
        assert made.look is not None
        assert made.look.native_size == Size(2 * TINY_LOOK_PX, 2 * TINY_LOOK_PX)
        assert made.look.rgba.shape == (made.look.rect.height, made.look.rect.width, 4)
        for effect in (made.shadow, made.reflection):
            if effect is not None:
                assert effect.rect.intersection(Rect(0, 0, *size)) == effect.rect


@pytest.mark.parametrize("count", [0, 1, 6])
def test_any_number_of_objects_up_to_six(engine: EmbeddedEngine, count: int) -> None:
    result = run_inline(engine, request([part(f"thing {i}", i) for i in range(count)]))
    assert len(result.objects) == count


def test_kept_pictures_of_one_pixel_outside_the_canvas_and_empty_ones_can_be_read(
    engine: EmbeddedEngine,
) -> None:
    parts = [
        kept("dot", Rect(5, 5, 1, 1), SIZE),
        kept("line", Rect(-40, 3, 300, 1), SIZE, effects_known=False),
        kept("beyond", Rect(500, 500, 7, 9), SIZE, effects_known=False),
        part("swan"),
    ]
    background = picture(Rect(0, 0, *SIZE), opaque=True)
    asked = request(parts, background=background)
    result = run_inline(engine, asked)
    assert result.background is None
    assert [made.look is None for made in result.objects] == [True, True, True, False]
    assert all(np.isfinite(v).all() for v in (result.light.azimuth_deg, result.light.horizon))


def test_a_seventh_object_is_refused_in_a_sentence(engine: EmbeddedEngine) -> None:
    asked = request([part(f"thing {i}", i) for i in range(7)])
    with pytest.raises(EngineFailed, match="at most 6 objects together; the scene has 7") as refused:
        run_inline(engine, asked)
    assert "second run" in refused.value.hint
    with pytest.raises(EngineProtocolError):
        run_inline(EmbeddedEngine(), asked)


def test_a_request_with_nothing_to_paint_is_refused_in_a_sentence(engine: EmbeddedEngine) -> None:
    ground = picture(Rect(0, 0, *SIZE), opaque=True)
    asked = request([kept("duck", Rect(8, 8, 20, 16), SIZE)], size=SIZE, background=ground)
    with pytest.raises(EngineFailed, match="nothing to paint") as refused:
        run_inline(engine, asked)
    assert "Nothing was changed" in refused.value.hint


def test_over_a_kept_background_the_whole_picture_is_the_stack_of_the_layers(engine: EmbeddedEngine) -> None:
    sea = Raster(
        rgba=np.full((SIZE.height, SIZE.width, 4), (40, 90, 160, 255), np.uint8), rect=Rect(0, 0, *SIZE)
    )
    red = Raster(rgba=np.full((12, 12, 4), (200, 20, 20, 255), np.uint8), rect=Rect(4, 4, 12, 12))
    stone = replace(kept("stone", red.rect, SIZE), look=red)
    tower = replace(part("tower"), box=BoxF(0.6, 0.3, 0.2, 0.5))
    asked = request([tower, stone], size=SIZE, background=sea)
    groups = [[roles(rows) for rows in side] for side in _split(engine, asked)]
    assert groups == [["BACKGROUND", "LOOK", "EFFECT"], ["LOOK", "EFFECT"]], "no global row to paint"
    whole = run_inline(engine, asked).composite.rgba
    rows, columns = whole.shape[:2]
    assert whole[rows // 2, columns // 40].tolist() == pytest.approx([40, 90, 160, 255], abs=1)
    middle = whole[round(10 / SIZE.height * rows), round(10 / SIZE.width * columns)]
    assert middle.tolist() == pytest.approx([200, 20, 20, 255], abs=1)
    assert (whole[:, columns // 2 :] != whole[rows // 2, columns // 40]).any(), "the new object is in it"


def roles(rows: Rows) -> str:
    return RowRole(int(rows.role[0])).name


def _split(engine: EmbeddedEngine, asked: GenerationRequest) -> tuple[list[Rows], list[Rows]]:
    """Known and free rows of a request; free boxes stand in the middle."""
    assert engine._encoder is not None
    assert engine._library is not None
    boxes = torch.tensor([[0.3, 0.3, 0.3, 0.3]] * len(asked.objects))
    words = encode_words(asked, engine._encoder)
    references = references_of(asked, engine._library)
    made = scene_rows(asked, words, boxes, torch.zeros(1, 6), look_px=TINY_LOOK_PX, references=references)
    return made.known, made.free


def test_crowding_is_the_worst_share_of_the_smaller_box_that_a_free_box_has_a_part_in() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.2, 0.0, 0.2, 0.4], [0.3, 0.2, 0.2, 0.2]])
    assert crowding(boxes, [False, False, False]) == pytest.approx(1.0)
    assert crowding(boxes, [True, True, False]) == pytest.approx(0.5)
    assert crowding(boxes, [True, True, True]) == 0.0
    assert crowding(boxes[:1], [False]) == 0.0


def test_a_new_object_is_not_put_over_a_kept_one_where_it_can_stand_elsewhere(engine: EmbeddedEngine) -> None:
    """The chosen layout is never more crowded than the first one drawn."""
    rect = Rect(20, 12, 24, 30)
    gained = 0.0
    for seed in range(8):
        asked = request([kept("swan", rect, SIZE), part("duck", seed=seed)], size=SIZE, seed=seed)
        assert engine._encoder is not None
        first = run_layout(engine, asked, attempts=1)
        chosen = run_layout(engine, asked, attempts=LAYOUT_ATTEMPTS)
        assert chosen <= first
        gained += first - chosen
    assert gained > 0.1, "and often less"


def run_layout(engine: EmbeddedEngine, asked: GenerationRequest, attempts: int) -> float:
    """How crowded the layout is that the engine decides on with that many attempts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("psdstudio.engine.embedded.LAYOUT_ATTEMPTS", attempts)
        ready = next(event for event in engine.generate(asked) if isinstance(event, LayoutReady))
    aspect = SIZE.width / SIZE.height
    boxes = torch.tensor([[b.x * aspect, b.y, b.width * aspect, b.height] for _, b in ready.boxes])
    return crowding(boxes, [True, False])


def test_closing_at_any_point_leaves_the_engine_as_it_was(engine: EmbeddedEngine) -> None:
    asked = request([part("swan"), kept("duck", Rect(8, 8, 20, 16), SIZE)])
    wanted = pixels(run_inline(engine, asked))
    total = len(list(engine.generate(asked)))
    assert total >= 8
    for stop in range(total):
        run = engine.generate(asked)
        for _ in range(stop + 1):
            next(run)
        assert not torch.is_inference_mode_enabled(), "the mode is the engine's own, not its caller's"
        run.close()
    assert pixels(run_inline(engine, asked)) == wanted


def test_every_free_layer_is_previewed_and_progress_only_grows(engine: EmbeddedEngine) -> None:
    asked = request([part("swan"), kept("duck", Rect(8, 8, 20, 16), SIZE)])
    events = list(engine.generate(asked))
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(stages)) == [Stage.ENCODE, Stage.LAYOUT, Stage.DENOISE, Stage.DECODE]
    previews = [event for event in events if isinstance(event, Preview)]
    assert [event.step for event in previews] == [1, 2]
    for event in previews:
        assert [layer for layer, _ in event.rasters] == ["background", "swan"]
        for _, raster in (*event.rasters, ("", event.composite)):
            assert raster.native_size == Size(raster.rgba.shape[1], raster.rgba.shape[0])


def test_weights_that_give_no_numbers_end_in_a_sentence(engine: EmbeddedEngine) -> None:
    broken = EmbeddedEngine(engine._folder, threads=1)
    list(broken.load())
    net = tiny_net()
    net.light_out.bias.data.fill_(float("nan"))
    broken._net = net
    with pytest.raises(EngineFailed, match="no numbers") as failure:
        run_inline(broken, request([part("swan")]))
    assert failure.value.hint


def test_the_grid_follows_the_aspect() -> None:
    for width, height in ((512, 512), (768, 512), (512, 768), (1, 1), (37, 2000), (3000, 200)):
        rows, columns = conditions.canvas_grid(width, height)
        assert rows % 4 == columns % 4 == 0
        assert 16 <= rows <= 64
        assert 16 <= columns <= 64
        if 0.5 <= width / height <= 2:
            assert columns / rows == pytest.approx(width / height, rel=0.15)
            assert rows * columns == pytest.approx(1024, rel=0.15)
