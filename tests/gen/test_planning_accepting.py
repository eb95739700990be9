"""A result in the newest document: kept is kept, nothing is lost, one step of undo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core import tree
from psdstudio.core.commands import SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerId, Lock, PixelLayer, Role
from psdstudio.core.parts import is_pinned, object_groups
from psdstudio.core.session import Session
from psdstudio.core.tiles import TileGrid
from psdstudio.gen.fake import FakeEngine
from psdstudio.gen.planning import (
    AcceptResult,
    InsertObject,
    Verb,
    acceptance_notes,
    apply_result,
    build_request,
    plan_scope,
)
from psdstudio.gen.request import GenerationResult
from psdstudio.jobs.inline import run_inline
from tests.gen.scenes import FAST, background, child, generated, group_named, kept, picture, run


def result_for(doc: Document, verb: Verb, *ids: LayerId, seed: int = 11) -> GenerationResult:
    scope = plan_scope(doc, verb, ids)
    return run_inline(
        FakeEngine(), build_request(doc, scope, run_id="r", seed=seed, engine="fake", sampling=FAST)
    )


def test_a_generated_scene_has_the_agreed_structure() -> None:
    doc = generated("swan", "flamingo", seed=9)
    assert doc.validate() == []
    assert background(doc) is doc.layers[0]
    assert len(doc.layers) == 3
    for group in object_groups(doc):
        roles = [x.part.role for x in group.children if x.part]
        assert roles in (
            [Role.SHADOW, Role.OBJECT],
            [Role.SHADOW, Role.REFLECTION, Role.OBJECT],
        )
        assert child(group, Role.SHADOW).props.blend_mode is BlendMode.MULTIPLY
        assert group.part is not None
        assert group.part.box is not None
        recipe = child(group, Role.OBJECT).part
        assert recipe is not None
        assert recipe.recipe is not None
        assert (recipe.recipe.seed, recipe.recipe.engine, recipe.recipe.run_id) == (9, "fake", "run")
        assert recipe.native_size == (64, 64)
        assert recipe.is_new
    assert doc.scene.seed == 9
    assert doc.scene.light is not None


def test_pixels_arrive_at_the_rectangle_the_engine_names() -> None:
    doc = generated("swan")
    result = result_for(doc, Verb.REGENERATE_FREE)
    look = result.objects[0].look
    assert look is not None
    layer = child(group_named(apply_result(doc, result), "swan"), Role.OBJECT)
    assert layer.offset == Point(0, 0)
    assert np.array_equal(layer.pixels.read(look.rect), look.rgba)


def test_accepting_is_one_step_of_undo() -> None:
    doc = generated("swan")
    session = Session(doc)
    session.apply(AcceptResult(result=result_for(doc, Verb.REGENERATE_FREE), label="Regenerate scene"))
    assert session.document is not doc
    session.undo()
    assert session.document is doc


def test_a_missing_reflection_takes_its_layer_away_and_a_new_one_brings_it() -> None:
    seen = set()
    doc = generated("swan")
    for seed in range(12):
        result = result_for(doc, Verb.REGENERATE_FREE, seed=seed)
        doc = apply_result(doc, result)
        group = group_named(doc, "swan")
        has = any(x.part and x.part.role is Role.REFLECTION for x in group.children)
        assert has == (result.objects[0].reflection is not None)
        assert doc.validate() == []
        seen.add(has)
    assert seen == {True, False}


def test_the_designers_work_on_a_free_layer_stays() -> None:
    doc = generated("swan")
    group = group_named(doc, "swan")
    paint = picture(name="my strokes")
    doc = doc.with_layers(tree.inserted(doc.layers, paint, parent=group.id, index=9))
    look = child(group, Role.OBJECT)
    doc = SetProps(ids=(look.id,), opacity=99, name="Odette").apply(doc)
    doc = run(doc, Verb.REGENERATE_FREE, seed=5)
    layer = doc.layer(look.id)
    assert (layer.props.name, layer.props.opacity) == ("Odette", 99)
    assert doc.layer(paint.id) is paint


def test_a_layer_kept_while_the_run_was_going_is_not_touched() -> None:
    doc = generated("swan", "flamingo")
    result = result_for(doc, Verb.REGENERATE_FREE)
    later = kept(doc, "swan", "background")
    after = apply_result(later, result)
    for name in ("swan",):
        assert pixels_of(group_named(after, name)) == pixels_of(group_named(later, name))
    assert background(after).pixels is background(later).pixels
    spare = after.layers[-1]
    assert isinstance(spare, GroupLayer)
    assert (spare.props.name, spare.props.visible) == ("Generated", False)
    assert [x.props.name for x in spare.children] == ["Background", "swan"]
    assert after.validate() == []
    notes = acceptance_notes(later, result)
    assert len(notes) == 2
    assert "“swan”" in notes[1]


def test_a_layer_deleted_while_the_run_was_going_comes_back_hidden() -> None:
    doc = generated("swan", "flamingo")
    result = result_for(doc, Verb.REGENERATE_FREE)
    later = doc.with_layers(tree.removed(doc.layers, group_named(doc, "flamingo").id))
    after = apply_result(later, result)
    assert [x.props.name for x in after.layers] == ["Background", "swan", "Generated"]
    assert len(acceptance_notes(later, result)) == 1
    # What lies in the hidden group takes no part in the next run.
    assert [p.name for p in plan_scope(after, Verb.REGENERATE_FREE).objects] == ["swan"]


def test_two_late_results_do_not_collide() -> None:
    doc = generated("swan")
    later = kept(doc, "swan", "background")
    for seed in (1, 2):
        later = apply_result(later, result_for(doc, Verb.REGENERATE_FREE, seed=seed))
    assert later.validate() == []


def test_refreshed_contacts_are_no_longer_stale_and_the_look_is_the_same() -> None:
    doc = kept(generated("swan", "flamingo"), "swan")
    group = group_named(doc, "swan")
    assert group.part is not None
    doc = doc.with_layer(replace(group, part=replace(group.part, stale_contacts=True)))
    after = run(doc, Verb.REFRESH_CONTACTS)
    fresh = group_named(after, "swan")
    assert fresh.part is not None
    assert not fresh.part.stale_contacts
    assert child(fresh, Role.OBJECT).pixels is child(group, Role.OBJECT).pixels
    assert child(fresh, Role.SHADOW).pixels is not child(group, Role.SHADOW).pixels
    assert background(after).pixels is background(doc).pixels


def test_kept_effects_on_a_new_background_become_stale() -> None:
    doc = kept(generated("swan"), "swan")
    group = group_named(doc, "swan")
    effects = tuple(x.id for x in group.children if x.part and x.part.role is not Role.OBJECT)
    doc = SetKeep(ids=effects, keep=True).apply(doc)
    after = group_named(run(doc, Verb.REGENERATE_FREE), "swan")
    assert pixels_of(after) == pixels_of(group_named(doc, "swan"))
    assert after.part is not None
    assert after.part.stale_contacts


def test_a_picture_of_the_users_gets_a_shadow_on_request() -> None:
    doc = generated("swan")
    photo = picture()
    doc = doc.with_layers((*doc.layers, photo))
    after = run(doc, Verb.REFRESH_CONTACTS, [photo.id])
    assert after.validate() == []
    group = group_named(after, "photo")
    assert child(group, Role.OBJECT).id == photo.id
    assert child(group, Role.OBJECT).pixels is photo.pixels
    assert child(group, Role.SHADOW).pixels.tiles


def test_an_inserted_object_leaves_everything_else_as_it_is() -> None:
    doc = generated("swan", "flamingo")
    command = InsertObject(name="duck", words="a duck", above=group_named(doc, "swan").id)
    new_id = command.placeholder_id(doc)
    before = command.apply(doc)
    after = run(before, Verb.INSERT, [new_id])
    for name in ("swan", "flamingo"):
        assert pixels_of(group_named(after, name)) == pixels_of(group_named(doc, name))
    assert background(after).pixels is background(doc).pixels
    assert child(group_named(after, "duck"), Role.OBJECT).pixels.tiles
    assert after.scene.light == doc.scene.light


def pixels_of(layer: Layer) -> dict[LayerId, int]:
    """Identity of every raster inside: the very same grids, not only equal ones."""
    return {x.id: id(x.pixels) for x in tree.walk((layer,)) if isinstance(x, PixelLayer)}


def pinned_grids(doc: Document) -> dict[LayerId, TileGrid]:
    """The rasters that no run may touch: pinned or locked ones, and those of layers that are no part."""
    found: dict[LayerId, TileGrid] = {}
    for layer in doc.walk():
        if not isinstance(layer, PixelLayer):
            continue
        around: tuple[Layer, ...] = (*tree.ancestors(doc.layers, layer.id), layer)
        is_effect = layer.part is not None and layer.part.role in (Role.SHADOW, Role.REFLECTION)
        locked = any(x.props.locks & {Lock.PIXELS, Lock.ALL} for x in around)
        if (
            layer.part is None
            or locked
            or is_pinned(layer)
            or (not is_effect and any(map(is_pinned, around)))
        ):
            found[layer.id] = layer.pixels
    return found


BASE = generated("swan", "flamingo", "duck", "boat")
BASE = BASE.with_layers((*BASE.layers[:3], picture(), *BASE.layers[3:]))


@settings(max_examples=1000)
@given(st.data())
def test_kept_layers_are_byte_identical_after_any_request(data: st.DataObject) -> None:
    doc = BASE
    ids = [layer.id for layer in doc.walk()]
    pins = data.draw(st.frozensets(st.sampled_from(ids)))
    for layer_id in pins:
        if (layer := doc.layer(layer_id)).part is not None:
            doc = doc.with_layer(replace(layer, part=replace(layer.part, keep=True)))
    for layer_id in data.draw(st.frozensets(st.sampled_from(ids), max_size=2)):
        flag = data.draw(st.sampled_from([Lock.ALL, Lock.PIXELS, None]))
        props = doc.layer(layer_id).props
        changed = replace(props, visible=False) if flag is None else replace(props, locks=frozenset({flag}))
        doc = doc.with_layer(replace(doc.layer(layer_id), props=changed))
    verb = data.draw(st.sampled_from([verb for verb in Verb if verb is not Verb.SPLIT]))
    scope = plan_scope(doc, verb, data.draw(st.lists(st.sampled_from(ids), max_size=2)))
    if scope.problem() is not None:
        return
    seed = data.draw(st.integers(0, 2**32 - 1))
    request = build_request(doc, scope, run_id="r", seed=seed, engine="fake", sampling=FAST)
    result = run_inline(FakeEngine(), request)
    # Pins may also be set while the run is going.
    for layer_id in data.draw(st.frozensets(st.sampled_from(ids), max_size=2)):
        if (layer := doc.layer(layer_id)).part is not None:
            doc = doc.with_layer(replace(layer, part=replace(layer.part, keep=True)))
    before = pinned_grids(doc)
    bytes_before = {
        key: {at: tile.tobytes() for at, tile in grid.tiles.items()} for key, grid in before.items()
    }
    after = apply_result(doc, result)
    assert after.validate() == []
    for layer_id, grid in before.items():
        layer = after.layer(layer_id)
        assert isinstance(layer, PixelLayer)
        assert layer.pixels is grid
        assert {at: tile.tobytes() for at, tile in grid.tiles.items()} == bytes_before[layer_id]
