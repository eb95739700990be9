"""Negative words and LoRAs of a part: where they are held, what is refused, what is one step."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from psdstudio.core.layers import LoraUse, Part, Role
from psdstudio.core.parts import background_of, children_with
from psdstudio.core.prompt_commands import MAX_LORAS, MAX_NEGATIVE, SetLoras, SetNegative
from psdstudio.core.session import Session
from psdstudio.errors import CommandError
from tests.core.scenes import object_named, plain_doc, scene_doc

INK = LoraUse(title="Ink", weight=0.8)


@pytest.mark.parametrize("role", [None, Role.OBJECT, Role.SHADOW])
def test_any_layer_of_an_object_speaks_of_the_object(role: Role | None) -> None:
    before = doc = scene_doc()
    swan = object_named(doc, "swan")
    target = swan if role is None else children_with(swan, role)[0]
    doc = SetNegative(layer_id=target.id, negative="  a   second\nbeak ").apply(doc)
    doc = SetLoras(layer_id=target.id, loras=(INK,)).apply(doc)
    assert swan.part is not None
    assert object_named(doc, "swan").part == replace(swan.part, negative="a second beak", loras=(INK,))
    assert doc.with_layer(swan) == before


def test_the_background_has_its_own() -> None:
    doc = scene_doc()
    ground = background_of(doc)
    assert ground is not None
    doc = SetLoras(layer_id=ground.id, loras=(INK,)).apply(
        SetNegative(layer_id=ground.id, negative="people").apply(doc)
    )
    now = background_of(doc)
    assert now is not None
    assert now.part is not None
    assert (now.part.negative, now.part.loras) == ("people", (INK,))


def test_what_changes_nothing_is_the_same_document() -> None:
    doc = scene_doc()
    swan = object_named(doc, "swan")
    doc = SetLoras(layer_id=swan.id, loras=(INK,)).apply(doc)
    assert SetLoras(layer_id=swan.id, loras=(INK,)).apply(doc) is doc
    assert SetNegative(layer_id=swan.id, negative=" ").apply(doc) is doc


@pytest.mark.parametrize(
    "loras",
    [
        (INK, INK),
        (LoraUse(title=" "),),
        (LoraUse(title="a", weight=2.01),),
        (LoraUse(title="a", weight=-0.1),),
        (LoraUse(title="a", weight=math.nan),),
        tuple(LoraUse(title=str(number)) for number in range(MAX_LORAS + 1)),
    ],
)
def test_lists_that_no_engine_can_take_are_refused(loras: tuple[LoraUse, ...]) -> None:
    doc = scene_doc()
    with pytest.raises(CommandError):
        SetLoras(layer_id=object_named(doc, "swan").id, loras=loras).apply(doc)


def test_what_is_no_part_of_a_scene_is_refused() -> None:
    plain, scene = plain_doc("a"), scene_doc()
    loose = scene.with_layer(replace(scene.layers[0], part=Part(role=Role.SHADOW)))
    for doc in (plain, loose):
        for command in (
            SetNegative(layer_id=doc.layers[0].id, negative="x"),
            SetLoras(layer_id=doc.layers[0].id, loras=()),
        ):
            with pytest.raises(CommandError):
                command.apply(doc)
    with pytest.raises(CommandError, match="too long"):
        SetNegative(layer_id=scene.layers[0].id, negative="x" * (MAX_NEGATIVE + 1)).apply(scene)


def test_typing_and_turning_are_one_step_each_and_undone_as_one() -> None:
    session = Session(scene_doc())
    before = session.document
    swan = object_named(before, "swan")
    for text in ("p", "pe", "people"):
        session.apply(SetNegative(layer_id=swan.id, negative=text))
    session.apply(SetLoras(layer_id=swan.id, loras=(INK,)))
    added = session.document
    for weight in (0.9, 1.0, 1.1):
        session.apply(SetLoras(layer_id=swan.id, loras=(replace(INK, weight=weight),), is_weight=True))
    session.undo()
    assert session.document == added
    session.undo()
    session.undo()
    assert session.document == before
    assert session.redo_label == "Change what is not in it"
