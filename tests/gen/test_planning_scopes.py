"""What a run will do: the table of verbs, the words of the button, the reasons why a run cannot start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from psdstudio.core.commands import SetBox, SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import Lock, Role
from psdstudio.errors import CommandError, ModelIncompatible, PromptError
from psdstudio.gen.planning import InsertObject, Verb, new_scene, plan_scope
from tests.gen.scenes import CANVAS, background, child, generated, group_named, kept, picture, plan_of


def text(doc: Document, verb: Verb, *names: str) -> str:
    ids = [background(doc).id if name == "background" else group_named(doc, name).id for name in names]
    return plan_scope(doc, verb, ids).button_text()


def test_the_button_before_the_first_run() -> None:
    doc = new_scene(Document(size=CANVAS), plan_of("swan", "flamingo"))
    assert text(doc, Verb.GENERATE_SCENE) == "Generate scene, 3 layers"
    assert text(new_scene(Document(size=CANVAS), plan_of()), Verb.GENERATE_SCENE) == "Generate scene, 1 layer"


def test_the_button_names_what_is_kept_and_what_is_refreshed() -> None:
    doc = generated("swan", "flamingo")
    assert text(doc, Verb.REGENERATE_FREE) == "Regenerate scene, 3 layers"
    swan = kept(doc, "swan")
    assert text(swan, Verb.REGENERATE_FREE) == "Regenerate 2 layers, swan kept, its contacts refreshed"
    both = kept(doc, "swan", "background")
    assert text(both, Verb.REGENERATE_FREE) == "Regenerate 1 layer, swan and background kept"
    objects = kept(doc, "swan", "flamingo")
    assert text(objects, Verb.REGENERATE_FREE) == (
        "Regenerate 1 layer, swan and flamingo kept, their contacts refreshed"
    )
    assert text(kept(doc, "swan", "flamingo", "background"), Verb.REGENERATE_FREE) == "Everything is kept"


def test_the_button_of_single_layer_verbs() -> None:
    doc = generated("swan", "flamingo")
    assert text(doc, Verb.NEW_LOOK, "swan") == "New look for swan"
    assert text(doc, Verb.REGENERATE_LAYER, "flamingo") == "Regenerate flamingo"
    assert text(doc, Verb.REFRESH_CONTACTS, "swan") == "Refresh contacts of swan"
    assert text(doc, Verb.NEW_LOOK, "background") == (
        "New look for background, contacts of swan and flamingo refreshed"
    )
    insert = InsertObject(name="duck", words="a duck", above=group_named(doc, "swan").id)
    new_id = insert.placeholder_id(doc)
    doc = insert.apply(doc)
    assert plan_scope(doc, Verb.INSERT, [new_id]).button_text() == "Insert duck"
    assert text(kept(doc, "swan", "flamingo", "background"), Verb.REGENERATE_FREE) == (
        "Generate 1 layer, swan, flamingo and background kept"
    )


def test_kept_effects_are_not_refreshed() -> None:
    doc = kept(generated("swan"), "swan")
    group = group_named(doc, "swan")
    effects = tuple(x.id for x in group.children if x.part and x.part.role in (Role.SHADOW, Role.REFLECTION))
    assert text(doc, Verb.REGENERATE_FREE) == "Regenerate 1 layer, swan kept, its contacts refreshed"
    doc = SetKeep(ids=effects, keep=True).apply(doc)
    assert text(doc, Verb.REGENERATE_FREE) == "Regenerate 1 layer, swan kept"


def test_places_that_are_known() -> None:
    doc = generated("swan", "flamingo")
    swan, flamingo = group_named(doc, "swan"), group_named(doc, "flamingo")
    free = {part.id: part for part in plan_scope(doc, Verb.REGENERATE_FREE).objects}
    assert not free[swan.id].box_known
    assert not free[swan.id].look_known
    look = {part.id: part for part in plan_scope(doc, Verb.NEW_LOOK, [swan.id]).objects}
    assert (look[swan.id].box_known, look[swan.id].look_known) == (True, False)
    assert (look[flamingo.id].box_known, look[flamingo.id].look_known) == (True, True)
    assert look[flamingo.id].effects_known
    placed = SetBox(layer_id=swan.id, box=BoxF(0.1, 0.2, 0.3, 0.4)).apply(doc)
    by_id = {part.id: part for part in plan_scope(placed, Verb.REGENERATE_LAYER, [swan.id]).objects}
    assert by_id[swan.id].box_known


def test_a_layer_inside_an_object_stands_for_the_object() -> None:
    doc = generated("swan", "flamingo")
    inner = child(group_named(doc, "swan"), Role.OBJECT)
    assert plan_scope(doc, Verb.NEW_LOOK, [inner.id]).button_text() == "New look for swan"


def test_hidden_layers_take_no_part_and_are_named() -> None:
    doc = generated("swan", "flamingo")
    doc = SetProps(ids=(group_named(doc, "swan").id,), visible=False).apply(doc)
    scope = plan_scope(doc, Verb.REGENERATE_FREE)
    assert [part.name for part in scope.objects] == ["flamingo"]
    assert scope.note_text() == "Hidden and left out: swan"


def test_a_lock_on_the_pixels_keeps() -> None:
    doc = generated("swan", "flamingo")
    doc = SetProps(ids=(group_named(doc, "swan").id,), locks=frozenset({Lock.ALL})).apply(doc)
    scope = plan_scope(doc, Verb.REGENERATE_FREE)
    swan = next(part for part in scope.objects if part.name == "swan")
    assert swan.look_known
    assert swan.effects_known


def test_a_picture_of_the_users_is_a_known_object_or_the_background() -> None:
    doc = generated("swan")
    doc = doc.with_layers((*doc.layers, picture()))
    scope = plan_scope(doc, Verb.REGENERATE_FREE)
    photo = scope.objects[-1]
    assert (photo.name, photo.foreign, photo.look_known, photo.effects_known) == ("photo", True, True, True)
    filled = picture(width=CANVAS.width, height=CANVAS.height, at=background(doc).offset, name="beach")
    doc = new_scene(Document(size=CANVAS, layers=(filled,)), plan_of("swan"))
    scope = plan_scope(doc, Verb.GENERATE_SCENE)
    assert scope.background_id == filled.id
    assert scope.background_known
    assert len(doc.layers) == 2


@pytest.mark.parametrize(
    ("doc", "error", "words"),
    [
        (Document(size=CANVAS), CommandError, "no scene yet"),
        (new_scene(Document(size=Size(20_000, 20_000)), plan_of("swan")), ModelIncompatible, "too large"),
        (
            new_scene(Document(size=CANVAS), plan_of(*[f"duck {i}" for i in range(40)])),
            PromptError,
            "40 objects",
        ),
        (kept(new_scene(Document(size=CANVAS), plan_of("swan")), "swan"), CommandError, "no pixels yet"),
        (kept(generated("swan"), "swan", "background"), CommandError, "nothing to make"),
    ],
)
def test_impossible_runs_say_why_and_what_to_do(doc: Document, error: type[Exception], words: str) -> None:
    fault = plan_scope(doc, Verb.REGENERATE_FREE).problem()
    assert isinstance(fault, error)
    assert words in fault.user_message
    assert fault.hint


def test_a_long_name_is_cut_in_the_words_of_the_button() -> None:
    doc = generated("swan", "boat")
    name = "A name from a brief that never ends, not even here"
    long = SetProps(ids=(group_named(doc, "swan").id,), name=name)
    words = text(kept(long.apply(doc), name), Verb.REGENERATE_FREE)
    assert words == "Regenerate 2 layers, A name from a brief that ne… kept, its contacts refreshed"


def test_a_kept_layer_cannot_be_the_target_of_a_verb() -> None:
    doc = kept(generated("swan"), "swan")
    for verb in (Verb.NEW_LOOK, Verb.REGENERATE_LAYER):
        fault = plan_scope(doc, verb, [group_named(doc, "swan").id]).problem()
        assert fault is not None
        assert "“swan” is kept" in fault.user_message
    assert plan_scope(doc, Verb.REFRESH_CONTACTS, [group_named(doc, "swan").id]).problem() is None


def test_a_verb_without_a_target_says_so() -> None:
    doc = generated("swan")
    fault = plan_scope(doc, Verb.NEW_LOOK).problem()
    assert fault is not None
    assert "selected" in fault.user_message


def test_stale_contacts_are_the_default_target() -> None:
    doc = generated("swan", "flamingo")
    group = group_named(doc, "flamingo")
    assert group.part is not None
    doc = doc.with_layer(replace(group, part=replace(group.part, stale_contacts=True)))
    assert plan_scope(doc, Verb.REFRESH_CONTACTS).button_text() == "Refresh contacts of flamingo"


def test_the_smallest_canvas_can_be_generated_on() -> None:
    doc = generated("swan", size=Size(1, 1))
    assert doc.validate() == []
    assert child(group_named(doc, "swan"), Role.OBJECT).pixels.tiles
