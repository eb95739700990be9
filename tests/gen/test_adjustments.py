"""Adjustment layers around and inside a scene: no part of it, carried unharmed through every verb."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core import tree
from psdstudio.core.adjustment_commands import AddAdjustment
from psdstudio.core.adjustments import Curves, HueSaturation, Invert, Posterize
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import AdjustmentLayer, LayerId, Role
from psdstudio.core.pixel_commands import AddMask
from psdstudio.gen.planning import Verb, apply_result, new_scene, plan_scope
from psdstudio.gen.scene_parts import read_scene
from tests.gen.asking import BASE, look_of, made, request_of
from tests.gen.scenes import background, child, group_named, plan_of, run

TOP, HUNG, INSIDE, GROUND = (LayerId(name) for name in ("top", "hung", "inside", "ground"))


def adjusted(doc: Document) -> Document:
    """One over everything, one clipped to the swan's look, a masked one in the flamingo, one clipped to the ground."""
    look = look_of(doc, "swan")
    grey = np.full((10, 10), 255, np.uint8)
    for command in (
        AddAdjustment(adjustment=Curves(), layer_id=TOP),
        AddAdjustment(adjustment=HueSaturation(hue=20), above=look.id, clipped=True, layer_id=HUNG),
        AddAdjustment(adjustment=Invert(), above=look_of(doc, "flamingo").id, clipped=True, layer_id=INSIDE),
        AddMask(layer_id=INSIDE, grey=grey, at=Point(4, 5)),
        AddAdjustment(adjustment=Posterize(), above=background(doc).id, clipped=True, layer_id=GROUND),
    ):
        doc = command.apply(doc)
    assert doc.validate() == []
    return doc


def below(doc: Document, layer_id: LayerId) -> LayerId:
    """The layer right below, to which a clipped one hangs."""
    siblings = tree.siblings_of(doc.layers, layer_id)
    return siblings[next(i for i, x in enumerate(siblings) if x.id == layer_id) - 1].id


DOC = adjusted(BASE)


def test_the_scene_is_read_as_if_they_were_not_there() -> None:
    with_them, without = read_scene(DOC), read_scene(BASE)
    assert [view.id for view in with_them.objects] == [view.id for view in without.objects]
    assert with_them.background == without.background
    for verb in (Verb.REGENERATE_FREE, Verb.GENERATE_SCENE):
        assert plan_scope(DOC, verb, ()) == plan_scope(BASE, verb, ())
    one, other = (request_of(doc, Verb.NEW_LOOK, "swan") for doc in (DOC, BASE))
    ground, plain = one.background.look, other.background.look
    assert ground is not None
    assert plain is not None
    assert np.array_equal(ground.rgba, plain.rgba)
    assert [part.id for part in one.objects] == [part.id for part in other.objects]
    scope = plan_scope(DOC, Verb.REGENERATE_LAYER, (TOP,))
    assert scope.problem() is not None


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        (Verb.REGENERATE_FREE, ()),
        (Verb.NEW_LOOK, ("swan",)),
        (Verb.SAME_OUTLINE, ("swan",)),
        (Verb.REFRESH_CONTACTS, ("swan",)),
        (Verb.REGENERATE_LAYER, ("flamingo", "background")),
    ],
)
def test_a_run_leaves_them_as_they_are(verb: Verb, names: tuple[str, ...]) -> None:
    ids = [background(DOC).id if name == "background" else group_named(DOC, name).id for name in names]
    after = run(DOC, verb, ids, seed=23)
    for layer_id in (TOP, HUNG, INSIDE, GROUND):
        assert after.layer(layer_id) is DOC.layer(layer_id)
        assert below(after, layer_id) == below(DOC, layer_id)
    if verb is Verb.NEW_LOOK:
        look = look_of(after, "swan")
        assert look.pixels is not look_of(DOC, "swan").pixels
        assert below(after, HUNG) == look.id
    assert after.validate() == []


def test_a_moved_object_takes_the_masks_of_its_adjustments_along() -> None:
    request = request_of(DOC, Verb.NEW_PLACE, "flamingo")
    result = made(request)
    after = apply_result(DOC, result)
    moved, still = after.layer(INSIDE), DOC.layer(INSIDE)
    assert isinstance(moved, AdjustmentLayer)
    assert moved.adjustment == Invert()
    assert moved.mask is not None
    assert still.mask is not None
    look_moved = child(group_named(after, "flamingo"), Role.OBJECT) != look_of(DOC, "flamingo")
    assert look_moved
    assert moved.mask != still.mask


def test_new_objects_do_not_come_between_the_ground_and_what_is_clipped_to_it() -> None:
    plan = plan_of("lantern", "swan", "flamingo")
    after = new_scene(DOC, plan)
    assert below(after, GROUND) == background(DOC).id
    assert group_named(after, "lantern") in after.layers
    assert after.layer(TOP) is DOC.layer(TOP)
    gone = new_scene(DOC, plan_of("swan"))
    # The flamingo has something of the user's inside, so it stays.
    assert gone.find(INSIDE) is not None


def test_an_adjustment_is_never_taken_for_the_background() -> None:
    bare = Document(size=Size(20, 20), layers=(replace(DOC.layer(TOP)),))
    view = read_scene(bare)
    assert view.background is None
    assert view.objects == ()
