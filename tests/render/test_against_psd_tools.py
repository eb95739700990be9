"""Whole random documents against psd-tools' compositor, within 1/255 where that one follows Photoshop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psd_tools.composite import composite

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point
from psdstudio.core.layers import BlendMode, Layer
from psdstudio.render.blend import SPECIAL_EIGHT
from psdstudio.render.compositor import Compositor, render_over
from tests.render.documents import CANVAS, SMOOTH_MODES, group_layer, noise, pixel_layer, to_psd, trees

PLAIN_FILL_MODES = tuple(mode for mode in SMOOTH_MODES if mode not in SPECIAL_EIGHT)


def assert_as_psd_tools(layers: tuple[Layer, ...]) -> None:
    """Compare alpha, and colour as it shows on black and on white: within 1/255 of theirs, rounded as ours
    is.
    """
    doc = Document(size=CANVAS, layers=layers)
    color, _, alpha = composite(to_psd(doc), viewport=(0, 0, *CANVAS))
    theirs = np.floor(np.concatenate([color, alpha], axis=2) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    ours = Compositor(threads=1).render(doc)
    np.testing.assert_allclose(ours[..., 3].astype(int), theirs[..., 3], atol=1)
    for matte in ((0, 0, 0), (255, 255, 255)):
        np.testing.assert_allclose(render_over(ours, matte).astype(int), render_over(theirs, matte), atol=1)


@pytest.mark.parametrize("mode", SMOOTH_MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("backdrop", ["opaque", "soft"])
def test_one_layer_of_a_mode_on_another(mode: BlendMode, backdrop: str) -> None:
    below = pixel_layer(noise(1, *CANVAS, alpha=backdrop))
    above = pixel_layer(noise(2, 20, 20), Point(3, -2), blend_mode=mode, opacity=180)
    assert_as_psd_tools((below, above))


@pytest.mark.parametrize("mode", [BlendMode.DARKER_COLOR, BlendMode.LIGHTER_COLOR, BlendMode.HARD_MIX])
def test_one_layer_of_a_deciding_mode_on_an_opaque_one(mode: BlendMode) -> None:
    below = pixel_layer(noise(1, *CANVAS, alpha="opaque"))
    assert_as_psd_tools((below, pixel_layer(noise(2, 20, 20), Point(3, -2), blend_mode=mode)))


def _is_comparable(layers: tuple[Layer, ...]) -> bool:
    """Leave out what psd-tools does otherwise than Photoshop, or than its own reading of a file would."""
    base: Layer | None = None
    for layer in layers:
        if layer.props.clipping:
            # On a soft base psd-tools lets the clipped colour show through the base's transparency.
            if base is None or not _is_hard(base):
                return False
        else:
            base = layer
        children: Any = getattr(layer, "children", None)
        if children is not None and not _is_comparable(children):
            return False
    return True


def _is_hard(layer: Layer) -> bool:
    pixels = getattr(layer, "pixels", None)
    return pixels is not None and all(
        bool(np.isin(tile[..., 3], (0, 255)).all()) for tile in pixels.tiles.values()
    )


@settings(max_examples=60)
@given(trees(modes=PLAIN_FILL_MODES).filter(_is_comparable))
def test_random_documents(layers: tuple[Layer, ...]) -> None:
    assert_as_psd_tools(layers)


@pytest.mark.parametrize("opacity", [255, 120])
@pytest.mark.parametrize("mode", [BlendMode.PASS_THROUGH, BlendMode.NORMAL, BlendMode.MULTIPLY])
def test_groups_over_a_soft_backdrop(mode: BlendMode, opacity: int) -> None:
    below = pixel_layer(noise(5, *CANVAS))
    children = [
        pixel_layer(noise(6, 18, 18), blend_mode=BlendMode.SCREEN),
        pixel_layer(noise(7, 18, 12), Point(4, 4), blend_mode=BlendMode.MULTIPLY, opacity=200),
    ]
    assert_as_psd_tools((below, group_layer(*children, blend_mode=mode, opacity=opacity)))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(PLAIN_FILL_MODES))
def test_a_clipped_layer_on_a_hard_edged_base(seed: int, mode: BlendMode) -> None:
    assert_as_psd_tools(
        (
            pixel_layer(noise(seed, *CANVAS, alpha="soft")),
            pixel_layer(
                noise(seed + 1, 16, 16, alpha="hard"), Point(2, 2), blend_mode=BlendMode.MULTIPLY, opacity=190
            ),
            pixel_layer(noise(seed + 2, 20, 12), Point(-3, 4), blend_mode=mode, clipping=True),
            pixel_layer(
                noise(seed + 3, 9, 9), Point(6, 6), blend_mode=BlendMode.NORMAL, clipping=True, opacity=99
            ),
        )
    )


def test_a_layer_clipped_to_a_pass_through_group() -> None:
    group = group_layer(
        pixel_layer(noise(2, 16, 16, alpha="hard"), blend_mode=BlendMode.LINEAR_DODGE, opacity=255),
        blend_mode=BlendMode.PASS_THROUGH,
        opacity=200,
    )
    clipped = pixel_layer(noise(3, 20, 20), Point(1, 1), clipping=True, blend_mode=BlendMode.MULTIPLY)
    assert_as_psd_tools((pixel_layer(noise(1, *CANVAS, alpha="opaque")), group, clipped))
