"""Clicking through adjustment layers."""

from __future__ import annotations

import numpy as np

from psdstudio.core.adjustments import Invert
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import AdjustmentLayer, LayerProps, Mask
from psdstudio.core.tiles import TileGrid
from psdstudio.tools.hit import layer_at
from tests.strategies import solid_layer


def test_a_click_goes_through_to_the_picture_below() -> None:
    below = solid_layer("below", Rect(0, 0, 20, 20))
    doc = Document(
        size=Size(20, 20),
        layers=(below, AdjustmentLayer(props=LayerProps(name="negative"), adjustment=Invert())),
    )
    assert layer_at(doc, 5, 5) is below


def test_what_is_clipped_to_one_is_hit_where_that_works() -> None:
    below = solid_layer("below", Rect(0, 0, 20, 20))
    left = Mask(pixels=TileGrid.from_array(np.full((20, 10), 255, np.uint8)))
    negative = AdjustmentLayer(props=LayerProps(name="negative"), adjustment=Invert(), mask=left)
    clipped = solid_layer("clipped", Rect(0, 0, 20, 20)).with_props(clipping=True)
    doc = Document(size=Size(20, 20), layers=(below, negative, clipped))
    assert layer_at(doc, 5, 5) is clipped
    assert layer_at(doc, 15, 5) is below
