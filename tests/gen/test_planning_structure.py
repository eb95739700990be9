"""Placeholders of a plan: what stays, what goes, in which order."""

from __future__ import annotations

import pytest

from psdstudio.core.document import Document
from psdstudio.core.layers import BlendMode, Role
from psdstudio.core.parts import object_groups
from psdstudio.errors import CommandError, PromptError
from psdstudio.gen.planning import InsertObject, new_scene
from tests.gen.scenes import CANVAS, background, child, generated, group_named, kept, picture, plan_of


def names(doc: Document) -> list[str]:
    return [group.props.name for group in object_groups(doc)]


def test_a_plan_becomes_a_background_and_one_group_per_object() -> None:
    doc = new_scene(Document(size=CANVAS), plan_of("swan", "flamingo"), prompt="a swan and a flamingo")
    assert doc.validate() == []
    assert doc.scene.prompt == "a swan and a flamingo"
    assert background(doc) is doc.layers[0]
    assert names(doc) == ["swan", "flamingo"]
    swan = group_named(doc, "swan")
    assert swan.props.blend_mode is BlendMode.PASS_THROUGH
    assert swan.part is not None
    assert swan.part.words == "a swan"
    assert not child(swan, Role.OBJECT).pixels.tiles


def test_the_same_plan_gives_the_same_ids_in_a_new_document() -> None:
    first, second = (new_scene(Document(size=CANVAS), plan_of("swan", "swan")) for _ in range(2))
    assert [x.id for x in first.walk()] == [x.id for x in second.walk()]
    assert len({x.id for x in first.walk()}) == len(list(first.walk()))


def test_no_objects_is_a_background_alone() -> None:
    doc = new_scene(Document(size=CANVAS), plan_of())
    assert len(doc.layers) == 1


def test_planning_the_same_again_changes_nothing() -> None:
    doc = generated("swan", "flamingo")
    assert new_scene(doc, plan_of("swan", "flamingo")).layers == doc.layers


def test_what_the_new_plan_names_stays_and_the_rest_goes_unless_kept() -> None:
    doc = generated("swan", "flamingo", "duck")
    swan = group_named(doc, "swan")
    after = new_scene(kept(doc, "flamingo"), plan_of("boat", "swan", background="a lake at night"))
    assert group_named(after, "swan") is swan
    assert set(names(after)) == {"boat", "swan", "flamingo"}
    assert names(after).index("boat") < names(after).index("swan")
    part = background(after).part
    assert part is not None
    assert part.words == "a lake at night"
    assert background(after).pixels is background(doc).pixels


def test_objects_follow_the_plans_order_and_other_layers_stay_where_they_are() -> None:
    doc = generated("swan", "flamingo")
    photo = picture()
    doc = doc.with_layers((*doc.layers[:2], photo, *doc.layers[2:]))
    after = new_scene(doc, plan_of("flamingo", "swan"))
    assert names(after) == ["flamingo", "swan"]
    assert after.layers[2] is photo


def test_three_ducks_use_three_groups_once_each() -> None:
    doc = generated("duck", "duck", "duck")
    ids = [group.id for group in object_groups(doc)]
    assert len(set(ids)) == 3
    assert [group.id for group in object_groups(new_scene(doc, plan_of("duck", "duck", "duck")))] == ids


def test_a_kept_background_keeps_its_words() -> None:
    doc = kept(generated("swan"), "background")
    after = new_scene(doc, plan_of("swan", background="a desert"))
    assert background(after) is background(doc)


def test_insert_goes_right_above_the_named_layer() -> None:
    doc = generated("swan", "flamingo")
    swan = group_named(doc, "swan")
    command = InsertObject(name="duck", words="a duck", above=child(swan, Role.OBJECT).id)
    new_id = command.placeholder_id(doc)
    after = command.apply(doc)
    assert names(after) == ["swan", "duck", "flamingo"]
    assert group_named(after, "duck").id == new_id
    assert after.validate() == []
    top = InsertObject(name="bee", words="a bee").apply(after)
    assert names(top)[-1] == "bee"


def test_insert_into_an_empty_document_brings_a_background() -> None:
    doc = InsertObject(name="duck", words="a duck").apply(Document(size=CANVAS))
    assert background(doc) is doc.layers[0]
    assert names(doc) == ["duck"]


def test_insert_needs_words_and_a_place() -> None:
    doc = generated("swan")
    with pytest.raises(PromptError):
        InsertObject(name="x", words="  ").apply(doc)
    gone = group_named(doc, "swan").id
    with pytest.raises(CommandError):
        InsertObject(name="x", words="x", above=gone).apply(Document(size=CANVAS))
