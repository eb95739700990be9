"""Adjustment layers in the document: making and setting them, and what all other commands do with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from psdstudio.core.adjustment_commands import AddAdjustment, SetAdjustment
from psdstudio.core.adjustments import (
    TITLES,
    Adjustment,
    BrightnessContrast,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    Posterize,
    Threshold,
    adjustment_faults,
    ranges_of,
)
from psdstudio.core.bounds import layer_bounds, reach_of
from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Point, Rect
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import AdjustmentLayer, BlendMode, LayerId, LayerProps, Lock, PixelLayer
from psdstudio.core.pixel_commands import AddMask, ApplyMask, ClearPixels, WritePixels
from psdstudio.core.placement_commands import ResizeCanvas, TranslateLayers
from psdstudio.core.session import Session
from psdstudio.core.structure_commands import DuplicateLayers, GroupLayers, ReplaceWithMerged
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError
from tests.adjustments import ADJUSTMENTS
from tests.core.scenes import WHITE, locked_doc, object_named, plain_doc, scene_doc, tree_text

GREY = np.full((8, 8), 255, np.uint8)


def adjusted_doc(adjustment: Adjustment = Posterize(levels=4)) -> tuple[Document, AdjustmentLayer]:
    """Layers a and b, and an adjustment on top."""
    doc = plain_doc("a", "b")
    command = AddAdjustment(adjustment=adjustment, above=doc.layers[-1].id)
    doc = command.apply(doc)
    layer = doc.layer(command.layer_id)
    assert isinstance(layer, AdjustmentLayer)
    return doc, layer


@given(ADJUSTMENTS)
def test_what_the_ranges_allow_is_sound(adjustment: Adjustment) -> None:
    assert adjustment_faults(adjustment) == []


@pytest.mark.parametrize(
    "adjustment",
    [
        BrightnessContrast(brightness=151), BrightnessContrast(brightness=120, legacy=True), Exposure(gamma=0),
        Exposure(offset=float("nan")), HueSaturation(hue=-1, colorize=True), Posterize(levels=1),
        Threshold(level=0), Levels(red=LevelsChannel(black_in=100, white_in=101)),
        Levels(blue=LevelsChannel(gamma=1000)), Curves(master=Curve(((0, 0),))),
        Curves(green=Curve(((5, 0), (5, 9)))), Curves(red=Curve(((0, 0), (256, 9)))),
        Curves(red=Curve(tuple((x, x) for x in range(20)))),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_a_fault_and_refused(adjustment: Adjustment) -> None:
    assert adjustment_faults(adjustment)
    doc, layer = adjusted_doc(type(adjustment)())
    assert doc.with_layer(replace(layer, adjustment=adjustment)).validate()
    for command in (
        AddAdjustment(adjustment=adjustment),
        SetAdjustment(layer_id=layer.id, adjustment=adjustment),
    ):
        with pytest.raises(CommandError, match="not possible"):
            command.apply(doc)


def test_every_number_of_every_kind_has_a_range() -> None:
    for kind in TITLES:
        settings = kind()
        numbers = [n for n in settings.__slots__ if type(getattr(settings, n)) in (int, float)]
        assert set(ranges_of(settings)) == set(numbers)


def test_a_new_one_goes_above_the_layer_and_is_named_after_its_kind() -> None:
    doc = plain_doc("a", "b")
    doc = AddAdjustment(adjustment=Curves(), above=doc.layers[0].id).apply(doc)
    assert tree_text(doc) == "a Curves 1 b"
    doc = AddAdjustment(adjustment=Curves()).apply(doc)
    assert tree_text(doc) == "a Curves 1 b Curves 2"
    assert AddAdjustment(adjustment=Curves()).label == "New Curves layer"
    assert doc.validate() == []


def test_in_a_scene_it_goes_above_the_whole_object_and_clipped_right_above_the_layer() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    look = swan.children[-1]
    over = AddAdjustment(adjustment=Invert(), above=look.id).apply(doc)
    places = [layer.id for layer in over.layers]
    assert isinstance(over.layers[places.index(swan.id) + 1], AdjustmentLayer)
    clipped = AddAdjustment(adjustment=Invert(), above=look.id, clipped=True).apply(doc)
    last = object_named(clipped, "swan").children[-1]
    assert isinstance(last, AdjustmentLayer)
    assert last.props.clipping
    assert last.part is None
    with pytest.raises(CommandError, match="no layer to clip"):
        AddAdjustment(adjustment=Invert(), clipped=True).apply(doc)


def test_turning_one_dial_is_one_step_and_another_dial_another() -> None:
    doc, layer = adjusted_doc(Exposure())
    session = Session(doc)
    for stops in (0.1, 0.2, 0.3):
        wanted = Exposure(exposure=stops)
        session.apply(SetAdjustment(layer_id=layer.id, adjustment=wanted, setting="exposure"))
    session.apply(
        SetAdjustment(layer_id=layer.id, adjustment=Exposure(exposure=0.3, gamma=2), setting="gamma")
    )
    session.undo()
    assert session.document.layer(layer.id) == replace(layer, adjustment=Exposure(exposure=0.3))
    session.undo()
    assert session.document is doc


def test_setting_refuses_other_layers_other_kinds_and_locked_ones() -> None:
    doc, layer = adjusted_doc()
    for layer_id, adjustment in ((layer.id, Invert()), (doc.layers[0].id, Posterize())):
        with pytest.raises(CommandError, match="is no "):
            SetAdjustment(layer_id=layer_id, adjustment=adjustment).apply(doc)
    locked = locked_doc(doc, layer.id, Lock.ALL)
    with pytest.raises(CommandError, match="locked against changing its look"):
        SetAdjustment(layer_id=layer.id, adjustment=Posterize(levels=9)).apply(locked)
    same = SetAdjustment(layer_id=layer.id, adjustment=Posterize(levels=4))
    assert same.apply(doc) is doc


def test_it_has_no_pixels() -> None:
    doc, layer = adjusted_doc()
    masked = AddMask(layer_id=layer.id).apply(doc)
    for command in (
        WritePixels(layer_id=layer.id, at=Point(0, 0), rgba=WHITE),
        ClearPixels(layer_id=layer.id),
        ApplyMask(layer_id=layer.id),
    ):
        with pytest.raises(CommandError, match="is an adjustment and has no pixels"):
            command.apply(masked)
    with pytest.raises(CommandError, match="Only the background and the objects"):
        SetKeep(ids=(layer.id,), keep=True).apply(doc)
    with pytest.raises(CommandError, match="only groups can pass through"):
        SetProps(ids=(layer.id,), blend_mode=BlendMode.PASS_THROUGH).apply(doc)


def test_its_place_is_its_masks() -> None:
    doc, layer = adjusted_doc()
    assert TranslateLayers(ids=(layer.id,), dx=5, dy=6).apply(doc) is doc
    masked = AddMask(layer_id=layer.id, grey=GREY, at=Point(300, 2)).apply(doc)
    moved = TranslateLayers(ids=(layer.id,), dx=5, dy=6).apply(masked).layer(layer.id)
    assert moved.mask is not None
    assert moved.mask.offset == Point(305, 8)
    grown = ResizeCanvas(size=doc.size, dx=7, dy=0).apply(masked).layer(layer.id)
    assert grown.mask is not None
    assert grown.mask.offset == Point(307, 2)
    assert layer_bounds(layer) == EMPTY_RECT
    assert reach_of(layer, doc.canvas) == doc.canvas
    assert reach_of(masked.layer(layer.id), doc.canvas) == Rect(300, 2, 256, 256)


def test_it_is_duplicated_and_grouped_like_any_layer() -> None:
    doc, layer = adjusted_doc()
    twice = DuplicateLayers(ids=(layer.id,)).apply(doc)
    copy = twice.layers[-1]
    assert isinstance(copy, AdjustmentLayer)
    assert copy.adjustment == layer.adjustment
    assert copy.id != layer.id
    grouped = GroupLayers(ids=(doc.layers[1].id, layer.id)).apply(doc)
    assert tree_text(grouped) == "a Group 1 (b Posterize 1)"


def test_nothing_is_merged_into_it() -> None:
    doc, layer = adjusted_doc()
    both = (doc.layers[1].id, layer.id)
    merged = ReplaceWithMerged(ids=both, into=doc.layers[1].id, pixels=TileGrid()).apply(doc)
    assert tree_text(merged) == "a b"
    on_top = PixelLayer(id=LayerId("top"), props=LayerProps(name="top"))
    doc = doc.with_layers((*doc.layers, on_top))
    with pytest.raises(CommandError, match="nothing can be merged into it"):
        ReplaceWithMerged(ids=(layer.id, on_top.id), into=layer.id, pixels=TileGrid()).apply(doc)
