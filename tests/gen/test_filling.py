"""Filling: holes, what lies behind, what is covered; known pixels stay to the byte."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.geometry import BoxF, Point, Rect
from psdstudio.core.pixel_commands import AddMask, SetMask
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.gen.accepting import acceptance_notes, apply_result
from psdstudio.gen.engine import needed_capabilities
from psdstudio.gen.filling import grown, has_holes
from psdstudio.gen.planning import plan_scope
from psdstudio.gen.scene_parts import own_masks, render_layer
from psdstudio.gen.verbs import Capability, Verb
from tests.gen.asking import BASE, erased, look_of, made, masked, others, request_of
from tests.gen.scenes import CANVAS, background, generated, group_named, picture


def test_holes_of_the_background_are_filled_and_nothing_else() -> None:
    hole = Rect(10, 12, 20, 9)
    doc = erased(BASE, hole)
    scope = plan_scope(doc, Verb.FILL_BEHIND, [group_named(doc, "swan").id])
    assert scope.button_text() == "Fill the transparent part of the background"
    request = request_of(doc, Verb.FILL_BEHIND)
    known = request.background.partial
    assert known is not None
    assert request.background.look is None
    assert int(known.unknown.sum()) == hole.width * hole.height
    assert all(part.look is not None and part.effects_known for part in request.objects)
    assert request.light == doc.scene.light
    assert needed_capabilities(request) == {Capability.FILL}
    after = apply_result(doc, made(request))
    rgba = background(after).pixels.read(after.canvas)
    assert (rgba[..., 3] == 255).all()
    assert np.array_equal(rgba[~known.unknown], known.raster.rgba[~known.unknown])
    assert others(after, background(doc).id) == others(doc, background(doc).id)
    assert not any(group.part and group.part.stale_contacts for group in after.layers)


def test_a_masked_hole_is_opened_and_a_soft_rim_keeps_its_colour() -> None:
    doc = masked(BASE, background(BASE), hidden=Rect(0, 0, 8, 8))
    doc = erased(doc, Rect(40, 40, 4, 4), alpha=128)
    request = request_of(doc, Verb.FILL_BEHIND)
    after = apply_result(doc, made(request))
    layer = background(after)
    shown = render_layer(layer, own_masks(layer), after.canvas)
    assert shown is not None
    assert (shown.rgba[..., 3] == 255).all()
    result = made(request).background
    assert result is not None
    own, new, mixed = (
        x[40, 40, :3].astype(int) for x in (background(doc).pixels.read(doc.canvas), result.rgba, shown.rgba)
    )
    assert np.abs(mixed - (own * 128 + new * 127) / 255).max() <= 1


def test_without_holes_what_lies_behind_the_selection_is_filled() -> None:
    scope = plan_scope(BASE, Verb.FILL_BEHIND, [group_named(BASE, "swan").id])
    assert scope.button_text() == "Fill the background behind swan"
    known = request_of(BASE, Verb.FILL_BEHIND, "swan").background.partial
    assert known is not None
    look = render_layer(look_of(BASE, "swan"), ())
    assert look is not None
    for (y, x), alpha in np.ndenumerate(look.rgba[..., 3]):
        at = Point(look.rect.x + x, look.rect.y + y)
        if alpha and 0 <= at.x < CANVAS.width and 0 <= at.y < CANVAS.height:
            assert known.unknown[at.y, at.x]
    assert known.unknown.sum() < CANVAS.width * CANVAS.height / 2


def test_the_covered_part_of_an_object_is_filled() -> None:
    alone = generated("swan")
    swan = group_named(alone, "swan")
    bounds = layer_bounds(look_of(alone, "swan"))
    front = picture(
        name="fence", width=bounds.width // 2, height=bounds.height + 40, at=bounds.origin.shifted(0, 4)
    )
    doc = alone.with_layers((*alone.layers, front))
    assert plan_scope(doc, Verb.FILL_HIDDEN, [swan.id]).button_text() == "Fill the hidden part of swan"
    request = request_of(doc, Verb.FILL_HIDDEN, "swan")
    part = next(part for part in request.objects if part.id == swan.id)
    known = part.partial
    assert known is not None
    assert part.effects_known
    assert part.box == BoxF.from_rect(known.raster.rect, CANVAS)
    assert bounds.intersection(known.raster.rect) == bounds
    assert request.background.look is not None
    covered = layer_bounds(front).shifted(-known.raster.rect.x, -known.raster.rect.y)
    ys, xs = np.nonzero(known.unknown)
    assert covered.x <= xs.min() <= xs.max() < covered.right
    assert covered.y <= ys.min() <= ys.max() < covered.bottom
    after = apply_result(doc, made(request))
    new = render_layer(look_of(after, "swan"), (), known.raster.rect)
    assert new is not None
    assert np.array_equal(new.rgba[~known.unknown], known.raster.rgba[~known.unknown])
    assert (new.rgba[known.unknown][:, 3] == 255).all()
    assert others(after, look_of(doc, "swan").id) == others(doc, look_of(doc, "swan").id)


def test_filling_leaves_what_a_mask_hides_elsewhere() -> None:
    alone = generated("swan")
    bounds = layer_bounds(look_of(alone, "swan"))
    half = Rect(bounds.x, bounds.y, bounds.width, bounds.height // 2)
    doc = masked(alone, look_of(alone, "swan"), hidden=half)
    front = picture(
        name="fence", width=3, height=bounds.height, at=bounds.origin.shifted(bounds.width // 2, 0)
    )
    doc = doc.with_layers((*doc.layers, front))
    request = request_of(doc, Verb.FILL_HIDDEN, "swan")
    known = request.objects[0].partial
    assert known is not None
    after = apply_result(doc, made(request))
    old, new = (look_of(x, "swan") for x in (doc, after))
    rect = known.raster.rect
    assert np.array_equal(old.pixels.read(rect)[~known.unknown], new.pixels.read(rect)[~known.unknown])
    assert old.mask is not None
    assert new.mask is not None
    shown = new.mask.pixels.read(rect)[..., 0]
    assert (shown[known.unknown] == 255).all()
    assert np.array_equal(shown[~known.unknown], old.mask.pixels.read(rect)[..., 0][~known.unknown])


def test_a_background_changed_during_the_run_is_not_touched() -> None:
    doc = erased(BASE, Rect(10, 12, 20, 9))
    result = made(request_of(doc, Verb.FILL_BEHIND))
    moved = TranslateLayers(ids=(background(doc).id,), dx=3, dy=0).apply(doc)
    (note,) = acceptance_notes(moved, result)
    assert "The background was changed" in note
    assert background(apply_result(moved, result)).pixels is background(moved).pixels


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 4), st.data())
def test_growing_is_the_maximum_over_a_square(h: int, w: int, radius: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=h * w, max_size=h * w))
    shape = np.array(bits, np.bool_).reshape(h, w)
    padded = np.pad(shape, radius)
    wanted = [
        [padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1].any() for x in range(w)] for y in range(h)
    ]
    assert np.array_equal(grown(shape, radius), np.array(wanted))


@settings(max_examples=60)
@given(
    dx=st.integers(-3, 3),
    alpha=st.none() | st.integers(0, 255),
    grey=st.none() | st.integers(0, 255),
    enabled=st.booleans(),
)
def test_the_menu_knows_of_holes_when_there_are_some(
    dx: int, alpha: int | None, grey: int | None, enabled: bool
) -> None:
    doc = TranslateLayers(ids=(background(BASE).id,), dx=dx, dy=0).apply(BASE)
    if alpha is not None:
        doc = erased(doc, Rect(40, 30, 2, 2), alpha=alpha)
    if grey is not None:
        shown = np.full((CANVAS.height, CANVAS.width), grey, np.uint8)
        doc = AddMask(layer_id=background(doc).id, grey=shown, at=Point(0, 0)).apply(doc)
        doc = SetMask(layer_id=background(doc).id, enabled=enabled).apply(doc)
    scope = plan_scope(doc, Verb.FILL_BEHIND)
    assert has_holes(doc, background(doc)) == (scope.problem() is None)
    assert scope.fills_holes == (scope.problem() is None)
