"""The compositor's own promises: rounding, masks, clipping, shapes, thumbnails, budget, reuse of the stack
below.
"""

from __future__ import annotations

import gc
import threading
from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import BlendMode, Layer, Mask, PixelLayer
from psdstudio.core.tiles import TILE, TileGrid, U8Array
from psdstudio.render import compositor as module
from psdstudio.render import tilework
from psdstudio.render.compositor import Compositor, render_over
from psdstudio.render.facts import FactBook
from tests.render.documents import group_layer, mask_of, noise, pixel_layer


def flat(rgba: tuple[int, int, int, int], width: int = 4, height: int = 4) -> U8Array:
    return np.full((height, width, 4), rgba, np.uint8)


def pixel(*layers: object, at: Point = Point(1, 1)) -> tuple[int, ...]:
    picture = Compositor(threads=1).render_layers(layers, Rect(at.x, at.y, 1, 1))  # type: ignore[arg-type]
    return tuple(int(value) for value in picture[0, 0])


def test_one_layer_comes_out_as_it_went_in() -> None:
    """Every colour and alpha survives float32 and the one rounding, except colour under alpha 0."""
    levels = np.arange(256, dtype=np.uint8)
    rgba = np.stack([*np.meshgrid(levels, levels)] * 2, axis=-1)
    got = Compositor(threads=1).render_layers((pixel_layer(rgba),), Rect(0, 0, 256, 256))
    np.testing.assert_array_equal(got[..., 3], rgba[..., 3])
    shown = rgba[..., 3] > 0
    np.testing.assert_array_equal(got[shown], rgba[shown])
    assert not got[~shown].any()


def test_halves_are_rounded_up() -> None:
    """0 and 1 mixed half and half is 0.5 of 255ths."""
    below, above = pixel_layer(flat((0, 1, 2, 255))), pixel_layer(flat((1, 2, 3, 255)))
    # Pass-through opacity 128/255 is not one half; two equal 50 % alphas do not exist in bytes. Matting is
    # exact:
    np.testing.assert_array_equal(render_over(flat((3, 3, 3, 85)), (1, 2, 4))[0, 0], [2, 2, 4])
    np.testing.assert_array_equal(render_over(flat((30, 3, 0, 51)), (0, 0, 255))[0, 0], [6, 1, 204])
    assert pixel(below, above.with_props(opacity=128)) == (1, 2, 3, 255)
    assert pixel(below, above.with_props(opacity=127)) == (0, 1, 2, 255)


def test_normal_over_soft_is_porter_duff_over() -> None:
    """alpha 128 red over alpha 128 blue: ar = .752, red = .502/.752."""
    a = 128 / 255
    union = a + a - a * a
    wanted = (round(255 * a / union), 0, round(255 * (1 - a) * a / union), round(255 * union))
    assert pixel(pixel_layer(flat((0, 0, 255, 128))), pixel_layer(flat((255, 0, 0, 128)))) == wanted


def test_nothing_is_transparent_black_and_a_rectangle_may_leave_the_canvas() -> None:
    doc = Document(size=Size(8, 8), layers=(pixel_layer(flat((9, 8, 7, 255)), Point(-2, -2)),))
    picture = Compositor().render(doc, Rect(-4, -4, 16, 12))
    assert picture.shape == (12, 16, 4)
    assert picture[..., 3].sum() == 255 * 16
    assert picture[2:6, 2:6, 0].tolist() == [[9] * 4] * 4
    assert Compositor().render(doc).shape == (8, 8, 4)
    assert Compositor().render(doc, Rect(3, 3, 0, 5)).shape == (5, 0, 4)
    assert not Compositor().render(Document(size=Size(5, 3))).any()


def test_a_mask_scales_the_alpha_and_holds_its_fill_outside() -> None:
    values = np.array([[0, 255], [51, 204]], np.uint8)
    layer = pixel_layer(flat((10, 20, 30, 255)))
    picture = Compositor().render_layers(
        (replace(layer, mask=mask_of(values, Point(1, 1))),), Rect(0, 0, 4, 4)
    )
    np.testing.assert_array_equal(picture[1:3, 1:3, 3], values)
    assert picture[..., 3].sum() == values.sum()
    shown = Compositor().render_layers((replace(layer, mask=mask_of(values, fill=255)),), Rect(0, 0, 4, 4))
    assert shown[3, 3, 3] == 255
    off = replace(layer, mask=mask_of(values, enabled=False))
    assert Compositor().render_layers((off,), Rect(0, 0, 4, 4))[..., 3].min() == 255


def test_a_masked_pass_through_group_mixes_before_and_after() -> None:
    """Multiply inside the group acts on the backdrop; the mask takes 51/255 = 1/5 of it."""
    below = pixel_layer(flat((200, 100, 50, 255)))
    child = pixel_layer(flat((0, 255, 255, 255)), blend_mode=BlendMode.MULTIPLY)
    mask = mask_of(np.full((4, 4), 51, np.uint8))
    group = group_layer(child, blend_mode=BlendMode.PASS_THROUGH, mask=mask)
    assert pixel(below, group) == (160, 100, 50, 255)
    # Isolated, the same child has nothing to multiply with and covers as Normal.
    isolated = group_layer(child, blend_mode=BlendMode.NORMAL, mask=mask)
    assert pixel(below, isolated) == (160, 131, 91, 255)


def test_clipped_layers_change_the_colour_and_never_the_alpha_of_their_base() -> None:
    """A soft base is coloured as if it were opaque, as in Photoshop's clipping-mask.psd."""
    base = pixel_layer(flat((100, 100, 100, 64)))
    white = pixel_layer(flat((255, 255, 255, 255)), clipping=True, opacity=51)
    assert pixel(base, white) == (131, 131, 131, 64)
    multiply = pixel_layer(flat((0, 0, 0, 255)), clipping=True, blend_mode=BlendMode.MULTIPLY, opacity=51)
    assert pixel(base, multiply) == (80, 80, 80, 64)
    # Base opacity and mode act on the stack.
    ground = pixel_layer(flat((200, 200, 200, 255)))
    solid = pixel_layer(flat((255, 255, 255, 255)), blend_mode=BlendMode.MULTIPLY)
    assert pixel(ground, solid, multiply.with_props(blend_mode=BlendMode.NORMAL, opacity=255)) == (
        0,
        0,
        0,
        255,
    )


def test_a_clipped_layer_without_a_base_is_painted_unclipped() -> None:
    layer = pixel_layer(flat((1, 2, 3, 255)), clipping=True)
    assert pixel(layer) == (1, 2, 3, 255)
    assert pixel(pixel_layer(flat((9, 9, 9, 255))), group_layer(layer)) == (1, 2, 3, 255)


def test_special_fill_fades_towards_the_neutral_colour() -> None:
    """Linear Light with grey 1/2 does nothing at any fill; Linear Dodge at 20 % adds a fifth."""
    below = pixel_layer(flat((100, 100, 100, 255)))
    dodge = pixel_layer(flat((50, 100, 150, 255)), blend_mode=BlendMode.LINEAR_DODGE, fill=51)
    assert pixel(below, dodge) == (110, 120, 130, 255)
    # Where the backdrop is transparent, fill is opacity.
    assert pixel(dodge) == (50, 100, 150, 51)
    # Opacity instead of fill gives another picture: 100 + (250 - 100)/5 in the last channel, cut at 255
    # first.
    bright = dodge.with_props(fill=255, opacity=51)
    assert pixel(below, bright) == (110, 120, 130, 255)
    assert pixel(pixel_layer(flat((200, 200, 200, 255))), bright) == (210, 211, 211, 255)
    assert pixel(pixel_layer(flat((200, 200, 200, 255))), dodge) == (210, 220, 230, 255)


def test_matting_is_exact() -> None:
    """(85, 3) over 1: 1 + 2/3; (51, 30) over 0: 6; ten thousand random pixels within half a level."""
    np.testing.assert_array_equal(render_over(flat((3, 3, 3, 85)), (1, 2, 4))[0, 0], [2, 2, 4])
    np.testing.assert_array_equal(render_over(flat((30, 3, 0, 51)), (0, 0, 255))[0, 0], [6, 1, 204])
    rgba = noise(3, 100, 100)
    alpha = rgba[..., 3:].astype(float) / 255
    wanted = rgba[..., :3] * alpha + (1 - alpha) * np.array([10, 100, 250])
    assert np.abs(render_over(rgba, (10, 100, 250)) - wanted).max() <= 0.5 + 1e-9
    np.testing.assert_array_equal(render_over(flat((7, 8, 9, 255)), (1, 1, 1)), flat((7, 8, 9, 255))[..., :3])
    np.testing.assert_array_equal(render_over(flat((7, 8, 9, 0)), (1, 2, 3))[0, 0], [1, 2, 3])


def test_thumbnails_fit_and_show_the_layer_alone() -> None:
    layer = pixel_layer(flat((200, 0, 0, 255), 600, 300), Point(40, 30), opacity=3, visible=False)
    small = Compositor().thumbnail(layer, 60)
    assert small.shape == (30, 60, 4)
    assert small[15, 30].tolist() == [200, 0, 0, 255]
    doc = Document(size=Size(1200, 600), layers=(layer.with_props(opacity=255, visible=True),))
    assert Compositor().thumbnail(doc, Size(100, 100)).shape == (50, 100, 4)
    whole = Compositor().thumbnail(layer, 120, area=doc.canvas)
    assert whole.shape == (60, 120, 4)
    assert whole[0, 0, 3] == 0
    assert whole[20, 30].tolist() == [200, 0, 0, 255]
    assert Compositor().thumbnail(pixel_layer(flat((1, 1, 1, 255))), 64).shape == (4, 4, 4)
    assert Compositor().thumbnail(group_layer(), 64).shape == (1, 1, 4)
    assert Compositor().thumbnail(group_layer(doc.layers[0]), 60).shape == (30, 60, 4)


def test_a_thumbnail_does_not_mix_in_the_colour_under_transparency() -> None:
    rgba = flat((0, 255, 0, 0), 64, 64)
    rgba[:, ::2] = (250, 0, 0, 255)
    small = Compositor().thumbnail(pixel_layer(rgba), 8, area=Rect(0, 0, 64, 64))
    assert np.abs(small.astype(int) - [250, 0, 0, 128]).max() <= 1


def _stack(count: int = 6) -> Document:
    layers = tuple(pixel_layer(noise(seed, TILE, TILE), opacity=200) for seed in range(count))
    return Document(size=Size(TILE, TILE), layers=layers)


def test_only_the_layers_from_the_edited_one_up_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = tilework.run

    def counting(steps: object, *rest: object) -> object:
        counts.append(len(steps))  # type: ignore[arg-type]
        return real(steps, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run", counting)
    doc, ours = _stack(), Compositor(threads=1)

    def steps_for(doc: Document) -> int:
        counts.clear()
        ours.render(doc)
        return sum(counts)

    assert steps_for(doc) == 6
    assert steps_for(doc) == 0
    edited = [doc.with_layer(doc.layers[4].with_props(opacity=level)) for level in (10, 20, 30)]
    # The first edit of a layer lays the stack below it by; the following ones start from there.
    assert [steps_for(each) for each in edited] == [6, 2, 2]
    assert steps_for(edited[0]) == 0
    assert steps_for(doc.with_layer(doc.layers[0].with_props(opacity=9))) == 6


def test_layers_outside_the_tile_or_under_an_opaque_one_cost_nothing() -> None:
    far = pixel_layer(flat((1, 1, 1, 255)), Point(5000, 0))
    cover = pixel_layer(flat((5, 6, 7, 255), TILE, TILE))
    ours = Compositor(threads=1)
    doc = Document(size=Size(TILE, TILE), layers=(pixel_layer(noise(1, TILE, TILE)), cover, far))
    first = ours.render(doc)
    held = ours.mem_bytes
    again = ours.render(doc.with_layer(doc.layers[0].with_props(opacity=3)))
    np.testing.assert_array_equal(again, first)
    assert ours.mem_bytes == held


def test_the_caches_stay_within_their_budget() -> None:
    budget = 3 << 20
    ours = Compositor(threads=1, budget_bytes=budget)
    doc = Document(size=Size(3 * TILE, 3 * TILE), layers=(pixel_layer(noise(1, 3 * TILE, 3 * TILE)),) * 1)
    for level in range(20):
        ours.render(doc.with_layer(doc.layers[0].with_props(opacity=255 - level)))
        assert ours.mem_bytes <= budget + (1 << 20)
    ours.clear()
    assert ours.mem_bytes == 0


def test_a_freed_array_never_lends_its_name_to_another() -> None:
    book = FactBook()
    numbers = set()
    for value in range(200):
        grid = TileGrid.from_array(np.full((TILE, TILE, 4), value + 1, np.uint8))
        tile = grid.tile((0, 0))
        assert tile is not None
        facts = book.facts(tile)
        assert facts.low == facts.high == value + 1
        assert book.facts(tile).number == facts.number
        numbers.add(facts.number)
        del grid, tile
        gc.collect(0)
    assert len(numbers) == 200


def test_many_threads_may_share_a_compositor() -> None:
    docs = [_stack(count) for count in (2, 3, 4)]
    wanted = [Compositor(threads=1).render(doc) for doc in docs]
    shared, wrong = Compositor(threads=1, budget_bytes=2 << 20), []

    def work(index: int) -> None:
        for turn in range(6):
            doc = (index + turn) % len(docs)
            if not np.array_equal(shared.render(docs[doc]), wanted[doc]):
                wrong.append(doc)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_results_belong_to_the_caller() -> None:
    doc, ours = _stack(2), Compositor(threads=1)
    first = ours.render(doc)
    kept = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(ours.render(doc), kept)


def test_a_mask_without_tiles_shows_or_hides_everything() -> None:
    layer = pixel_layer(flat((1, 2, 3, 255)))
    for fill in (0, 255):
        mask = Mask(pixels=TileGrid(channels=1, fill=fill))
        assert pixel(replace(layer, mask=mask))[3] == fill


def _variants() -> dict[str, tuple[PixelLayer, PixelLayer]]:
    """Pairs of a layer before and after one edit, every one of which changes its picture."""
    values = np.random.default_rng(5).integers(1, 255, (40, 40), dtype=np.uint8)
    mask = mask_of(values, Point(3, 4))
    layer = pixel_layer(noise(9, 40, 40, alpha="opaque"), Point(5, 6), mask=mask, opacity=200)
    other = TileGrid.from_array(values[::-1])
    return {
        "moved": (layer, replace(layer, offset=Point(6, 6))),
        "pixels": (
            layer,
            replace(layer, pixels=layer.pixels.write(Point(1, 1), noise(1, 9, 9, alpha="opaque"))),
        ),
        "mask moved": (layer, replace(layer, mask=replace(mask, offset=Point(3, 5)))),
        "mask painted": (layer, replace(layer, mask=replace(mask, pixels=other))),
        "mask fill": (layer, replace(layer, mask=mask_of(values, Point(3, 4), fill=255))),
        "mask off": (layer, replace(layer, mask=replace(mask, enabled=False))),
        "mask gone": (layer, replace(layer, mask=None)),
        "opacity": (layer, layer.with_props(opacity=199)),
        "fill": (layer, layer.with_props(fill=100)),
        "mode": (layer, layer.with_props(blend_mode=BlendMode.MULTIPLY)),
        "hidden": (layer, layer.with_props(visible=False)),
        "clipped": (layer, layer.with_props(clipping=True)),
    }


@pytest.mark.parametrize("edit", _variants())
@pytest.mark.parametrize("wrap", ["plain", "isolated", "through", "base"])
def test_every_edit_is_seen_through_the_cache(edit: str, wrap: str) -> None:
    below = (pixel_layer(noise(1, 60, 60)), pixel_layer(noise(2, 30, 30, alpha="opaque"), Point(9, 9)))
    top = pixel_layer(noise(3, 60, 60), blend_mode=BlendMode.SCREEN)
    area = Rect(0, 0, 64, 64)

    def stack(layer: PixelLayer) -> tuple[Layer, ...]:
        match wrap:
            case "isolated":
                return (*below, group_layer(below[0], layer, blend_mode=BlendMode.OVERLAY), top)
            case "through":
                return (*below, group_layer(layer, blend_mode=BlendMode.PASS_THROUGH, opacity=90), top)
            case "base":
                return (*below, layer, top.with_props(clipping=True))
            case _:
                return (*below, layer, top)

    before, after = (stack(layer) for layer in _variants()[edit])
    ours = Compositor(threads=1)
    first = ours.render_layers(before, area)
    second = ours.render_layers(after, area)
    np.testing.assert_array_equal(second, Compositor(threads=1).render_layers(after, area))
    np.testing.assert_array_equal(ours.render_layers(before, area), first)
    if not (edit == "clipped" and wrap == "through"):  # alone in its group there is nothing to be clipped to
        assert not np.array_equal(first, second)


def test_a_part_laid_by_does_not_stand_for_more_than_it_covers() -> None:
    """A small change lays by the stack of its own area; a change beside it must not start from there."""
    doc, ours = _stack(), Compositor(threads=1)
    ours.render(doc)
    for level, area in enumerate(
        [Rect(10, 10, 40, 40), Rect(10, 10, 40, 40), Rect(30, 20, 60, 50), doc.canvas]
    ):
        doc = doc.with_layer(doc.layers[4].with_props(opacity=10 + level))
        np.testing.assert_array_equal(ours.render(doc, area), Compositor(threads=1).render(doc, area))
