"""Commands on properties, pins, places, locks, pixels and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core.commands import Command, SetBox, SetProps, SetScene, SetWords
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Rect, Size
from psdstudio.core.keep_commands import InvertKeep, ReleaseAllKeeps, SetKeep
from psdstudio.core.layers import BlendMode, GroupLayer, LayerId, LayerProps, Lock, PixelLayer, Role
from psdstudio.core.parts import background_of, children_with, is_kept, object_groups
from psdstudio.core.pixel_commands import AddMask, ClearPixels, RemoveMask, SetMask, WriteMask, WritePixels
from psdstudio.core.placement_commands import ResizeCanvas, TranslateLayers
from psdstudio.core.structure_commands import (
    DeleteLayers,
    InsertLayer,
    MoveLayers,
    ReplaceWithMerged,
)
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError
from tests.core.scenes import (
    SWAN,
    WHITE,
    locked_doc,
    nested_doc,
    object_named,
    plain_doc,
    scene_doc,
    stale_names,
)
from tests.strategies import scene_document, solid_layer


@pytest.mark.parametrize("keeping", ["group", "object"])
def test_keep_on_group_and_object_layer_is_one_pin(keeping: str) -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    thing = children_with(swan, Role.OBJECT)[0]
    kept = SetKeep(ids=(swan.id if keeping == "group" else thing.id,), keep=True).apply(doc)
    assert [is_kept(group) for group in object_groups(kept)] == [True, False]
    pins = {layer.id for layer in kept.walk() if layer.part is not None and layer.part.keep}
    assert pins == {swan.id, thing.id}
    released = SetKeep(ids=(thing.id if keeping == "group" else swan.id,), keep=False).apply(kept)
    assert released == doc


def test_inverting_keeps_leaves_pins_of_effects() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    shadow = children_with(swan, Role.SHADOW)[0]
    doc = SetKeep(ids=(swan.id, shadow.id), keep=True).apply(doc)
    inverted = InvertKeep().apply(doc)
    ground = background_of(inverted)
    assert ground is not None
    assert is_kept(ground)
    assert [is_kept(group) for group in object_groups(inverted)] == [False, True]
    assert is_kept(inverted.layer(shadow.id))
    assert InvertKeep().apply(inverted) == doc
    free = ReleaseAllKeeps().apply(inverted)
    assert not any(is_kept(layer) for layer in free.walk())
    assert ReleaseAllKeeps().apply(free) is free


def test_an_object_whose_pixels_are_locked_counts_as_kept() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    assert is_kept(object_named(locked_doc(doc, swan.id, Lock.ALL), "swan"))
    assert is_kept(object_named(locked_doc(doc, swan.id, Lock.PIXELS), "swan"))
    assert not is_kept(object_named(locked_doc(doc, swan.id, Lock.POSITION), "swan"))


def test_keep_needs_a_scene() -> None:
    doc = plain_doc("a")
    with pytest.raises(CommandError, match="Only the background and the objects"):
        SetKeep(ids=(doc.layers[0].id,), keep=True).apply(doc)
    with pytest.raises(CommandError, match="no scene yet"):
        InvertKeep().apply(doc)


def test_moving_an_object_moves_everything_of_it_and_its_box() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    after = TranslateLayers(ids=(swan.id,), dx=32, dy=-24).apply(doc)
    moved = object_named(after, "swan")
    for old, new in zip(swan.children, moved.children, strict=True):
        assert isinstance(old, PixelLayer)
        assert isinstance(new, PixelLayer)
        assert new.offset == old.offset.shifted(32, -24)
        assert new.pixels is old.pixels
    assert moved.part is not None
    assert moved.part.box is not None
    assert moved.part.box.to_rect(doc.size) == SWAN.shifted(32, -24)
    assert moved.part.box_is_users is False


def test_contacts_go_stale_where_they_no_longer_fit() -> None:
    doc = scene_doc()
    swan, flamingo = object_named(doc, "swan"), object_named(doc, "flamingo")
    ground = doc.layers[0]
    # The swan is behind and under the flamingo's effects: both no longer fit.
    assert stale_names(TranslateLayers(ids=(swan.id,), dx=5, dy=0).apply(doc)) == ["swan", "flamingo"]
    # The flamingo is in front: the swan's effects do not fall on it.
    assert stale_names(TranslateLayers(ids=(flamingo.id,), dx=5, dy=0).apply(doc)) == ["flamingo"]
    assert stale_names(TranslateLayers(ids=(ground.id,), dx=5, dy=0).apply(doc)) == ["swan", "flamingo"]
    thing = children_with(swan, Role.OBJECT)[0]
    apart = TranslateLayers(ids=(thing.id,), dx=0, dy=-9).apply(doc)
    assert "swan" in stale_names(apart)
    box = object_named(apart, "swan").part
    assert box is not None
    assert box.box is not None
    assert box.box.to_rect(doc.size) == SWAN.shifted(0, -9)
    assert stale_names(DeleteLayers(ids=(swan.id,)).apply(doc)) == ["flamingo"]
    shadow = children_with(swan, Role.SHADOW)[0]
    assert stale_names(DeleteLayers(ids=(shadow.id,)).apply(doc)) == []
    # Behind becomes before: now the swan's effects fall on the flamingo's place.
    swapped = MoveLayers(ids=(swan.id,), parent=None, index=3).apply(doc)
    assert stale_names(swapped) == ["flamingo", "swan"]


def test_far_objects_do_not_disturb_one_another() -> None:
    doc = scene_document(("swan", Rect(0, 0, 20, 20)), ("tree", Rect(200, 150, 40, 40)))
    swan = object_named(doc, "swan")
    assert stale_names(TranslateLayers(ids=(swan.id,), dx=3, dy=3).apply(doc)) == ["swan"]


def test_linked_masks_move_with_their_layer() -> None:
    doc = plain_doc("a", "b")
    a, b = (layer.id for layer in doc.layers)
    for layer_id in (a, b):
        doc = AddMask(layer_id=layer_id, grey=np.full((5, 5), 200, np.uint8), at=Point(8, 8)).apply(doc)
    doc = SetMask(layer_id=b, linked=False).apply(doc)
    after = TranslateLayers(ids=(a, b), dx=10, dy=1).apply(doc)
    mask_a, mask_b = after.layer(a).mask, after.layer(b).mask
    assert mask_a is not None
    assert mask_b is not None
    assert mask_a.offset == Point(18, 9)
    assert mask_b.offset == Point(8, 8)


def test_moving_there_and_back_is_the_old_place() -> None:
    doc = plain_doc("a")
    ids = (doc.layers[0].id,)
    there = TranslateLayers(ids=ids, dx=7, dy=-3).apply(doc)
    assert TranslateLayers(ids=ids, dx=-7, dy=3).apply(there) == doc
    assert TranslateLayers(ids=ids, dx=0, dy=0).apply(doc) is doc


@pytest.mark.parametrize(
    ("lock", "command", "words"),
    [
        (Lock.POSITION, lambda i: TranslateLayers(ids=(i,), dx=1, dy=0), "“a” is locked against moving."),
        (Lock.ALL, lambda i: TranslateLayers(ids=(i,), dx=1, dy=0), "“a” is locked against moving."),
        (
            Lock.PIXELS,
            lambda i: WritePixels(layer_id=i, at=Point(0, 0), rgba=WHITE),
            "locked against painting",
        ),
        (Lock.ALL, lambda i: WritePixels(layer_id=i, at=Point(0, 0), rgba=WHITE), "locked against painting"),
        (Lock.PIXELS, lambda i: ClearPixels(layer_id=i), "locked against clearing"),
        (Lock.TRANSPARENCY, lambda i: ClearPixels(layer_id=i), "locked against clearing"),
        (Lock.ALL, lambda i: DeleteLayers(ids=(i,)), "locked against deleting"),
        (Lock.ALL, lambda i: SetProps(ids=(i,), opacity=9), "locked against changing its look"),
        (Lock.ALL, lambda i: AddMask(layer_id=i), "locked against masking"),
        (
            Lock.PIXELS,
            lambda i: ReplaceWithMerged(ids=(i,), into=i, pixels=TileGrid()),
            "locked against merging",
        ),
    ],
)
@pytest.mark.parametrize("holder", ["the layer", "its group"])
def test_locks_refuse_and_say_what_to_do(
    lock: Lock, command: Callable[[LayerId], Command], words: str, holder: str
) -> None:
    layer = solid_layer("a", Rect(0, 0, 9, 9))
    group = GroupLayer(props=LayerProps(name="a"), children=(layer,))
    free = Document(size=Size(20, 20), layers=(group,))
    command(layer.id).apply(free)
    doc = locked_doc(free, layer.id if holder == "the layer" else group.id, lock)
    with pytest.raises(CommandError, match=words) as refused:
        command(layer.id).apply(doc)
    assert refused.value.hint.startswith("Unlock its ")


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        (Lock.PIXELS, lambda i: TranslateLayers(ids=(i,), dx=1, dy=0)),
        (Lock.TRANSPARENCY, lambda i: TranslateLayers(ids=(i,), dx=1, dy=0)),
        (Lock.POSITION, lambda i: WritePixels(layer_id=i, at=Point(0, 0), rgba=WHITE)),
        (Lock.POSITION, lambda i: DeleteLayers(ids=(i,))),
        (Lock.ALL, lambda i: SetProps(ids=(i,), visible=False)),
        (Lock.ALL, lambda i: SetProps(ids=(i,), locks=frozenset())),
        (Lock.ALL, lambda i: MoveLayers(ids=(i,), parent=None, index=2)),
    ],
)
def test_locks_allow_what_photoshop_allows(lock: Lock, command: Callable[[LayerId], Command]) -> None:
    doc = plain_doc("a", "b")
    a = doc.layers[0].id
    locked = locked_doc(doc, a, lock)
    assert command(a).apply(locked) is not locked


def test_a_group_with_a_locked_layer_does_not_move_at_all() -> None:
    doc, ids = nested_doc()
    locked = locked_doc(doc, ids["c"], Lock.POSITION)
    with pytest.raises(CommandError, match="“c” is locked against moving"):
        TranslateLayers(ids=(ids["a"], ids["g"]), dx=1, dy=1).apply(locked)


def test_locked_transparency_keeps_alpha_and_paints_inside() -> None:
    doc = plain_doc("a")
    a = doc.layers[0].id
    locked = locked_doc(doc, a, Lock.TRANSPARENCY)
    # The layer covers 5..24; the stroke runs over its edge, its first column erases.
    stroke = np.full((1, 10, 4), (1, 2, 3, 255), np.uint8)
    stroke[0, 0] = 0
    after = WritePixels(layer_id=a, at=Point(20, 10), rgba=stroke).apply(locked).layer(a)
    before = doc.layer(a)
    assert isinstance(after, PixelLayer)
    assert isinstance(before, PixelLayer)
    window = Rect(-5, -5, 60, 60)
    assert np.array_equal(after.pixels.read(window)[..., 3], before.pixels.read(window)[..., 3])
    row = after.pixels.read(Rect(15, 5, 6, 1))[0]
    assert row[0].tolist() == [200, 60, 20, 255]
    assert row[1:5, :3].tolist() == [[1, 2, 3]] * 4
    assert row[5].tolist() == [0, 0, 0, 0]


def test_pixels_land_at_their_canvas_place() -> None:
    layer = PixelLayer(props=LayerProps(name="a"), offset=Point(-30, 7))
    doc = Document(size=Size(64, 64), layers=(layer,))
    after = WritePixels(layer_id=layer.id, at=Point(10, 11), rgba=WHITE).apply(doc).layer(layer.id)
    assert isinstance(after, PixelLayer)
    assert after.pixels.bounds() == Rect(40, 4, 4, 4)
    cleared = ClearPixels(layer_id=layer.id, rect=Rect(10, 11, 2, 99)).apply(doc.with_layer(after))
    rest = cleared.layer(layer.id)
    assert isinstance(rest, PixelLayer)
    assert rest.pixels.bounds() == Rect(42, 4, 2, 4)


def test_masks_are_added_painted_switched_and_removed() -> None:
    doc = plain_doc("a")
    a = doc.layers[0].id
    masked = AddMask(layer_id=a, hides=True).apply(doc)
    painted = WriteMask(layer_id=a, at=Point(9, 9), grey=np.full((2, 2), 255, np.uint8)).apply(masked)
    mask = painted.layer(a).mask
    assert mask is not None
    assert mask.pixels.bounds() == Rect(9, 9, 2, 2)
    assert mask.pixels.fill == 0
    off = SetMask(layer_id=a, enabled=False).apply(painted)
    assert off.layer(a).mask == replace(mask, enabled=False)
    assert RemoveMask(layer_id=a).apply(off) == doc
    for command in (RemoveMask(layer_id=a), SetMask(layer_id=a, enabled=True)):
        with pytest.raises(CommandError, match="“a” has no mask"):
            command.apply(doc)
    with pytest.raises(CommandError, match="has a mask already"):
        AddMask(layer_id=a).apply(masked)


def test_the_canvas_grows_around_the_picture() -> None:
    doc = scene_doc()
    doc = AddMask(layer_id=object_named(doc, "swan").id).apply(doc)
    after = ResizeCanvas(size=Size(640, 480), dx=100, dy=50).apply(doc)
    swan = object_named(after, "swan")
    assert swan.part is not None
    assert swan.part.box is not None
    assert swan.part.box.to_rect(after.size) == SWAN.shifted(100, 50)
    assert swan.mask is not None
    assert swan.mask.offset == Point(100, 50)
    assert doc.scene.light is not None
    assert after.scene.light is not None
    assert after.scene.light.horizon * 480 == pytest.approx(doc.scene.light.horizon * 240 + 50)
    assert stale_names(after) == []
    back = ResizeCanvas(size=doc.size, dx=-100, dy=-50).apply(after)
    assert back.layers[0] == doc.layers[0]
    with pytest.raises(CommandError, match="30000"):
        ResizeCanvas(size=Size(30001, 5)).apply(doc)


def test_words_of_an_object_are_set_on_group_and_object() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    thing = children_with(swan, Role.OBJECT)[0]
    after = SetWords(layer_id=thing.id, words="  a black \n swan ").apply(doc)
    changed = {x.props.name for x in after.walk() if x.part is not None and x.part.words == "a black swan"}
    assert changed == {"swan"}
    assert after.layer(swan.id).part != swan.part
    assert after.layer(thing.id).part != thing.part
    assert SetWords(layer_id=swan.id, words="a black swan").apply(after) is after


def test_boxes_belong_to_objects_and_have_an_area() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    box = BoxF(0.1, 0.2, 0.3, 0.4)
    after = SetBox(layer_id=swan.id, box=box).apply(doc).layer(swan.id).part
    assert after is not None
    assert after.box == box
    assert after.box_is_users
    free = SetBox(layer_id=swan.id, box=None).apply(doc).layer(swan.id).part
    assert free is not None
    assert not free.box_is_users
    with pytest.raises(CommandError, match="width and a height"):
        SetBox(layer_id=swan.id, box=BoxF(0, 0, 0, 1)).apply(doc)
    with pytest.raises(CommandError, match="has no layout box"):
        SetBox(layer_id=doc.layers[0].id, box=box).apply(doc)


def test_values_a_layer_cannot_hold_are_refused() -> None:
    doc, ids = nested_doc()
    a, g = (ids["a"],), (ids["g"],)
    for command in (
        SetProps(ids=a, blend_mode=BlendMode.PASS_THROUGH),
        SetProps(ids=g, clipping=True),
        SetProps(ids=a, opacity=256),
        SetProps(ids=a, name="  "),
        SetProps(ids=a, name="x" * 256),
        SetProps(ids=(), visible=True),
        SetScene(seed=-1),
        WritePixels(layer_id=ids["g"], at=Point(0, 0), rgba=WHITE),
        InsertLayer(layer=doc.layers[0], index=0),
        InsertLayer(layer=solid_layer("z", Rect(0, 0, 1, 1)), parent=ids["a"], index=0),
    ):
        with pytest.raises(CommandError):
            command.apply(doc)
    renamed = SetProps(ids=a, name=" Ελένη ").apply(doc)
    assert renamed.layer(ids["a"]).props.name == "Ελένη"
