"""What leaves the photoreal engine: layers on the document's canvas, and never a kept one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Light
from psdstudio.engine.sdxl.delivery import PaintedScene, deliver, part_count, previews
from psdstudio.engine.sdxl.pacing import PreviewPace
from psdstudio.engine.sdxl.rasters import box_of, masked_by, trimmed_raster, whole
from psdstudio.errors import EngineProtocolError
from psdstudio.gen.request import GenerationRequest, GenerationResult, PartlyKnown, Raster
from tests.engine.sdxl import drawn
from tests.engine.toys import kept, part, request

pytestmark = pytest.mark.torch
N = 128
BALL, BACK = LayerId("ball"), LayerId("background")


def scene(looks: dict[LayerId, Tensor] | None = None, n: int = N) -> PaintedScene:
    """Painted rows: a ball with its shadow, unless others are given, and flat pictures."""
    return PaintedScene(
        composite=torch.full((3, n, n), 0.5),
        background=torch.full((3, n, n), 0.25),
        looks={BALL: drawn.ball(n)[0]} if looks is None else looks,
    )


def result_of(asked: GenerationRequest, painted: PaintedScene) -> GenerationResult:
    """Run the delivery to its end and check what it reports on the way."""
    running = deliver(asked, painted, "sha")
    counted: list[int] = []
    while True:
        try:
            counted.append(next(running))
        except StopIteration as stop:
            assert counted == list(range(1, part_count(asked) + 1))
            value: GenerationResult = stop.value
            return value


def on_canvas(raster: Raster, size: Size) -> np.ndarray:
    out = np.zeros((size.height, size.width, 4), np.uint8)
    inside = raster.rect.intersection(whole(size))
    y, x = inside.y - raster.rect.y, inside.x - raster.rect.x
    out[inside.y : inside.bottom, inside.x : inside.right] = raster.rgba[
        y : y + inside.height, x : x + inside.width
    ]
    return out


@pytest.mark.parametrize("size", [Size(128, 128), Size(300, 300), Size(77, 90)])
def test_a_ball_becomes_a_look_and_a_shadow_on_the_canvas(size: Size) -> None:
    result = result_of(request([part("ball")], size=size), scene())
    made = result.objects[0]
    assert made.look is not None and made.shadow is not None and made.reflection is None and made.effects_made
    assert made.box.x == pytest.approx(0.17, abs=0.02) and made.box.height == pytest.approx(0.5, abs=0.03)
    assert made.look.rect.x == pytest.approx(0.17 * size.width, abs=3)
    assert made.look.native_size is not None and 60 < made.look.native_size.width < 70
    assert not made.shadow.rgba[..., :3].any(), "a shadow is black"
    shadow = on_canvas(made.shadow, size)[..., 3]
    assert shadow[int(0.78 * size.height), int(0.6 * size.width)] > 100
    assert shadow[int(0.3 * size.height)].max() == 0
    assert result.background is not None and result.background.rect == whole(size)
    assert (result.background.rgba == (64, 64, 64, 255)).all()
    assert result.composite.rgba.shape == (N, N, 4)
    assert result.notes == ()


def test_a_delivered_look_lies_where_it_was_painted() -> None:
    """Sub-pixel exact: the centre of mass is the same fraction of any canvas."""
    rgba, _ = drawn.ball(N, shadow=0)
    for size in (Size(128, 128), Size(401, 399), Size(50, 63)):
        look = trimmed_raster(rgba, size)
        assert look is not None
        alpha = on_canvas(look, size)[..., 3].astype(float)
        x = (alpha.sum(0) * (np.arange(size.width) + 0.5)).sum() / alpha.sum() / size.width
        y = (alpha.sum(1) * (np.arange(size.height) + 0.5)).sum() / alpha.sum() / size.height
        assert (x, y) == pytest.approx((0.42, 0.52), abs=2e-3)


def test_edges_have_the_objects_colour() -> None:
    size = Size(300, 300)
    look = result_of(request([part("ball")], size=size), scene()).objects[0].look
    assert look is not None
    soft = (look.rgba[..., 3] > 10) & (look.rgba[..., 3] < 245)
    assert np.median(look.rgba[..., 0][soft]) > 150
    assert np.median(look.rgba[..., 1][soft]) < 90


def test_kept_layers_are_never_in_a_result() -> None:
    size = Size(64, 48)
    ground = Raster(rgba=np.full((48, 64, 4), 255, np.uint8), rect=Rect(0, 0, 64, 48))
    asked = request([kept("swan", Rect(4, 4, 20, 20), size), part("ball")], size=size, background=ground)
    result = result_of(asked, replace(scene(), background=None))
    assert result.background is None
    assert result.objects[0].look is None and result.objects[0].shadow is None
    assert not result.objects[0].effects_made
    assert result.objects[1].look is not None


def test_a_kept_object_whose_contacts_were_to_be_new_is_told_of() -> None:
    size = Size(64, 48)
    asked = request([kept("swan", Rect(4, 4, 20, 20), size, effects_known=False), part("ball")], size=size)
    assert ["kept and so is its shadow" in note for note in result_of(asked, scene()).notes] == [True]


def test_a_shadow_does_not_fall_on_what_stands_behind() -> None:
    size = Size(128, 128)
    wall = kept("wall", Rect(70, 0, 58, 128), size)
    assert wall.look is not None
    wall.look.rgba[..., 3] = 255
    made = result_of(request([wall, part("ball")], size=size), scene()).objects[1]
    assert made.shadow is not None
    assert made.shadow.rect.right <= 70
    free = result_of(request([part("ball"), wall], size=size), scene()).objects[0]
    assert free.shadow is not None and free.shadow.rect.right > 90, "what stands in front masks nothing"


def test_frozen_effects_stay_and_the_new_look_still_has_no_shadow() -> None:
    size = Size(128, 128)
    made = result_of(request([part("ball", effects_known=True)], size=size), scene()).objects[0]
    assert made.shadow is None and not made.effects_made
    assert made.look is not None
    assert made.look.rect.bottom <= 104


@pytest.mark.parametrize(("alpha", "said"), [(0.0, "came out empty"), (1.0, "not cut out")])
def test_empty_and_full_layers_are_delivered_and_told_of(alpha: float, said: str) -> None:
    rgba = torch.full((4, N, N), 0.5)
    rgba[3] = alpha
    result = result_of(request([part("ball")]), scene({BALL: rgba}))
    assert result.objects[0].look is not None
    assert len(result.notes) == 1 and said in result.notes[0] and "“ball”" in result.notes[0]


def test_a_silhouette_is_kept_to_the_byte_and_so_is_its_shadow() -> None:
    size = Size(90, 80)
    rng = np.random.default_rng(3)
    outline = Raster(rgba=rng.integers(0, 256, (30, 40, 4), dtype=np.uint8), rect=Rect(20, 25, 40, 30))
    asked = request([part("ball", silhouette=outline, box=BoxF(0.2, 0.3, 0.4, 0.4))], size=size)
    for rgba in (drawn.ball(N, shadow=0)[0], torch.zeros(4, N, N)):
        made = result_of(asked, scene({BALL: rgba})).objects[0]
        assert made.look is not None and (made.look.rgba[..., 3] == outline.rgba[..., 3]).all()
        assert not made.effects_made


def test_known_pixels_of_a_partly_known_look_and_background_stay() -> None:
    size = Size(90, 80)
    rng = np.random.default_rng(4)
    unknown = np.zeros((30, 40), bool)
    unknown[10:20, 10:20] = True
    own = PartlyKnown(
        raster=Raster(rgba=rng.integers(0, 256, (30, 40, 4), dtype=np.uint8), rect=Rect(20, 25, 40, 30)),
        unknown=unknown,
    )
    asked = request([part("ball", partial=own, box=BoxF(0.2, 0.3, 0.4, 0.4))], size=size)
    hole = np.zeros((80, 90), bool)
    hole[5:40, 5:40] = True
    ground = rng.integers(0, 256, (80, 90, 4), dtype=np.uint8)
    ground[..., 3] = 255
    plate = PartlyKnown(raster=Raster(rgba=ground, rect=whole(size)), unknown=hole)
    asked = replace(asked, background=replace(asked.background, partial=plate))
    result = result_of(asked, scene())  # GenerationResult itself refuses changed pixels
    assert result.background is not None and own.kept_in(result.objects[0].look)


def test_the_light_is_that_of_the_shadow_unless_one_is_asked_for() -> None:
    assert abs(result_of(request([part("ball")]), scene()).light.azimuth_deg) < 60
    asked = Light(azimuth_deg=-100, elevation_deg=20, softness=0.1, horizon=0.3)
    assert result_of(replace(request([part("ball")]), light=asked), scene()).light == asked


def test_an_object_off_its_box_is_told_of() -> None:
    far = request([part("ball", box=BoxF(0.8, 0.0, 0.2, 0.2))])
    assert ["does not stand" in note for note in result_of(far, scene()).notes] == [True]
    near = request([part("ball", box=BoxF(0.2, 0.3, 0.5, 0.5))])
    assert result_of(near, scene()).notes == ()


def test_what_was_not_painted_is_an_error() -> None:
    with pytest.raises(EngineProtocolError, match="was not painted"):
        result_of(request([part("ball")]), scene({}))
    with pytest.raises(EngineProtocolError, match="was not painted"):
        result_of(request([part("ball")]), replace(scene(), background=None))


def test_a_kept_look_in_a_new_place_takes_the_box_of_the_layout() -> None:
    look = Raster(rgba=np.full((10, 10, 4), 255, np.uint8), rect=Rect(0, 0, 10, 10))
    asked = request([part("swan", look=look), part("ball")])
    with pytest.raises(EngineProtocolError, match="where the kept look"):
        result_of(asked, scene())
    there = BoxF(0.5, 0.5, 0.2, 0.2)
    assert result_of(asked, replace(scene(), boxes={LayerId("swan"): there})).objects[0].box == there


def test_previews_show_free_rows_alone() -> None:
    size = Size(64, 48)
    asked = request([kept("swan", Rect(4, 4, 20, 20), size), part("ball")], size=size)
    rasters, composite = previews(asked, scene())
    assert [key for key, _ in rasters] == [asked.background.id, BALL]
    assert all(raster.rect == whole(size) and raster.rgba.shape == (N, N, 4) for _, raster in rasters)
    assert composite.native_size == Size(N, N)


def test_the_box_of_a_faint_thing_is_not_empty() -> None:
    glass = torch.full((4, N, N), 0.9)
    glass[3] = 0.05 * drawn.disc(N, 0.5, 0.5, 0.2, 0.2)
    box = box_of(glass)
    assert box is not None and box.width == pytest.approx(0.4, abs=0.03)
    assert box_of(torch.zeros(4, N, N)) is None


def test_an_effect_behind_a_full_cover_is_nothing() -> None:
    dark = Raster(rgba=np.full((8, 8, 4), 200, np.uint8), rect=Rect(4, 4, 8, 8))
    cover = Raster(rgba=np.full((20, 20, 4), 255, np.uint8), rect=Rect(0, 0, 20, 20))
    assert masked_by(dark, [cover]) is None
    assert masked_by(dark, []) is not None


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0.001, 2.0), st.floats(0.001, 1.0)), min_size=20, max_size=60))
def test_previews_are_at_most_five_a_second_and_a_quarter_of_the_time(
    steps: list[tuple[float, float]],
) -> None:
    clock = Clock()
    pace = PreviewPace(clock)
    shown: list[float] = []
    worst = 0.0
    for step_s, preview_s in steps:
        clock.now += step_s
        if pace.is_due():
            shown.append(clock.now)
            with pace.making():
                clock.now += preview_s
            # A preview may be as much slower than those before it as it likes; this one is not known in advance.
            worst = max(worst, preview_s)
    assert all(b - a >= 0.2 - 1e-9 for a, b in pairwise(shown))
    assert pace.spent_s <= 0.25 * (clock.now - 100.0) + worst
    assert shown, "a run has a preview"
