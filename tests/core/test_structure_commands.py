"""Commands on the tree: what they do, what they refuse, and how they say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from psdstudio.core.commands import SetProps
from psdstudio.core.geometry import Point
from psdstudio.core.layers import BlendMode, GroupLayer, PixelLayer, Role
from psdstudio.core.parts import background_of, children_with
from psdstudio.core.structure_commands import (
    AddLayer,
    DuplicateLayers,
    GroupLayers,
    MoveLayers,
    ReplaceWithMerged,
    UngroupLayer,
)
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError
from tests.core.scenes import (
    WHITE,
    nested_doc,
    object_named,
    scene_doc,
    tree_text,
)


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
    doc, ids = nested_doc()
    command = MoveLayers(
        ids=tuple(ids[name] for name in moved), parent=ids[parent] if parent else None, index=index
    )
    after = command.apply(doc)
    # An emptied group h prints its empty brackets.
    assert tree_text(after).replace(" ()", "") == expected
    assert (after is doc) == (expected == "a g (b h (c) d) e")


@pytest.mark.parametrize("target", ["g", "h"])
def test_a_group_cannot_go_into_itself(target: str) -> None:
    doc, ids = nested_doc()
    with pytest.raises(CommandError, match="“g” cannot go into itself"):
        MoveLayers(ids=(ids["g"],), parent=ids[target], index=0).apply(doc)


def test_grouping_and_ungrouping_is_the_old_tree() -> None:
    doc, ids = nested_doc()
    group = GroupLayers(ids=(ids["a"], ids["d"], ids["c"]))
    grouped = group.apply(doc)
    assert tree_text(grouped) == "g (b h () Group 1 (a c d)) e"
    assert grouped.layer(group.group_id).props.blend_mode is BlendMode.PASS_THROUGH
    ungrouped = UngroupLayer(layer_id=ids["g"]).apply(doc)
    assert tree_text(ungrouped) == "a b h (c) d e"
    regrouped = GroupLayers(ids=(ids["b"], ids["h"], ids["d"]), name="g").apply(ungrouped)
    assert tree_text(regrouped) == tree_text(doc)
    with pytest.raises(CommandError, match="“a” is not a group"):
        UngroupLayer(layer_id=ids["a"]).apply(doc)


def test_ungrouping_a_hidden_group_hides_its_children() -> None:
    doc, ids = nested_doc()
    doc = SetProps(ids=(ids["g"],), visible=False).apply(doc)
    after = UngroupLayer(layer_id=ids["g"]).apply(doc)
    assert not any(after.layer(ids[name]).props.visible for name in "bhd")
    assert after.layer(ids["a"]).props.visible


def test_copies_stand_above_their_originals_under_free_names() -> None:
    doc, ids = nested_doc()
    command = DuplicateLayers(ids=(ids["a"], ids["h"]))
    after = command.apply(doc)
    assert tree_text(after) == "a a copy g (b h (c) h copy (c) d) e"
    again = DuplicateLayers(ids=(ids["a"],)).apply(after)
    assert tree_text(again).startswith("a a copy 2 a copy g")
    copy = after.layer(command.copy_id(ids["a"]))
    original = doc.layer(ids["a"])
    assert isinstance(copy, PixelLayer)
    assert isinstance(original, PixelLayer)
    assert copy.pixels is original.pixels


def test_a_copied_object_is_an_object_a_copied_background_is_a_layer() -> None:
    doc = scene_doc()
    swan, ground = object_named(doc, "swan"), doc.layers[0]
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
    doc, ids = nested_doc()
    after = AddLayer(above=ids["b"]).apply(doc)
    assert tree_text(after) == "a g (b Layer 1 h (c) d) e"
    assert tree_text(AddLayer().apply(after)).endswith("e Layer 2")
    scene = scene_doc()
    shadow = children_with(object_named(scene, "swan"), Role.SHADOW)[0]
    row = [layer.props.name for layer in AddLayer(above=shadow.id).apply(scene).layers]
    assert row == ["Background", "swan", "Layer 1", "flamingo"]


def test_merging_keeps_place_and_identity_of_the_lower_layer() -> None:
    doc, ids = nested_doc()
    merged = ReplaceWithMerged(
        ids=(ids["d"], ids["b"]), into=ids["b"], pixels=TileGrid.from_array(WHITE), offset=Point(3, 4)
    )
    after = merged.apply(doc)
    assert tree_text(after) == "a g (b h (c)) e"
    result = after.layer(ids["b"])
    assert isinstance(result, PixelLayer)
    assert result.pixels is merged.pixels
    assert result.offset == Point(3, 4)
    flat = replace(merged, ids=(ids["g"],), into=ids["g"]).apply(doc)
    assert tree_text(flat) == "a g e"
    assert flat.find(ids["g"]) is None
    with pytest.raises(CommandError, match="into one of them"):
        replace(merged, into=ids["e"]).apply(doc)


def test_merging_onto_the_background_keeps_the_background() -> None:
    doc = scene_doc()
    ground, swan = doc.layers[0], object_named(doc, "swan")
    pixels = TileGrid.from_array(WHITE)
    after = ReplaceWithMerged(ids=(ground.id, swan.id), into=ground.id, pixels=pixels).apply(doc)
    merged = background_of(after)
    assert merged is not None
    assert merged.id == ground.id
    assert merged.part == ground.part


def test_a_layer_that_leaves_its_object_is_no_part_of_it() -> None:
    doc = scene_doc()
    shadow = children_with(object_named(doc, "swan"), Role.SHADOW)[0]
    out = MoveLayers(ids=(shadow.id,), parent=None, index=9).apply(doc)
    assert out.layer(shadow.id).part is None
    swan = object_named(doc, "swan")
    inside = MoveLayers(ids=(shadow.id,), parent=swan.id, index=9).apply(doc)
    assert inside.layer(shadow.id).part == shadow.part
    apart = UngroupLayer(layer_id=swan.id).apply(doc)
    assert all(apart.layer(child.id).part is None for child in swan.children)
