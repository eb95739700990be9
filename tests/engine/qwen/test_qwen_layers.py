"""Which layer is which object, what is cut, and what lies behind: on layers made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine.pictures import opaque, to_tensor, to_u8
from psdstudio.engine.qwen.layers import SplitLayers, assigned, behind, clean_alpha, split_layers
from psdstudio.gen.request import ObjectPart, Raster
from tests.engine.qwen.tiny_qwen import flat_picture, part

pytestmark = pytest.mark.torch

SIDE = 32
CANVAS = Size(2 * SIDE, 2 * SIDE)


def disc(
    x: float, y: float, radius: float, colour: Sequence[float] = (1.0, 0.0, 0.0), *, soft: float = 1.0
) -> Tensor:
    """A layer (4, 32, 32) with one disc at a place in fractions."""
    rows, columns = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    far = ((columns / SIDE - x) ** 2 + (rows / SIDE - y) ** 2).sqrt() * SIDE
    alpha = ((radius * SIDE - far) / soft + 0.5).clamp(0, 1)
    return torch.cat([torch.tensor(colour)[:, None, None].expand(3, SIDE, SIDE), alpha[None]])


def ground(value: float = 0.5) -> Tensor:
    """An opaque backmost layer."""
    return torch.cat([torch.full((3, SIDE, SIDE), value), torch.ones(1, SIDE, SIDE)])


def around(x: float, y: float, radius: float) -> BoxF:
    """The box of a disc."""
    return BoxF(x - radius, y - radius, 2 * radius, 2 * radius)


def split(layers: Sequence[Tensor], parts: Sequence[ObjectPart], flat: Raster | None = None) -> SplitLayers:
    """Split a picture of blocks into these layers."""
    flat = flat or flat_picture(CANVAS)
    small = to_tensor(flat.rgba)[:3, ::2, ::2].contiguous()
    return split_layers(flat, small, layers, parts)


def stacked(made: SplitLayers) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A plain slow compositor in 0..255: shadows multiply, looks lie over."""
    out = made.background.rgba[..., :3].astype(np.float64)
    for one in made.objects:
        for raster in (one.shadow, one.look):
            if raster is None:
                continue
            r = raster.rect
            alpha = raster.rgba[..., 3:] / 255
            there = out[r.y : r.bottom, r.x : r.right]
            there[...] = there * (1 - alpha) + (0 if raster is one.shadow else raster.rgba[..., :3] * alpha)
    return out


@given(order=st.permutations([0, 1, 2, 3]), drawn=st.sets(st.integers(0, 3), min_size=3))
def test_drawn_boxes_find_their_layers_whatever_the_order(order: list[int], drawn: set[int]) -> None:
    places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    layers = [disc(*places[place], 0.2) for place in order]
    boxes = [around(*places[i], 0.2) if i in drawn else None for i in range(4)]
    # Three boxes leave one layer for the fourth object.
    assert assigned(boxes, layers) == tuple(order.index(i) for i in range(4))


def test_without_boxes_the_order_of_the_layers_counts() -> None:
    layers = [disc(0.3, 0.5, 0.2), disc(0.6, 0.5, 0.2), disc(0.9, 0.5, 0.05)]
    assert assigned([None, None, None], layers) == (0, 1, 2)
    assert assigned([], []) == ()
    outside = BoxF(2.0, 2.0, 0.1, 0.1)
    assert assigned([outside, None, None], layers) == (0, 1, 2)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), count=st.integers(0, 4))
def test_any_layers_give_the_picture_back(seed: int, count: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    layers = [torch.rand(4, SIDE, SIDE, generator=rng) for _ in range(count + 1)]
    flat = flat_picture(CANVAS, seed)
    made = split(layers, [part(f"thing {i}") for i in range(count)], flat)
    assert np.abs(np.rint(stacked(made)) - flat.rgba[..., :3]).max() <= 1
    assert (made.background.rgba[..., 3] == 255).all()


def test_objects_keep_their_outline_at_the_size_of_the_canvas() -> None:
    made = split([ground(), disc(0.5, 0.5, 0.25)], [part("ball")])
    look = made.objects[0].look
    grown = Rect(14, 14, 36, 36)
    assert grown.union(look.rect) == grown, "no faint veil around it"
    assert abs(float(look.rgba[..., 3].sum()) / 255 / (np.pi * 16**2) - 1) < 0.05
    (box,) = made.boxes
    assert abs(box.width - 0.5) < 0.05 and abs(box.x - 0.25) < 0.05


def test_faint_alpha_is_none_and_nearly_full_is_full() -> None:
    layer = ground(0.3)
    layer[3] = torch.linspace(0, 1, SIDE)[None]
    alpha = clean_alpha(layer)[3]
    assert float(alpha[0, 1]) == 0 and float(alpha[0, -2]) == 1
    assert ((alpha[0, 1:] - alpha[0, :-1]) >= 0).all()


def test_an_object_that_was_not_found_is_empty_and_said() -> None:
    clear = ground()
    clear[3] = 0.02
    made = split(
        [ground(), clear, disc(0.5, 0.5, 0.2)], [part("ghost", BoxF(0.1, 0.2, 0.3, 0.3)), part("ball")]
    )
    assert not made.objects[0].look.rgba[..., 3].any()
    assert made.objects[1].look.rgba[..., 3].any()
    assert made.boxes[0] == BoxF(0.1, 0.2, 0.3, 0.3)
    assert any("“ghost”" in note for note in made.notes)
    assert not any("“ball”" in note for note in made.notes)


def test_an_object_asked_for_behind_another_that_it_hides_in_the_picture_cuts_it() -> None:
    big, small = disc(0.5, 0.5, 0.4), disc(0.5, 0.5, 0.15)
    # In the picture the small one is in front; the document has it at the back.
    parts = [part("small", around(0.5, 0.5, 0.15)), part("big", around(0.5, 0.5, 0.4))]
    made = split([ground(), big, small], parts)
    middle = made.objects[1].look
    assert middle.rgba[CANVAS.height // 2 - middle.rect.y, CANVAS.width // 2 - middle.rect.x, 3] == 0
    assert "“small” stands in front of “big”" in made.notes[0]
    flat = flat_picture(CANVAS)
    assert np.abs(np.rint(stacked(made)) - flat.rgba[..., :3]).max() <= 1
    assert not split([ground(), small, big], parts).notes, "in order nothing is cut"


def test_the_background_is_the_picture_and_behind_objects_what_was_painted() -> None:
    picture = torch.full((3, SIDE, SIDE), 0.4)
    look = disc(0.5, 0.5, 0.25)
    picture = picture * (1 - look[3]) + look[:3] * look[3]
    made = behind(picture, ground(0.4), [look])
    assert torch.allclose(made, torch.full_like(made, 0.4), atol=0.02)
    hole = ground(0.4)
    hole[3] = 1 - look[3]
    assert torch.allclose(behind(picture, hole, [look]), made, atol=0.02), "a hole takes the colour around it"
    nothing = ground(0.9)
    nothing[3] = 0
    assert torch.allclose(behind(picture, nothing, [look]), made, atol=0.02), "the picture goes on"
    seen = look[3] == 0
    assert torch.equal(made[:, seen], picture[:, seen])


def test_a_shadow_in_the_layer_becomes_a_layer_of_its_own_and_the_picture_comes_back() -> None:
    side = 128
    rows, columns = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")

    def oval(x: float, y: float, across: float, down: float, soft: float) -> Tensor:
        far = (((columns - x) / across) ** 2 + ((rows - y) / down) ** 2).sqrt()
        return ((1 - far) / soft + 0.5).clamp(0, 1)

    body, cast = oval(64, 50, 22, 34, 0.04), 0.55 * oval(70, 86, 34, 9, 0.9)
    alpha = body + cast * (1 - body)
    colour = torch.tensor([0.8, 0.2, 0.1])[:, None, None] * (body / alpha.clamp(min=1e-3))
    layer = torch.cat([colour, alpha[None]])
    ground = torch.full((3, side, side), 0.7)
    picture = ground * (1 - alpha) + colour * alpha
    flat = Raster(rgba=to_u8(opaque(picture)), rect=Rect(0, 0, side, side))
    made = split_layers(flat, picture, [opaque(ground), layer], [part("vase")])
    (vase,) = made.objects
    assert vase.shadow is not None
    assert not vase.shadow.rgba[..., :3].any(), "black, to be multiplied"
    lowest = vase.look.rect.bottom
    assert lowest <= 88, "the shadow is no part of the look"
    assert np.abs(np.rint(stacked(made)) - flat.rgba[..., :3]).max() <= 1
    seen = made.background.rgba[..., :3] / 255
    assert np.abs(seen - 0.7).max() < 0.1, "nor of the background"
