"""The verbs on pixels that are there: what a request says is known, and what stays to the byte once accepted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.commands import SetBox
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Rect, Size
from psdstudio.core.layers import Lock, PixelLayer, Role
from psdstudio.core.pixel_commands import AddMask
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.core.session import Session
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import EngineProtocolError, StudioError
from psdstudio.gen.accepting import AcceptResult, acceptance_notes, apply_result
from psdstudio.gen.engine import needed_capabilities, refusal_of
from psdstudio.gen.fake import FakeEngine, FakeScript
from psdstudio.gen.planning import build_request, plan_scope
from psdstudio.gen.request import GenerationRequest, PartlyKnown
from psdstudio.gen.scene_parts import own_masks, read_scene, render_layer
from psdstudio.gen.verbs import Capability, Verb
from psdstudio.jobs.job import JobId
from psdstudio.jobs.wire import to_done, to_result
from tests.gen.asking import BASE, FULL_MASK, erased, look_of, made, masked, others, refusal, request_of
from tests.gen.scenes import CANVAS, FAST, background, child, generated, group_named, kept, picture

# ---- same outline


def test_same_outline_asks_for_colour_alone() -> None:
    request = request_of(BASE, Verb.SAME_OUTLINE, "swan")
    swan, flamingo = request.objects
    shown = render_layer(look_of(BASE, "swan"), ())
    assert swan.silhouette is not None
    assert shown is not None
    assert np.array_equal(swan.silhouette.rgba, shown.rgba)
    assert (swan.look, swan.partial, swan.effects_known) == (None, None, True)
    assert swan.box == BoxF.from_rect(shown.rect, CANVAS)
    assert flamingo.look is not None
    assert flamingo.effects_known
    assert request.background.look is not None
    assert request.light == BASE.scene.light
    assert needed_capabilities(request) == {Capability.SAME_OUTLINE}


@settings(max_examples=40)
@given(x=st.integers(-20, 96), y=st.integers(-20, 64), side=st.integers(1, 60), seed=st.integers(8, 99))
def test_same_outline_leaves_alpha_masks_and_all_else(x: int, y: int, side: int, seed: int) -> None:
    swan = look_of(BASE, "swan")
    doc = masked(BASE, swan, hidden=Rect(max(x, 0), max(y, 0), side, side))
    if render_layer(look_of(doc, "swan"), own_masks(look_of(doc, "swan"))) is None:
        with pytest.raises(StudioError, match="no visible pixel"):
            request_of(doc, Verb.SAME_OUTLINE, "swan", seed=seed)
        return
    request = request_of(doc, Verb.SAME_OUTLINE, "swan", seed=seed)
    after = apply_result(doc, made(request))
    old, new = look_of(doc, "swan"), look_of(after, "swan")
    box = layer_bounds(old)
    before_rgba, after_rgba = old.pixels.read(box), new.pixels.read(box)
    assert np.array_equal(before_rgba[..., 3], after_rgba[..., 3])
    assert (new.mask, new.offset, layer_bounds(new)) == (old.mask, old.offset, box)
    assert not np.array_equal(before_rgba, after_rgba)
    assert others(after, new.id) == others(doc, new.id)
    assert all(grid is others(doc)[key] for key, grid in others(after, new.id).items())


def test_an_object_moved_during_the_run_takes_its_new_colours_along() -> None:
    result = made(request_of(BASE, Verb.SAME_OUTLINE, "swan"))
    moved = TranslateLayers(ids=(group_named(BASE, "swan").id,), dx=5, dy=-3).apply(BASE)
    assert acceptance_notes(moved, result) == ()
    new, straight = look_of(apply_result(moved, result), "swan"), look_of(apply_result(BASE, result), "swan")
    assert layer_bounds(new) == layer_bounds(straight).shifted(5, -3)
    assert new.pixels == straight.pixels


def test_what_was_made_for_an_outline_that_changed_is_kept_aside() -> None:
    result = made(request_of(BASE, Verb.SAME_OUTLINE, "swan"))
    swan = look_of(BASE, "swan")
    bounds = layer_bounds(swan)
    doc = masked(BASE, swan, hidden=Rect(bounds.x, bounds.y, bounds.width, bounds.height // 2))
    (note,) = acceptance_notes(doc, result)
    assert "“swan” was changed" in note
    after = apply_result(doc, result)
    assert look_of(after, "swan").pixels is swan.pixels
    assert after.layers[-1].props.name == "Generated"
    assert not after.layers[-1].props.visible


# ---- new place


def test_new_place_asks_for_box_and_effects() -> None:
    request = request_of(BASE, Verb.NEW_PLACE, "swan")
    swan, flamingo = request.objects
    assert swan.look is not None
    assert (swan.box, swan.effects_known, swan.shadow) == (None, False, None)
    assert flamingo.effects_known
    assert flamingo.box is not None
    assert request.background.look is not None
    assert needed_capabilities(request) == {Capability.NEW_PLACE}


def test_new_place_moves_without_resampling_where_the_size_stays() -> None:
    old = look_of(BASE, "swan")
    bounds = layer_bounds(old)
    sizes = set()
    for seed in range(1, 14):
        result = made(request_of(BASE, Verb.NEW_PLACE, "swan", seed=seed))
        after = apply_result(BASE, result)
        new, group = look_of(after, "swan"), group_named(after, "swan")
        there = layer_bounds(new)
        if there.size == bounds.size:
            assert new.pixels is old.pixels
        assert group.part is not None
        assert group.part.box == BoxF.from_rect(there, CANVAS)
        assert not group.part.box_is_users
        assert not group.part.stale_contacts
        assert child(group, Role.SHADOW).pixels != child(group_named(BASE, "swan"), Role.SHADOW).pixels
        inside = {layer.id for layer in group.children}
        assert others(after, *inside) == others(BASE, *inside)
        target = next(part.box for part in result.objects if part.id == group.id).to_rect(CANVAS)
        assert max(abs(a - b) for a, b in zip(there, target, strict=True)) <= 1
        sizes.add(there.size == bounds.size)
    assert sizes == {True, False}


def test_a_box_drawn_by_the_user_gives_way_to_the_new_place() -> None:
    swan = group_named(BASE, "swan").id
    doc = SetBox(layer_id=swan, box=BoxF(0.1, 0.1, 0.3, 0.3)).apply(BASE)
    request = request_of(doc, Verb.NEW_PLACE, "swan")
    assert next(part.box for part in request.objects if part.id == swan) is None
    part = group_named(apply_result(doc, made(request)), "swan").part
    assert part is not None
    assert not part.box_is_users


def test_new_place_takes_masks_and_strokes_along_and_is_one_undo() -> None:
    group = group_named(BASE, "swan")
    bounds = layer_bounds(look_of(BASE, "swan"))
    doc = masked(
        BASE,
        look_of(BASE, "swan"),
        hidden=Rect(bounds.x, bounds.y, bounds.width, 2),
    )
    stroke = picture(name="stroke", at=bounds.origin, width=4, height=4)
    group = group_named(doc, "swan")
    doc = doc.with_layer(replace(group, children=(*group.children, stroke)))
    session = Session(doc)
    for seed in range(1, 14):
        result = made(request_of(doc, Verb.NEW_PLACE, "swan", seed=seed))
        session.apply(AcceptResult(result=result, label="New place"))
        after = session.document
        new = look_of(after, "swan")
        shown = render_layer(new, own_masks(new))
        target = next(part.box for part in result.objects if part.id == group.id).to_rect(CANVAS)
        assert shown is not None
        # A mask that changes its size has a soft rim, on either side of where it was hard.
        assert max(abs(a - b) for a, b in zip(shown.rect, target, strict=True)) <= 3
        assert Rect.intersection(layer_bounds(after.layer(stroke.id)), layer_bounds(new)).size != Size(0, 0)
        session.undo()
        assert session.document is doc


def test_an_object_kept_during_the_run_is_not_moved() -> None:
    result = made(request_of(BASE, Verb.NEW_PLACE, "swan"))
    doc = TranslateLayers(ids=(group_named(BASE, "swan").id,), dx=1, dy=0).apply(kept(BASE, "swan"))
    swan = group_named(doc, "swan").part
    assert swan is not None
    assert swan.stale_contacts
    (note,) = acceptance_notes(doc, result)
    assert "was not moved" in note
    after = apply_result(doc, result)
    assert others(after) == others(doc)
    assert layer_bounds(group_named(after, "swan")) == layer_bounds(group_named(doc, "swan"))
    still = group_named(after, "swan").part
    assert still is not None
    assert still.stale_contacts


def test_a_distorted_or_senseless_place_breaks_the_protocol() -> None:
    request = request_of(BASE, Verb.NEW_PLACE, "swan")
    done = to_done(JobId(0), made(request))
    for box in (BoxF(0, 0, 0.9, 0.1), BoxF(0, 0, float("nan"), 0.1), BoxF(0, 0, -0.2, 0.1)):
        objects = tuple(
            replace(part, box=box) if part.id == request.objects[0].id else part for part in done.objects
        )
        with pytest.raises(EngineProtocolError):
            to_result(replace(done, objects=objects), request)


def test_a_background_that_is_not_painted_yet_is_made_along_with_the_outline() -> None:
    ground = background(BASE)
    doc = BASE.with_layer(replace(ground, pixels=TileGrid()))
    scope = plan_scope(doc, Verb.SAME_OUTLINE, [group_named(doc, "swan").id])
    assert scope.button_text() == (
        "New look for swan, same outline, with a new background, contacts of flamingo refreshed"
    )
    request = request_of(doc, Verb.SAME_OUTLINE, "swan")
    assert request.background.look is None
    assert not any(part.effects_known for part in request.objects)


# ---- what is refused


def test_kept_parts_and_the_users_own_pictures_are_refused_in_words() -> None:
    doc = kept(erased(BASE, Rect(10, 12, 20, 9)), "background", "swan")
    swan = group_named(doc, "swan").id
    assert "kept" in refusal(doc, Verb.FILL_BEHIND).user_message
    for verb in (Verb.SAME_OUTLINE, Verb.NEW_PLACE, Verb.FILL_HIDDEN):
        assert "“swan” is kept" in refusal(doc, verb, swan).user_message
        assert "selected" in refusal(doc, verb).user_message
        assert "selected" in refusal(doc, verb, background(doc).id).user_message
    photo = picture()
    doc = BASE.with_layers((*BASE.layers, photo))
    for verb in (Verb.SAME_OUTLINE, Verb.NEW_PLACE, Verb.FILL_HIDDEN):
        assert "your own" in refusal(doc, verb, photo.id).user_message


def test_locked_transparency_stays_transparent() -> None:
    doc = erased(BASE, Rect(10, 12, 20, 9))
    locks = frozenset({Lock.TRANSPARENCY})
    doc = doc.with_layer(background(doc).with_props(locks=locks))
    assert refusal(doc, Verb.FILL_BEHIND).hint == "Unlock its transparency first."


def test_nothing_to_fill_is_said() -> None:
    assert "no transparent place" in refusal(BASE, Verb.FILL_BEHIND).user_message
    alone = generated("swan")
    swan = group_named(alone, "swan").id
    assert "covers “swan”" in refusal(alone, Verb.FILL_HIDDEN, swan).user_message


def test_an_object_with_a_locked_or_kept_layer_inside_stays_where_it_is() -> None:
    group = group_named(BASE, "swan")
    shadow = child(group, Role.SHADOW)
    assert shadow.part is not None
    pinned = BASE.with_layer(replace(shadow, part=replace(shadow.part, keep=True)))
    assert "“Shadow” of “swan” is kept" in refusal(pinned, Verb.NEW_PLACE, group.id).user_message
    locked = BASE.with_layer(replace(group, props=replace(group.props, locks=frozenset({Lock.POSITION}))))
    assert "locked against moving" in refusal(locked, Verb.NEW_PLACE, group.id).user_message


def test_an_engine_is_not_asked_for_what_it_cannot() -> None:
    request = request_of(BASE, Verb.NEW_PLACE, "swan")
    able = FakeEngine().info
    unable = FakeEngine(script=FakeScript(capabilities=frozenset({Capability.FILL}))).info
    assert refusal_of(request, able) is None
    fault = refusal_of(request, unable)
    assert fault is not None
    assert (
        fault.user_message
        == "The engine “Fake engine” cannot find another place for an object that is painted."
    )


# ---- any document


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_undo_gives_back_the_same_document_and_known_pixels_stay(data: st.DataObject) -> None:
    doc = BASE
    ids = [layer.id for layer in doc.walk()]
    front = data.draw(st.sampled_from([None, Rect(20, 20, 40, 40), Rect(0, 0, 96, 30)]))
    if front is not None:
        doc = doc.with_layers((*doc.layers, picture(width=front.width, height=front.height, at=front.origin)))
    if data.draw(st.booleans()):
        doc = erased(
            doc, Rect(data.draw(st.integers(0, 60)), 10, 30, 20), alpha=data.draw(st.integers(0, 254))
        )
    for layer_id in data.draw(st.frozensets(st.sampled_from(ids), max_size=2)):
        grey = FULL_MASK.copy()
        grey[:, data.draw(st.integers(0, 95)) :] = data.draw(st.sampled_from([0, 100]))
        doc = AddMask(layer_id=layer_id, grey=grey, at=Point(0, 0)).apply(doc)
    for layer_id in data.draw(st.frozensets(st.sampled_from(ids), max_size=1)):
        layer = doc.layer(layer_id)
        doc = doc.with_layer(replace(layer, props=replace(layer.props, visible=False)))
    verb = data.draw(st.sampled_from([Verb.SAME_OUTLINE, Verb.NEW_PLACE, Verb.FILL_BEHIND, Verb.FILL_HIDDEN]))
    scope = plan_scope(doc, verb, data.draw(st.lists(st.sampled_from(ids), max_size=2)))
    try:
        request = build_request(doc, scope, run_id="r", seed=4, engine="fake", sampling=FAST)
    except StudioError:
        return  # that a refusal is a sentence is tested on any document
    session = Session(doc)
    result = made(request)
    session.apply(AcceptResult(result=result))
    assert session.document.validate() == []
    assert acceptance_notes(doc, result) == ()
    assert not any(layer.props.name == "Generated" for layer in session.document.layers)
    _known_pixels_stay(session.document, request)
    session.undo()
    assert session.document is doc


def _known_pixels_stay(after: Document, request: GenerationRequest) -> None:
    partial: list[tuple[PixelLayer, PartlyKnown]] = []
    view = read_scene(after)
    if request.background.partial is not None:
        assert view.background is not None
        partial.append((view.background.layer, request.background.partial))
    for part in request.objects:
        item = next(item for item in view.objects if item.id == part.id)
        assert item.look is not None
        if part.partial is not None:
            partial.append((item.look, part.partial))
        if part.silhouette is not None:
            now = render_layer(item.look, item.masks)
            assert now is not None
            assert np.array_equal(now.rgba[..., 3], part.silhouette.rgba[..., 3])
    for layer, known in partial:
        now = render_layer(layer, own_masks(layer), known.raster.rect)
        assert now is not None
        assert np.array_equal(now.rgba[~known.unknown], known.raster.rgba[~known.unknown])
