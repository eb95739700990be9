"""What leaves the engine: whole objects without fringes, effects on the ground and behind what stands there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine import frames
from psdstudio.engine.conditions import SceneRows, Words
from psdstudio.engine.delivery import MOST_GROUNDED, Painted, clean_alpha, deliver, grounded, part_count
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.feed import SceneFeed
from psdstudio.engine.pictures import frame_rect, pad_colour, rect_frame, resized_u8
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectPart, Raster
from tests.engine.toys import part, request, toy_parts

pytestmark = pytest.mark.torch
SIZE = Size(100, 80)
PX = 32


def painted(asked: GenerationRequest, look: torch.Tensor, effect: torch.Tensor) -> Painted:
    """A finished prediction in 0..1 for every free row of a request whose boxes are all known."""
    aspect = SIZE.width / SIZE.height
    boxes = torch.tensor(
        [[p.box.x * aspect, p.box.y, p.box.width * aspect, p.box.height] for p in asked.objects if p.box]
    )
    free = [i for i, p in enumerate(asked.objects) if p.look is None]
    moved = [i for i, p in enumerate(asked.objects) if not p.effects_known]
    rows = {
        "canvas": torch.zeros(1, 2, 3, 32, 40),
        "effect": effect.expand(1, len(moved), *effect.shape) * 2 - 1,
    }
    if free:
        rows["look"] = look.expand(1, len(free), *look.shape) * 2 - 1
    kept = toy_parts(boxes[None], aspect, canvas=(32, 40), px=PX, there=False)
    scene = SceneRows([], [], SceneFeed(kept, free, moved), boxes, aspect, (32, 40), [None] * len(boxes))
    said = (torch.zeros(16, 384), torch.zeros(16, dtype=torch.bool))
    return Painted(scene, rows, torch.zeros(1, 6), Words([said] * len(asked.objects), said, said))


def delivered(asked: GenerationRequest, prediction: Painted) -> GenerationResult:
    """The result with parts that are only resized, and the law that every part is told once."""
    finishing = deliver(asked, prediction, doubled, "0")
    told: list[int] = []
    result: GenerationResult | None = None
    while result is None:
        try:
            told.append(next(finishing))
        except StopIteration as stop:
            result = stop.value
    assert told == list(range(1, part_count(prediction) + 1))
    return result


def doubled(picture: torch.Tensor, words: torch.Tensor, wanted: tuple[int, int]) -> torch.Tensor:
    """An enlargement without a network."""
    assert words.shape == (384,)
    assert min(wanted) > 0
    return torch.nn.functional.interpolate(picture[None], scale_factor=2, mode="bilinear")[0]


def solid(colour: tuple[float, float, float] = (1, 0, 0)) -> torch.Tensor:
    """A look whose crop is full of one colour."""
    return torch.tensor([*colour, 1.0])[:, None, None].expand(4, PX, PX).clone()


def full_effects() -> torch.Tensor:
    """A shadow and a reflection that fill their frames."""
    return torch.ones(5, PX // 2, PX // 2)


def alpha_on_canvas(raster: Raster) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    out = np.zeros((SIZE.height, SIZE.width), np.uint8)
    part_of = raster.rect.intersection(Rect(0, 0, *SIZE))
    y, x = part_of.y - raster.rect.y, part_of.x - raster.rect.x
    out[part_of.y : part_of.bottom, part_of.x : part_of.right] = raster.rgba[
        y : y + part_of.height, x : x + part_of.width, 3
    ]
    return out


@pytest.mark.parametrize("behind_is_kept", [True, False])
def test_effects_are_hidden_where_an_object_stands_behind(behind_is_kept: bool) -> None:
    boxes = [BoxF(0.1, 0.35, 0.3, 0.5), BoxF(0.3, 0.2, 0.3, 0.6)]
    parts: list[ObjectPart] = [part("behind", box=boxes[0]), part("front", box=boxes[1])]
    if behind_is_kept:
        rgba = np.full((40, 30, 4), 255, np.uint8)
        rgba[:, 15:, 3] = 128
        parts[0] = replace(parts[0], look=Raster(rgba=rgba, rect=Rect(10, 28, 30, 40)))
    asked = request(parts, size=SIZE)
    result = delivered(asked, painted(asked, solid(), full_effects()))
    behind = parts[0].look or result.objects[0].look
    front = result.objects[1]
    assert behind is not None
    cover = alpha_on_canvas(behind)
    for effect in (front.shadow, front.reflection):
        assert effect is not None
        alpha = alpha_on_canvas(effect).astype(int)
        inside = alpha_on_canvas(replace(effect, rgba=np.full_like(effect.rgba, 255))) > 0
        assert (inside & (cover == 255)).any() or effect is not front.shadow
        assert not alpha[inside & (cover == 255)].any()
        assert (alpha[inside & (cover == 0)] == 255).all()
        soft = inside & (cover == 128)
        assert np.abs(alpha[soft] - 127).max(initial=0) <= 1
        assert soft.any() or not behind_is_kept
    own = result.objects[0].shadow
    assert own is not None
    assert alpha_on_canvas(own).max() == 255, "nobody stands behind the last one"


def test_a_shadow_is_black_and_faint_effects_are_none() -> None:
    asked = request([part("swan", box=BoxF(0.3, 0.3, 0.3, 0.4))], size=SIZE)
    made = delivered(asked, painted(asked, solid(), full_effects())).objects[0]
    assert made.shadow is not None
    assert not made.shadow.rgba[..., :3].any()
    faint = delivered(asked, painted(asked, solid(), full_effects() * 0.02)).objects[0]
    assert (faint.shadow, faint.reflection) == (None, None)
    assert faint.effects_made


def test_effects_are_cut_to_what_is_seen_of_them() -> None:
    """A veil of one or two of 255 would stretch the frame that the user sees around the object."""
    asked = request([replace(part("swan"), box=BoxF(0.4, 0.2, 0.2, 0.4))], size=SIZE)
    effect = torch.zeros(5, PX // 2, PX // 2)
    effect[0] = 0.035
    effect[0, 6:10, 7:9] = 0.6
    shadow = delivered(asked, painted(asked, solid(), effect)).objects[0].shadow
    assert shadow is not None
    whole = frame_rect(frames.shadow_frame(torch.tensor([0.5, 0.2, 0.25, 0.4])), SIZE)
    assert shadow.rect.width < whole.width / 2
    alpha = shadow.rgba[..., 3]
    assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
    assert alpha[alpha > 0].min() >= 3


def test_hidden_colour_never_reaches_the_edge() -> None:
    # Red disc, bright green wherever it is transparent: what a network may well leave there.
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, PX), torch.linspace(-1, 1, PX), indexing="ij")
    alpha = ((0.6 - torch.hypot(xs, ys)) * 8).clamp(0, 1)
    look = torch.stack([alpha, (alpha < 0.1).float(), torch.zeros_like(alpha), alpha])
    look[0][alpha >= 0.1] = 1
    asked = request([part("disc", box=BoxF(0.1, 0.1, 0.7, 0.8))], size=SIZE)
    made = delivered(asked, painted(asked, look, full_effects())).objects[0].look
    assert made is not None
    rgba = made.rgba.astype(int)
    shown = rgba[..., 3] > 8
    assert shown.any()
    assert rgba[shown][:, 1].max() <= 40, "green shines through the edge"
    for matte in (0, 255):
        over = rgba[..., :3] * rgba[..., 3:] / 255 + matte * (1 - rgba[..., 3:] / 255)
        clean = np.array([255, 0, 0]) * rgba[..., 3:] / 255 + matte * (1 - rgba[..., 3:] / 255)
        assert np.abs(over - clean).max() <= 12


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_padded_colour_is_the_sure_one_and_never_a_new_one(height: int, width: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    alpha = (torch.rand(1, 1, height, width, generator=rng) > 0.6).float()
    colour = torch.rand(1, 3, 1, 1, generator=rng).expand(1, 3, height, width)
    padded = pad_colour(torch.cat([colour * alpha, alpha], dim=1))
    torch.testing.assert_close(padded[:, 3:], alpha)
    if alpha.any():
        torch.testing.assert_close(padded[:, :3], colour.clone(), atol=2e-3, rtol=0)
    assert padded.isfinite().all()


def test_clean_alpha_reaches_both_ends() -> None:
    alpha = clean_alpha(torch.linspace(0, 1, 101))
    assert float(alpha[3]) == 0
    assert float(alpha[97]) == 1
    assert (alpha.diff() >= 0).all()


@settings(max_examples=60)
@given(
    st.integers(-300, 300),
    st.integers(-300, 300),
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 3000),
)
def test_pixels_and_frames_are_inverse(x: int, y: int, width: int, height: int, side: int) -> None:
    rect = Rect(x, y, width, height)
    assert frame_rect(rect_frame(rect, Size(side, side))[0], Size(side, side)) == rect


@settings(max_examples=60)
@given(st.integers(5, 600), st.integers(5, 600), st.integers(1, 40), st.integers(1, 40))
def test_a_resampled_ramp_stays_where_it_is(height: int, width: int, rows: int, columns: int) -> None:
    """Shrinking by any factor, odd sizes too, must not shift: the middle of a linear ramp keeps its value."""
    ramp = (torch.arange(width) + 0.5) / width
    image = ramp.expand(1, 1, height, width)
    frame = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    inner = torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    made = frames.resample(image, frame, inner, (rows, columns))[0, 0]
    wanted = 0.25 + 0.5 * (torch.arange(columns) + 0.5) / columns
    coarse = max(1.0, 0.5 * width / columns, 0.5 * height / rows)
    # A picture of a row or two fades towards the nothing outside it even in its middle.
    if min(width, height) > 4 * coarse:
        assert float((made[rows // 2] - wanted).abs().max()) <= 0.75 * coarse / width + 1e-3


def test_resizing_rounds_and_keeps_its_ends() -> None:
    flat = torch.full((4, 7, 9), 0.5)
    assert (resized_u8(flat, 31, 5) == 128).all()
    step = torch.cat([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)], dim=2)
    big = resized_u8(step, 64, 8)
    assert big.min() == 0
    assert big.max() == 255
    assert big.shape == (8, 64, 1)


def test_light_of_a_result_can_be_read_back(engine: EmbeddedEngine) -> None:
    from psdstudio.engine.conditions import light_units, light_value
    from psdstudio.jobs.inline import run_inline

    light = run_inline(engine, request([part("swan")])).light
    again = light_value(light_units(light))
    assert again.azimuth_deg == pytest.approx(light.azimuth_deg, abs=1e-3)
    assert again.elevation_deg == pytest.approx(light.elevation_deg, abs=1e-3)
    assert again.horizon == pytest.approx(light.horizon, abs=1e-3)


@settings(max_examples=80)
@given(st.tuples(*[st.floats(0.05, 1.5) for _ in range(4)]), st.floats(0.2, 5))
def test_boxes_survive_layout_units(box: tuple[float, float, float, float], aspect: float) -> None:
    units = frames.encode_box(torch.tensor(box), torch.tensor(aspect))
    torch.testing.assert_close(
        frames.decode_box(units, torch.tensor(aspect)), torch.tensor(box), atol=1e-4, rtol=1e-3
    )


@given(missing=st.integers(-12, 12), height=st.integers(20, 60))
def test_a_look_is_put_on_its_ground_line_unless_it_is_far_from_it(missing: int, height: int) -> None:
    size = Size(100, 100)
    box = torch.tensor([0.2, 0.1, 0.4, height / 100])
    rgba = np.zeros((height + 30, 40, 4), np.uint8)
    rgba[10 : 10 + height] = 255
    # The lower edge of what is painted lies `missing` pixels above that of the box.
    look = Raster(rgba=rgba, rect=Rect(20, 0 - missing, 40, height + 30))
    made = grounded(look, box, size)
    assert made.rgba is look.rgba, "only its place changes"
    far = abs(missing) > MOST_GROUNDED * height
    assert made.rect.y == (look.rect.y if far else look.rect.y + missing)
    assert made.rect.x == look.rect.x


def test_what_has_no_lower_edge_stays() -> None:
    faint = Raster(rgba=np.full((10, 10, 4), 60, np.uint8), rect=Rect(0, 0, 10, 10))
    assert grounded(faint, torch.tensor([0.0, 0.0, 0.5, 0.5]), Size(40, 40)) is faint
