"""Dirty rectangles against the compositor: what lies outside them looks the same before and after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psdstudio.core.changes import Change, Origin
from psdstudio.core.commands import Command, SetProps, SetWords
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import GroupLayer, LayerProps
from psdstudio.core.pixel_commands import WritePixels
from psdstudio.core.structure_commands import DeleteLayers, InsertLayer, MoveLayers
from psdstudio.core.tiles import tile_rect
from psdstudio.errors import CommandError
from psdstudio.render.compositor import Compositor
from tests.strategies import commands, documents, scene_document, solid_layer


@given(documents(), st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_nothing_changes_outside_the_dirty_rects(doc: Document, data: st.DataObject) -> None:
    try:
        after = data.draw(commands(doc)).apply(doc)
    except CommandError:
        return
    if after.size != doc.size:
        return
    compositor = Compositor(threads=1)
    differs = (compositor.render(doc) != compositor.render(after)).any(axis=2)
    for rect in Change(doc, after, Origin.USER, "").dirty:
        differs[rect.y : rect.bottom, rect.x : rect.right] = False
    assert not differs.any()


def test_one_dab_makes_one_tile_dirty() -> None:
    layer = solid_layer("a", Rect(0, 0, 1024, 1024))
    doc = Document(size=Size(1024, 1024), layers=(layer,))
    dab = np.full((3, 3, 4), 1, np.uint8)
    after = WritePixels(layer_id=layer.id, at=Point(600, 300), rgba=dab).apply(doc)
    change = Change(doc, after, Origin.USER, "")
    assert change.dirty == (tile_rect((2, 1)),)
    assert change.edited == {layer.id}
    assert not change.is_structural


def test_words_dirty_nothing() -> None:
    doc = scene_document(("swan", Rect(9, 9, 50, 50)))
    change = Change(doc, SetWords(layer_id=doc.layers[1].id, words="a goose").apply(doc), Origin.USER, "")
    assert change.edited
    assert change.dirty == ()


def test_a_row_dragged_over_many_is_the_only_one_moved() -> None:
    layers = tuple(solid_layer(str(n), Rect(0, 0, 5, 5)) for n in range(6))
    group = GroupLayer(props=LayerProps(name="g"))
    doc = Document(size=Size(9, 9), layers=(*layers, group))
    for parent in (None, group.id):
        after = MoveLayers(ids=(layers[0].id,), parent=parent, index=5).apply(doc)
        assert Change(doc, after, Origin.USER, "").moved == {layers[0].id}


def test_opening_a_group_dirties_nothing() -> None:
    doc = scene_document(("swan", Rect(9, 9, 50, 50)))
    after = SetProps(ids=(doc.layers[1].id,), expanded=False, locks=frozenset()).apply(doc)
    assert Change(doc, after, Origin.USER, "").edited == {doc.layers[1].id}
    assert Change(doc, after, Origin.USER, "").dirty == ()


@pytest.mark.parametrize("edit", ["delete the base", "release the base", "insert a base"])
def test_a_clipped_layer_that_gets_another_base_is_dirty(edit: str) -> None:
    """What shows then is where the new base is, far from the layer that was edited."""
    floor = solid_layer("floor", Rect(60, 60, 30, 30), (9, 200, 9, 255))
    base = solid_layer("base", Rect(5, 5, 20, 20))
    clipped = solid_layer("clipped", Rect(0, 0, 99, 99), (250, 250, 9, 255)).with_props(clipping=True)
    lower = base.with_props(clipping=edit == "release the base")
    layers = (floor, clipped) if edit == "insert a base" else (floor, lower, clipped)
    doc = Document(size=Size(99, 99), layers=layers)
    command: Command
    if edit == "insert a base":
        command = InsertLayer(layer=base, index=1)
    elif edit == "delete the base":
        command = DeleteLayers(ids=(base.id,))
    else:
        command = SetProps(ids=(base.id,), clipping=False)
    after = command.apply(doc)
    compositor = Compositor(threads=1)
    differs = (compositor.render(doc) != compositor.render(after)).any(axis=2)
    assert differs[70, 70]
    for rect in Change(doc, after, Origin.USER, "").dirty:
        differs[rect.y : rect.bottom, rect.x : rect.right] = False
    assert not differs.any()
