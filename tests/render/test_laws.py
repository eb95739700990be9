"""Laws of the compositor on random documents: parts, hidden layers, groups, offsets, and the cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core import tree
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, Mask, PixelLayer
from psdstudio.render.compositor import Compositor
from tests.adjustments import ADJUSTMENTS
from tests.render.documents import CANVAS, LAYER_MODES, group_layer, noise, pixel_layer, pixel_layers, trees

SEAM = Point(246, 248)
"""Puts the small test layers across the corner of four tiles."""


def at_seam(layers: tuple[Layer, ...], by: Point = SEAM) -> tuple[Layer, ...]:
    """The same layers and masks, shifted."""
    out: list[Layer] = []
    for layer in layers:
        mask = layer.mask
        if mask is not None:
            mask = replace(mask, offset=mask.offset.shifted(*by))
        if isinstance(layer, GroupLayer):
            out.append(replace(layer, mask=mask, children=at_seam(layer.children, by)))
        elif isinstance(layer, AdjustmentLayer):
            out.append(replace(layer, mask=mask))
        else:
            out.append(replace(layer, mask=mask, offset=layer.offset.shifted(*by)))
    return tuple(out)


def fresh(layers: tuple[Layer, ...], rect: Rect) -> np.ndarray:
    """The picture by a compositor that has seen nothing."""
    return Compositor(threads=1).render_layers(layers, rect)


WHOLE = Rect(SEAM.x - 20, SEAM.y - 20, 70, 70)


@settings(max_examples=40)
@given(
    trees(adjustments=True).map(at_seam),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 70),
    st.integers(1, 70),
)
def test_a_part_equals_the_same_part_of_the_whole(
    layers: tuple[Layer, ...], x: int, y: int, width: int, height: int
) -> None:
    part = Rect(WHOLE.x + x, WHOLE.y + y, width, height).intersection(WHOLE)
    whole = fresh(layers, WHOLE)
    crop = whole[part.y - WHOLE.y : part.bottom - WHOLE.y, part.x - WHOLE.x : part.right - WHOLE.x]
    np.testing.assert_array_equal(fresh(layers, part), crop)


@settings(max_examples=40)
@given(trees(clipping=False, adjustments=True).map(at_seam))
def test_hiding_a_layer_is_removing_it(layers: tuple[Layer, ...]) -> None:
    for layer in tree.walk(layers):
        hidden = tree.replaced(layers, layer.with_props(visible=False))
        np.testing.assert_array_equal(fresh(hidden, WHOLE), fresh(tree.removed(layers, layer.id), WHOLE))


@settings(max_examples=25)
@given(pixel_layers(clipping=False), pixel_layers(clipping=True), pixel_layers(clipping=False))
def test_a_hidden_base_hides_what_is_clipped_to_it(
    base: PixelLayer, clipped: PixelLayer, below: PixelLayer
) -> None:
    hidden = base.with_props(visible=False)
    np.testing.assert_array_equal(
        fresh((below, hidden, clipped), Rect(0, 0, 30, 30)), fresh((below,), Rect(0, 0, 30, 30))
    )


@settings(max_examples=40)
@given(trees().map(at_seam), pixel_layers(modes=(BlendMode.NORMAL,), clipping=False))
def test_an_isolated_normal_group_of_one_layer_is_the_layer(
    below: tuple[Layer, ...], layer: PixelLayer
) -> None:
    (layer,) = at_seam((layer,))  # type: ignore[assignment]  # a pixel layer stays one
    group = group_layer(layer, blend_mode=BlendMode.NORMAL)
    np.testing.assert_array_equal(fresh((*below, group), WHOLE), fresh((*below, layer), WHOLE))


@settings(max_examples=25)
@given(trees(adjustments=True).map(at_seam), trees(clipping=False, adjustments=True).map(at_seam))
def test_a_plain_pass_through_group_is_its_children(
    below: tuple[Layer, ...], inner: tuple[Layer, ...]
) -> None:
    group = group_layer(*inner, blend_mode=BlendMode.PASS_THROUGH)
    np.testing.assert_array_equal(fresh((*below, group), WHOLE), fresh((*below, *inner), WHOLE))


@settings(max_examples=40)
@given(
    # Dissolve belongs to the canvas: its grain does not move with the layer.
    trees(modes=tuple(mode for mode in LAYER_MODES if mode is not BlendMode.DISSOLVE), adjustments=True),
    st.integers(-700, 700),
    st.integers(-700, 700),
)
def test_moving_everything_moves_the_picture(layers: tuple[Layer, ...], dx: int, dy: int) -> None:
    here = fresh(layers, Rect(-20, -20, 70, 70))
    there = fresh(at_seam(layers, Point(dx, dy)), Rect(dx - 20, dy - 20, 70, 70))
    np.testing.assert_array_equal(there, here)


@settings(max_examples=30)
@given(
    pixel_layers(modes=(BlendMode.MULTIPLY,), clipping=False), st.integers(-300, 300), st.integers(-300, 300)
)
def test_it_does_not_matter_how_offset_and_grid_share_a_position(layer: PixelLayer, dx: int, dy: int) -> None:
    """Pixels written elsewhere in the grid, with an offset that undoes it, are the same picture."""
    box = Rect(0, 0, 30, 30)
    moved = replace(layer, offset=layer.offset.shifted(-dx, -dy))
    moved = replace(moved, pixels=type(layer.pixels)().write(Point(dx, dy), layer.pixels.read(box)))
    np.testing.assert_array_equal(fresh((moved,), box), fresh((layer,), box))


@st.composite
def edits(draw: st.DrawFn, doc: Document) -> Document:
    """One random edit of a document: pixels, a property, an offset, a mask, the order, removal, a new layer."""
    everything = list(doc.walk())
    kind = draw(st.sampled_from(["new", "pixels", "props", "move", "mask", "order", "remove", "adjust"]))
    if not everything or kind == "new":
        (new,) = at_seam((draw(pixel_layers()),))
        return doc.with_layers(tree.inserted(doc.layers, new, parent=None, index=draw(st.integers(0, 9))))
    layer = draw(st.sampled_from(everything))
    if kind == "remove":
        return doc.with_layers(tree.removed(doc.layers, layer.id))
    if kind == "order":
        return doc.with_layers(tuple(draw(st.permutations(doc.layers))))
    if kind == "mask":
        (masked,) = at_seam((draw(pixel_layers()),))
        mask: Mask | None = masked.mask
        return doc.with_layer(replace(layer, mask=mask))
    if kind == "pixels" and isinstance(layer, PixelLayer):
        patch = noise(draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
        at = Point(draw(st.integers(-5, 20)), draw(st.integers(-5, 20)))
        return doc.with_layer(replace(layer, pixels=layer.pixels.write(at, patch)))
    if kind == "move" and isinstance(layer, PixelLayer):
        step = draw(st.integers(-9, 9)), draw(st.integers(-9, 9))
        return doc.with_layer(replace(layer, offset=layer.offset.shifted(*step)))
    if kind == "adjust" and isinstance(layer, AdjustmentLayer):
        return doc.with_layer(replace(layer, adjustment=draw(ADJUSTMENTS)))
    modes = (*LAYER_MODES, BlendMode.PASS_THROUGH) if isinstance(layer, GroupLayer) else LAYER_MODES
    return doc.with_layer(
        layer.with_props(
            opacity=draw(st.sampled_from([0, 100, 255])),
            fill=draw(st.sampled_from([60, 255])),
            blend_mode=draw(st.sampled_from(modes)),
            visible=draw(st.booleans()),
        )
    )


@settings(max_examples=30)
@given(st.data())
def test_the_cache_never_serves_what_is_gone(data: st.DataObject) -> None:
    """After every random edit and undo, a compositor with a past shows what one without a past shows."""
    doc = Document(size=CANVAS, layers=at_seam(data.draw(trees(adjustments=True))))
    # Two megabytes: some tiles are dropped and computed again on the way.
    old = Compositor(threads=1, budget_bytes=data.draw(st.sampled_from([0, 2 << 20, 64 << 20])))
    past = [doc]
    for _ in range(data.draw(st.integers(1, 6))):
        undo = len(past) > 1 and data.draw(st.booleans())
        doc = data.draw(st.sampled_from(past)) if undo else data.draw(edits(doc))
        past.append(doc)
        np.testing.assert_array_equal(old.render(doc, WHOLE), fresh(doc.layers, WHOLE))
        old.thumbnail(doc.layers[0] if doc.layers else doc, 8)


def test_threads_change_nothing() -> None:
    layers = tuple(
        pixel_layer(noise(seed, 900, 800), Point(-37 * seed, 11 * seed), blend_mode=mode, opacity=200)
        for seed, mode in enumerate(
            [BlendMode.NORMAL, BlendMode.MULTIPLY, BlendMode.OVERLAY, BlendMode.DISSOLVE]
        )
    )
    doc = Document(size=Size(900, 800), layers=layers)
    one, two = (Compositor(threads=count).render(doc) for count in (1, 2))
    np.testing.assert_array_equal(one, two)
