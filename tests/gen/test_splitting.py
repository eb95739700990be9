"""Splitting a flat picture: the request shows all of it, the stack gives it back, the original stays hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.commands import Sequence, SetBox
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Size
from psdstudio.core.layers import GroupLayer, LayerProps, PixelLayer
from psdstudio.core.session import Session
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import CommandError, PromptError
from psdstudio.gen.engine import needed_capabilities
from psdstudio.gen.planning import AcceptResult, apply_result, build_request, plan_scope
from psdstudio.gen.request import GenerationRequest
from psdstudio.gen.splitting import flat_picture, split_scene
from psdstudio.gen.verbs import Capability, Verb
from psdstudio.render.compositor import Compositor
from psdstudio.ui.generate.draft import Draft, DraftLayer
from psdstudio.ui.generate.run import PlanSplit
from tests.gen.asking import made
from tests.gen.scenes import FAST, generated, kept, picture, plan_of
from tests.strategies import documents


def photo(size: Size = Size(96, 64)) -> Document:
    """A document that is one flat picture."""
    rgba = np.full((size.height, size.width, 4), 255, np.uint8)
    rgba[..., 0] = np.linspace(0, 255, size.width).astype(np.uint8)
    rgba[..., 1] = np.linspace(0, 255, size.height).astype(np.uint8)[:, None]
    layer = PixelLayer(props=LayerProps(name="holiday"), pixels=TileGrid.from_array(rgba))
    return Document(size=size, layers=(layer,))


def seen(doc: Document) -> np.ndarray:
    """What the document shows."""
    return Compositor(threads=1).render(doc)


def split_request(doc: Document, planned: Document) -> GenerationRequest:
    """The request that splits what `doc` shows."""
    scope = plan_scope(planned, Verb.SPLIT)
    shown = flat_picture(doc, seen(doc))
    return build_request(planned, scope, run_id="s", seed=2, engine="fake", sampling=FAST, picture=shown)


def test_everything_is_free_boxes_are_known_where_they_were_drawn_and_the_picture_is_shown() -> None:
    doc = photo()
    planned, ids = split_scene(doc, plan_of("fox", "lantern", background="snow"), prompt="a fox")
    box = BoxF(0.1, 0.3, 0.2, 0.4)
    planned = SetBox(layer_id=ids[0], box=box).apply(planned)
    assert plan_scope(planned, Verb.SPLIT).button_text() == "Split into 3 layers: fox, lantern and background"
    request = split_request(doc, planned)
    assert request.picture is not None
    assert np.array_equal(request.picture.rgba, seen(doc))
    assert request.picture.rect == doc.canvas
    assert [part.box for part in request.objects] == [box, None]
    assert [part.id for part in request.objects] == list(ids)
    assert request.known_ids == frozenset()
    assert not any(part.effects_known or part.use_library for part in request.objects)
    assert (request.light, request.background.look) == (None, None)
    assert needed_capabilities(request) == {Capability.SPLIT}


def test_the_stack_gives_the_picture_back_and_the_original_is_hidden_on_top() -> None:
    doc = photo()
    planned, _ = split_scene(doc, plan_of("fox", "lantern"), prompt="a fox and a lantern")
    after = apply_result(planned, made(split_request(doc, planned)))
    assert after.validate() == []
    assert [layer.props.name for layer in after.layers] == ["Background", "fox", "lantern", "Original"]
    original = after.layers[-1]
    assert isinstance(original, PixelLayer)
    assert isinstance(doc.layers[0], PixelLayer)
    assert (original.props.visible, original.part) == (False, None)
    assert original.pixels is doc.layers[0].pixels
    assert np.abs(seen(after).astype(int) - seen(doc)).max() <= 1


def test_splitting_is_one_step_of_undo_and_the_next_run_leaves_the_original_alone() -> None:
    doc = photo()
    draft = Draft(objects=(DraftLayer(name="fox", words="a fox", key="a fox"),))
    plan = PlanSplit(draft=draft, prompt="a fox")
    session = Session(doc)
    result = made(split_request(doc, plan.apply(doc)))
    command = Sequence(label="Split into layers", commands=(plan, AcceptResult(result=result)))
    session.apply(command)
    after = session.document
    scope = plan_scope(after, Verb.REGENERATE_FREE)
    assert [part.name for part in scope.objects] == ["fox"]
    assert scope.button_text() == "Regenerate scene, 2 layers"
    session.undo()
    assert session.document is doc


def test_transparency_becomes_white() -> None:
    doc = Document(size=Size(40, 30), layers=(picture(at=Point(0, 0)),))
    shown = flat_picture(doc, seen(doc)).rgba
    assert (shown[..., 3] == 255).all()
    assert tuple(shown[29, 39]) == (255, 255, 255, 255)
    assert tuple(shown[0, 0]) == (200, 10, 30, 255)


def test_a_scene_with_kept_layers_can_be_split_and_keeps_every_tile() -> None:
    doc = kept(generated("swan", "flamingo"), "swan", "background")
    planned, _ = split_scene(doc, plan_of("boat"))
    after = apply_result(planned, made(split_request(doc, planned)))
    original = after.layers[-1]
    assert isinstance(original, GroupLayer)
    assert not original.props.visible
    before = {x.id: x.pixels for x in doc.walk() if isinstance(x, PixelLayer)}
    still = {x.id: x.pixels for x in after.walk() if isinstance(x, PixelLayer)}
    assert all(still[key] is grid for key, grid in before.items())
    assert [layer.props.name for layer in after.layers] == ["Background", "boat", "Original"]


def test_a_clipped_picture_is_not_clipped_to_the_layers_below_it() -> None:
    only = picture(at=Point(0, 0)).with_props(clipping=True)
    planned, _ = split_scene(Document(size=Size(40, 30), layers=(only,)), plan_of("fox"))
    assert [layer.props.name for layer in planned.layers] == ["Background", "fox", "Original"]
    assert not planned.layers[-1].props.visible


@settings(max_examples=40)
@given(documents(), st.lists(st.sampled_from(["fox", "lantern", "boat"]), max_size=7))
def test_any_document_is_split_soundly_or_refused(doc: Document, names: list[str]) -> None:
    if not doc.layers:
        with pytest.raises(CommandError, match="no picture"):
            split_scene(doc, plan_of(*names))
        return
    if not 1 <= len(names) <= 6:
        with pytest.raises(PromptError):
            split_scene(doc, plan_of(*names))
        return
    planned, ids = split_scene(doc, plan_of(*names))
    assert planned.validate() == []
    assert len(ids) == len(names)
    grids = [x.pixels for x in doc.walk() if isinstance(x, PixelLayer)]
    assert {id(grid) for grid in grids} <= {id(x.pixels) for x in planned.walk() if isinstance(x, PixelLayer)}
    assert not planned.layers[-1].props.visible
    assert not seen(planned)[..., 3].any()
    scope = plan_scope(planned, Verb.SPLIT)
    assert scope.problem() is None
    assert {part.id for part in scope.objects} == set(ids)


def test_what_shows_nothing_cannot_be_split() -> None:
    doc = photo()
    hidden = doc.with_layer(doc.layers[0].with_props(visible=False))
    with pytest.raises(CommandError, match="no picture to split"):
        flat_picture(hidden, seen(hidden))
