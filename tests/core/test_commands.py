"""Each command: what it does, what it refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core.commands import Command, SetBox, SetProps, SetScene, SetWords
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Rect, Size
from psdstudio.core.keep_commands import InvertKeep, ReleaseAllKeeps, SetKeep
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerId, LayerProps, Lock, PixelLayer, Role
from psdstudio.core.parts import background_of, children_with, is_kept, object_groups
from psdstudio.core.pixel_commands import AddMask, ClearPixels, RemoveMask, SetMask, WriteMask, WritePixels
from psdstudio.core.placement_commands import ResizeCanvas, TranslateLayers
from psdstudio.core.structure_commands import (
    AddLayer,
    DeleteLayers,
    DuplicateLayers,
    GroupLayers,
    InsertLayer,
    MoveLayers,
    ReplaceWithMerged,
    UngroupLayer,
)
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError
from tests.strategies import scene_document, solid_layer

SWAN = Rect(20, 100, 80, 80)
FLAMINGO = Rect(80, 120, 60, 60)
WHITE = np.full((4, 4, 4), 255, np.uint8)


def _plain(*names: str) -> Document:
    return Document(size=Size(100, 80), layers=tuple(solid_layer(name, Rect(5, 5, 20, 20)) for name in names))


def _scene() -> Document:
    """A swan and, in front of it and standing on its box, a flamingo."""
    return scene_document(("swan", SWAN), ("flamingo", FLAMINGO))


def _object(doc: Document, name: str) -> GroupLayer:
    return next(group for group in object_groups(doc) if group.props.name == name)


def _names(doc: Document) -> str:
    """The tree as text, bottom to top: "a (b c)"."""

    def row(layer: Layer) -> str:
        inside = f" ({' '.join(map(row, layer.children))})" if isinstance(layer, GroupLayer) else ""
        return layer.props.name + inside

    return " ".join(map(row, doc.layers))


def _locked(doc: Document, layer_id: LayerId, *locks: Lock) -> Document:
    return SetProps(ids=(layer_id,), locks=frozenset(locks)).apply(doc)


def _stale(doc: Document) -> list[str]:
    return [g.props.name for g in object_groups(doc) if g.part is not None and g.part.stale_contacts]


def _nested() -> tuple[Document, dict[str, LayerId]]:
    """The tree "a g (b h (c) d) e"."""
    a, b, c, d, e = (solid_layer(name, Rect(0, 0, 9, 9)) for name in "abcde")
    h = GroupLayer(props=LayerProps(name="h"), children=(c,))
    g = GroupLayer(props=LayerProps(name="g"), children=(b, h, d))
    doc = Document(size=Size(50, 50), layers=(a, g, e))
    return doc, {layer.props.name: layer.id for layer in doc.walk()}


@pytest.mark.parametrize(
    ("moved", "parent", "index", "expected"),
    [
        ("a", None, 3, "g (b h (c) d) e a"),
        ("e", None, 0, "e a g (b h (c) d)"),
        ("a", None, 1, "a g (b h (c) d) e"),
        ("ae", None, 2, "g (b h (c) d) a e"),
        ("bd", "g", 0, "a g (b d h (c)) e"),
        ("bd", "g", 3, "a g (h (c) b d) e"),
        ("ae", "h", 1, "g (b h (c a e) d)"),
        ("c", None, 99, "a g (b h d) e c"),
        ("hc", None, 0, "h (c) a g (b d) e"),
        ("eb", None, 1, "a b e g (h (c) d)"),
    ],
)
def test_layers_move_to_the_gap_in_their_order(
    moved: str, parent: str | None, index: int, expected: str
) -> None:
    doc, ids = _nested()
    command = MoveLayers(
        ids=tuple(ids[name] for name in moved), parent=ids[parent] if parent else None, index=index
    )
    after = command.apply(doc)
    # An emptied group h prints its empty brackets.
    assert _names(after).replace(" ()", "") == expected
    assert (after is doc) == (expected == "a g (b h (c) d) e")


@pytest.mark.parametrize("target", ["g", "h"])
def test_a_group_cannot_go_into_itself(target: str) -> None:
    doc, ids = _nested()
    with pytest.raises(CommandError, match="'g' cannot go into itself"):
        MoveLayers(ids=(ids["g"],), parent=ids[target], index=0).apply(doc)


def test_grouping_and_ungrouping_is_the_old_tree() -> None:
    doc, ids = _nested()
    group = GroupLayers(ids=(ids["a"], ids["d"], ids["c"]))
    grouped = group.apply(doc)
    assert _names(grouped) == "g (b h () Group 1 (a c d)) e"
    assert grouped.layer(group.group_id).props.blend_mode is BlendMode.PASS_THROUGH
    ungrouped = UngroupLayer(layer_id=ids["g"]).apply(doc)
    assert _names(ungrouped) == "a b h (c) d e"
    regrouped = GroupLayers(ids=(ids["b"], ids["h"], ids["d"]), name="g").apply(ungrouped)
    assert _names(regrouped) == _names(doc)
    with pytest.raises(CommandError, match="'a' is not a group"):
        UngroupLayer(layer_id=ids["a"]).apply(doc)


def test_ungrouping_a_hidden_group_hides_its_children() -> None:
    doc, ids = _nested()
    doc = SetProps(ids=(ids["g"],), visible=False).apply(doc)
    after = UngroupLayer(layer_id=ids["g"]).apply(doc)
    assert not any(after.layer(ids[name]).props.visible for name in "bhd")
    assert after.layer(ids["a"]).props.visible


def test_copies_stand_above_their_originals_under_free_names() -> None:
    doc, ids = _nested()
    command = DuplicateLayers(ids=(ids["a"], ids["h"]))
    after = command.apply(doc)
    assert _names(after) == "a a copy g (b h (c) h copy (c) d) e"
    again = DuplicateLayers(ids=(ids["a"],)).apply(after)
    assert _names(again).startswith("a a copy 2 a copy g")
    copy = after.layer(command.copy_id(ids["a"]))
    original = doc.layer(ids["a"])
    assert isinstance(copy, PixelLayer)
    assert isinstance(original, PixelLayer)
    assert copy.pixels is original.pixels


def test_a_copied_object_is_an_object_a_copied_background_is_a_layer() -> None:
    doc = _scene()
    swan, ground = _object(doc, "swan"), doc.layers[0]
    shadow = children_with(swan, Role.SHADOW)[0]
    command = DuplicateLayers(ids=(swan.id, ground.id))
    after = command.apply(doc)
    copy = after.layer(command.copy_id(swan.id))
    assert isinstance(copy, GroupLayer)
    assert copy.part == swan.part
    assert [child.part for child in copy.children] == [child.part for child in swan.children]
    assert after.layer(command.copy_id(ground.id)).part is None
    lone = DuplicateLayers(ids=(shadow.id,))
    assert lone.apply(doc).layer(lone.copy_id(shadow.id)).part is None


def test_new_layers_get_the_next_free_name_above_the_selected_one() -> None:
    doc, ids = _nested()
    after = AddLayer(above=ids["b"]).apply(doc)
    assert _names(after) == "a g (b Layer 1 h (c) d) e"
    assert _names(AddLayer().apply(after)).endswith("e Layer 2")
    scene = _scene()
    shadow = children_with(_object(scene, "swan"), Role.SHADOW)[0]
    row = [layer.props.name for layer in AddLayer(above=shadow.id).apply(scene).layers]
    assert row == ["Background", "swan", "Layer 1", "flamingo"]


def test_merging_keeps_place_and_identity_of_the_lower_layer() -> None:
    doc, ids = _nested()
    merged = ReplaceWithMerged(
        ids=(ids["d"], ids["b"]), into=ids["b"], pixels=TileGrid.from_array(WHITE), offset=Point(3, 4)
    )
    after = merged.apply(doc)
    assert _names(after) == "a g (b h (c)) e"
    result = after.layer(ids["b"])
    assert isinstance(result, PixelLayer)
    assert result.pixels is merged.pixels
    assert result.offset == Point(3, 4)
    flat = replace(merged, ids=(ids["g"],), into=ids["g"]).apply(doc)
    assert _names(flat) == "a g e"
    assert flat.find(ids["g"]) is None
    with pytest.raises(CommandError, match="into one of them"):
        replace(merged, into=ids["e"]).apply(doc)


def test_merging_onto_the_background_keeps_the_background() -> None:
    doc = _scene()
    ground, swan = doc.layers[0], _object(doc, "swan")
    pixels = TileGrid.from_array(WHITE)
    after = ReplaceWithMerged(ids=(ground.id, swan.id), into=ground.id, pixels=pixels).apply(doc)
    merged = background_of(after)
    assert merged is not None
    assert merged.id == ground.id
    assert merged.part == ground.part


def test_a_layer_that_leaves_its_object_is_no_part_of_it() -> None:
    doc = _scene()
    shadow = children_with(_object(doc, "swan"), Role.SHADOW)[0]
    out = MoveLayers(ids=(shadow.id,), parent=None, index=9).apply(doc)
    assert out.layer(shadow.id).part is None
    swan = _object(doc, "swan")
    inside = MoveLayers(ids=(shadow.id,), parent=swan.id, index=9).apply(doc)
    assert inside.layer(shadow.id).part == shadow.part
    apart = UngroupLayer(layer_id=swan.id).apply(doc)
    assert all(apart.layer(child.id).part is None for child in swan.children)


@pytest.mark.parametrize("keeping", ["group", "object"])
def test_keep_on_group_and_object_layer_is_one_pin(keeping: str) -> None:
    doc = _scene()
    swan = _object(doc, "swan")
    thing = children_with(swan, Role.OBJECT)[0]
    kept = SetKeep(ids=(swan.id if keeping == "group" else thing.id,), keep=True).apply(doc)
    assert [is_kept(group) for group in object_groups(kept)] == [True, False]
    pins = {layer.id for layer in kept.walk() if layer.part is not None and layer.part.keep}
    assert pins == {swan.id, thing.id}
    released = SetKeep(ids=(thing.id if keeping == "group" else swan.id,), keep=False).apply(kept)
    assert released == doc


def test_inverting_keeps_leaves_pins_of_effects() -> None:
    doc = _scene()
    swan = _object(doc, "swan")
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


def test_a_fully_locked_object_counts_as_kept() -> None:
    doc = _scene()
    swan = _object(doc, "swan")
    assert is_kept(_object(_locked(doc, swan.id, Lock.ALL), "swan"))
    assert not is_kept(_object(_locked(doc, swan.id, Lock.PIXELS), "swan"))


def test_keep_needs_a_scene() -> None:
    doc = _plain("a")
    with pytest.raises(CommandError, match="Only the background and the objects"):
        SetKeep(ids=(doc.layers[0].id,), keep=True).apply(doc)
    with pytest.raises(CommandError, match="no scene yet"):
        InvertKeep().apply(doc)


def test_moving_an_object_moves_everything_of_it_and_its_box() -> None:
    doc = _scene()
    swan = _object(doc, "swan")
    after = TranslateLayers(ids=(swan.id,), dx=32, dy=-24).apply(doc)
    moved = _object(after, "swan")
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
    doc = _scene()
    swan, flamingo = _object(doc, "swan"), _object(doc, "flamingo")
    ground = doc.layers[0]
    # The swan is behind and under the flamingo's effects: both no longer fit.
    assert _stale(TranslateLayers(ids=(swan.id,), dx=5, dy=0).apply(doc)) == ["swan", "flamingo"]
    # The flamingo is in front: the swan's effects do not fall on it.
    assert _stale(TranslateLayers(ids=(flamingo.id,), dx=5, dy=0).apply(doc)) == ["flamingo"]
    assert _stale(TranslateLayers(ids=(ground.id,), dx=5, dy=0).apply(doc)) == ["swan", "flamingo"]
    thing = children_with(swan, Role.OBJECT)[0]
    apart = TranslateLayers(ids=(thing.id,), dx=0, dy=-9).apply(doc)
    assert "swan" in _stale(apart)
    box = _object(apart, "swan").part
    assert box is not None
    assert box.box is not None
    assert box.box.to_rect(doc.size) == SWAN.shifted(0, -9)
    assert _stale(DeleteLayers(ids=(swan.id,)).apply(doc)) == ["flamingo"]
    shadow = children_with(swan, Role.SHADOW)[0]
    assert _stale(DeleteLayers(ids=(shadow.id,)).apply(doc)) == []
    # Behind becomes before: now the swan's effects fall on the flamingo's place.
    swapped = MoveLayers(ids=(swan.id,), parent=None, index=3).apply(doc)
    assert _stale(swapped) == ["flamingo", "swan"]


def test_far_objects_do_not_disturb_one_another() -> None:
    doc = scene_document(("swan", Rect(0, 0, 20, 20)), ("tree", Rect(200, 150, 40, 40)))
    swan = _object(doc, "swan")
    assert _stale(TranslateLayers(ids=(swan.id,), dx=3, dy=3).apply(doc)) == ["swan"]


def test_linked_masks_move_with_their_layer() -> None:
    doc = _plain("a", "b")
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
    doc = _plain("a")
    ids = (doc.layers[0].id,)
    there = TranslateLayers(ids=ids, dx=7, dy=-3).apply(doc)
    assert TranslateLayers(ids=ids, dx=-7, dy=3).apply(there) == doc
    assert TranslateLayers(ids=ids, dx=0, dy=0).apply(doc) is doc


@pytest.mark.parametrize(
    ("lock", "command", "words"),
    [
        (Lock.POSITION, lambda i: TranslateLayers(ids=(i,), dx=1, dy=0), "'a' is locked against moving."),
        (Lock.ALL, lambda i: TranslateLayers(ids=(i,), dx=1, dy=0), "'a' is locked against moving."),
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
    doc = _locked(free, layer.id if holder == "the layer" else group.id, lock)
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
    doc = _plain("a", "b")
    a = doc.layers[0].id
    locked = _locked(doc, a, lock)
    assert command(a).apply(locked) is not locked


def test_a_group_with_a_locked_layer_does_not_move_at_all() -> None:
    doc, ids = _nested()
    locked = _locked(doc, ids["c"], Lock.POSITION)
    with pytest.raises(CommandError, match="'c' is locked against moving"):
        TranslateLayers(ids=(ids["a"], ids["g"]), dx=1, dy=1).apply(locked)


def test_locked_transparency_keeps_alpha_and_paints_inside() -> None:
    doc = _plain("a")
    a = doc.layers[0].id
    locked = _locked(doc, a, Lock.TRANSPARENCY)
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
    doc = _plain("a")
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
        with pytest.raises(CommandError, match="'a' has no mask"):
            command.apply(doc)
    with pytest.raises(CommandError, match="has a mask already"):
        AddMask(layer_id=a).apply(masked)


def test_the_canvas_grows_around_the_picture() -> None:
    doc = _scene()
    doc = AddMask(layer_id=_object(doc, "swan").id).apply(doc)
    after = ResizeCanvas(size=Size(640, 480), dx=100, dy=50).apply(doc)
    swan = _object(after, "swan")
    assert swan.part is not None
    assert swan.part.box is not None
    assert swan.part.box.to_rect(after.size) == SWAN.shifted(100, 50)
    assert swan.mask is not None
    assert swan.mask.offset == Point(100, 50)
    assert doc.scene.light is not None
    assert after.scene.light is not None
    assert after.scene.light.horizon * 480 == pytest.approx(doc.scene.light.horizon * 240 + 50)
    assert _stale(after) == []
    back = ResizeCanvas(size=doc.size, dx=-100, dy=-50).apply(after)
    assert back.layers[0] == doc.layers[0]
    with pytest.raises(CommandError, match="30000"):
        ResizeCanvas(size=Size(30001, 5)).apply(doc)


def test_words_of_an_object_are_set_on_group_and_object() -> None:
    doc = _scene()
    swan = _object(doc, "swan")
    thing = children_with(swan, Role.OBJECT)[0]
    after = SetWords(layer_id=thing.id, words="  a black \n swan ").apply(doc)
    changed = {x.props.name for x in after.walk() if x.part is not None and x.part.words == "a black swan"}
    assert changed == {"swan"}
    assert after.layer(swan.id).part != swan.part
    assert after.layer(thing.id).part != thing.part
    assert SetWords(layer_id=swan.id, words="a black swan").apply(after) is after


def test_boxes_belong_to_objects_and_have_an_area() -> None:
    doc = _scene()
    swan = _object(doc, "swan")
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
    doc, ids = _nested()
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
