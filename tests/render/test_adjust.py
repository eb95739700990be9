"""Adjustment layers in the compositor: what they change, what they must not, and which arithmetic they use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.adjustments import (
    TITLES,
    Adjustment,
    BlackAndWhite,
    BrightnessContrast,
    ChannelMixer,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    MixerRow,
    Posterize,
    Threshold,
    is_identity,
)
from psdstudio.core.changes import Change, Origin
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import AdjustmentLayer, BlendMode, Layer, LayerProps, Mask
from psdstudio.errors import CommandError
from psdstudio.render.adjust import adjusted, channel_tables
from psdstudio.render.compositor import Compositor
from tests.adjustments import ADJUSTMENTS
from tests.render.documents import group_layer, mask_of, noise, pixel_layer, pixel_layers, trees
from tests.render.test_laws import WHOLE, at_seam, fresh
from tests.strategies import commands, documents

BOX = Rect(0, 0, 24, 20)
PLAIN = (
    BrightnessContrast(), BrightnessContrast(legacy=True), Levels(), Curves(), Exposure(), HueSaturation(),
    ChannelMixer(),
    Curves(red=Curve(((0, 0), (80, 80), (255, 255)))),
)  # fmt: skip


def layer_of(adjustment: Adjustment, *, mask: Mask | None = None, **props: object) -> AdjustmentLayer:
    """An adjustment layer."""
    made = AdjustmentLayer(props=LayerProps(name="adjustment"), adjustment=adjustment, mask=mask)
    return made.with_props(**props)


def planes(rgb: np.ndarray) -> np.ndarray:
    """(h, w, 3) bytes as (3, h, w) float32 0..1."""
    return np.asarray(np.moveaxis(rgb, -1, 0) / np.float32(255), np.float32)


def bytes_of(colour: np.ndarray) -> np.ndarray:
    """(3, h, w) 0..1 as (h, w, 3) bytes, rounded half up."""
    return np.asarray(np.floor(np.moveaxis(colour, 0, -1) * np.float32(255) + np.float32(0.5)), np.uint8)


# ---- what is changed and what is not


@settings(max_examples=25)
@given(trees(adjustments=True).map(at_seam), ADJUSTMENTS, st.sampled_from([60, 255]))
def test_alpha_stays_and_what_the_mask_hides_stays(
    layers: tuple[Layer, ...], adjustment: Adjustment, opacity: int
) -> None:
    before = fresh(layers, WHOLE)
    # Clipped layers would find another base above the adjustment: none is on top of it here.
    half = mask_of(np.full((70, 30), 255, np.uint8), Point(WHOLE.x + 40, WHOLE.y))
    after = fresh((*layers, layer_of(adjustment, mask=half, opacity=opacity)), WHOLE)
    np.testing.assert_array_equal(after[..., 3], before[..., 3])
    np.testing.assert_array_equal(after[:, :40], before[:, :40])


@pytest.mark.parametrize("plain", PLAIN, ids=lambda plain: type(plain).__name__)
@settings(max_examples=6)
@given(layers=trees().map(at_seam))
def test_an_adjustment_that_changes_nothing_changes_no_byte(
    layers: tuple[Layer, ...], plain: Adjustment
) -> None:
    assert is_identity(plain)
    with_plain = (*layers[:1], layer_of(plain, opacity=90), *layers[1:], layer_of(plain))
    without = tuple(layer for layer in with_plain if not isinstance(layer, AdjustmentLayer))
    # A clipped layer above an adjustment hangs on that.
    if not any(layer.props.clipping for layer in layers[1:]):
        np.testing.assert_array_equal(fresh(with_plain, WHOLE), fresh(without, WHOLE))


@settings(max_examples=30)
@given(ADJUSTMENTS, st.integers(0, 99))
def test_what_is_called_plain_is_plain(adjustment: Adjustment, seed: int) -> None:
    """`is_identity` says so for no adjustment that would change a picture."""
    rgb = noise(seed, 24, 20)[..., :3]
    if is_identity(adjustment):
        np.testing.assert_array_equal(bytes_of(adjusted(adjustment, planes(rgb))), rgb)


@settings(max_examples=40)
@given(ADJUSTMENTS, st.integers(0, 99))
def test_over_an_opaque_picture_it_is_the_adjusted_picture(adjustment: Adjustment, seed: int) -> None:
    pixels = noise(seed, 24, 20, alpha="opaque")
    shown = fresh((pixel_layer(pixels), layer_of(adjustment)), BOX)
    wanted = (
        pixels[..., :3]
        if is_identity(adjustment)
        else bytes_of(adjusted(adjustment, planes(pixels[..., :3])))
    )
    # Exactly half a step, which round weights give often, may round the other way after the way through premultiplied
    # colour.
    assert np.abs(shown[..., :3].astype(int) - wanted).max() <= 1
    assert (shown[..., :3] == wanted).mean() > 0.9


@settings(max_examples=25)
@given(ADJUSTMENTS, st.integers(0, 99))
def test_results_are_colours_and_the_argument_is_left_alone(adjustment: Adjustment, seed: int) -> None:
    colour = planes(noise(seed, 24, 20)[..., :3])
    kept = colour.copy()
    out = adjusted(adjustment, colour)
    np.testing.assert_array_equal(colour, kept)
    assert out.shape == colour.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1


@given(pixel_layers(clipping=False), pixel_layers(clipping=False, modes=(BlendMode.NORMAL,)), ADJUSTMENTS)
@settings(max_examples=25)
def test_clipped_it_changes_its_base_alone(below: Layer, base: Layer, adjustment: Adjustment) -> None:
    """The same as the base and the adjustment in an isolated group, which takes the base's opacity and mask."""
    clipped = fresh((below, base, layer_of(adjustment, clipping=True)), BOX)
    plain_base = replace(base.with_props(opacity=255, fill=255), mask=None)
    inside = group_layer(
        plain_base, layer_of(adjustment), blend_mode=BlendMode.NORMAL, opacity=base.props.opacity,
        fill=base.props.fill, visible=base.props.visible, mask=base.mask,
    )  # fmt: skip
    grouped = fresh((below, inside), BOX)
    assert np.abs(clipped.astype(int) - grouped).max() <= 1


def test_in_an_isolated_group_it_does_not_see_what_is_below() -> None:
    ground = pixel_layer(np.full((20, 24, 4), (200, 50, 20, 255), np.uint8))
    alone = group_layer(layer_of(Invert()), blend_mode=BlendMode.NORMAL)
    through = group_layer(layer_of(Invert()), blend_mode=BlendMode.PASS_THROUGH)
    assert tuple(fresh((ground, alone), BOX)[0, 0]) == (200, 50, 20, 255)
    assert tuple(fresh((ground, through), BOX)[0, 0]) == (55, 205, 235, 255)


def test_what_is_clipped_to_an_adjustment_shows_where_that_works() -> None:
    ground = pixel_layer(np.full((20, 24, 4), (200, 50, 20, 255), np.uint8))
    left = mask_of(np.full((20, 12), 255, np.uint8))
    red = pixel_layer(np.full((20, 24, 4), (255, 0, 0, 255), np.uint8), clipping=True)
    shown = fresh((ground, layer_of(Invert(), mask=left), red), BOX)
    assert tuple(shown[0, 0]) == (255, 0, 0, 255)
    assert tuple(shown[0, 20]) == (200, 50, 20, 255)
    # Over nothing there is nothing to adjust and nothing to clip to.
    assert not fresh((layer_of(Invert()), red), BOX).any()


def test_blend_mode_and_opacity_hold_for_the_adjusted_colour() -> None:
    ground = pixel_layer(np.full((20, 24, 4), (200, 100, 0, 255), np.uint8))
    multiplied = fresh((ground, layer_of(Curves(), blend_mode=BlendMode.MULTIPLY)), BOX)
    assert tuple(multiplied[0, 0]) == (157, 39, 0, 255)  # 200 * 200 / 255, 100 * 100 / 255
    half = fresh((ground, layer_of(Invert(), opacity=128)), BOX)
    assert tuple(half[0, 0]) == (127, 128, 128, 255)


@settings(max_examples=30, deadline=None)
@given(documents(), st.data())
def test_dirty_rectangles_hold_every_pixel_that_changes(doc: Document, data: st.DataObject) -> None:
    try:
        after = data.draw(commands(doc)).apply(doc)
    except CommandError:
        return
    if after.size != doc.size:
        return
    old, new = fresh(doc.layers, doc.canvas), fresh(after.layers, after.canvas)
    changed = (old != new).any(axis=-1)
    for rect in Change(doc, after, Origin.USER, "").dirty:
        changed[rect.y : rect.bottom, rect.x : rect.right] = False
    assert not changed.any()


def test_a_changed_setting_is_drawn_everywhere_and_a_masked_one_where_it_shows() -> None:
    ground = pixel_layer(noise(1, 600, 600, alpha="opaque"))
    small = mask_of(np.full((9, 9), 255, np.uint8), Point(300, 300))
    for mask, expected in ((None, Rect(0, 0, 600, 600)), (small, Rect(300, 300, 256, 256))):
        layer = layer_of(Posterize(levels=4), mask=mask)
        doc = Document(size=ground.pixels.bounds().size, layers=(ground, layer))
        after = doc.with_layer(replace(layer, adjustment=Posterize(levels=5)))
        assert Change(doc, after, Origin.USER, "").dirty == (expected,)
        assert Change(doc, doc, Origin.USER, "").dirty == ()


def test_a_cached_tile_follows_the_settings() -> None:
    ground = pixel_layer(noise(1, 300, 300, alpha="opaque"))
    old = Compositor(threads=1)
    for levels in (4, 5, 4, 9):
        layers = (ground, layer_of(Posterize(levels=levels)), layer_of(Invert()))
        rect = Rect(0, 0, 300, 300)
        np.testing.assert_array_equal(old.render_layers(layers, rect), fresh(layers, rect))


# ---- arithmetic


def test_every_kind_has_a_title_and_is_drawn() -> None:
    colour = planes(noise(3, 24, 20)[..., :3])
    for kind in TITLES:
        assert adjusted(kind(), colour).shape == colour.shape


def test_twice_inverted_is_what_it_was() -> None:
    values = np.arange(256, dtype=np.float32)[None, None].repeat(3, axis=0) / np.float32(255)
    twice = adjusted(Invert(), adjusted(Invert(), values))
    np.testing.assert_array_equal(bytes_of(twice), bytes_of(values))


def table(adjustment: Adjustment) -> np.ndarray:
    """The red table as bytes."""
    tables = channel_tables(adjustment)
    assert tables is not None
    return np.asarray(np.floor(tables[0] * 255 + 0.5), int)


def test_levels() -> None:
    stretched = table(Levels(master=LevelsChannel(black_in=100, white_in=200)))
    assert (stretched[:101] == 0).all()
    assert (stretched[200:] == 255).all()
    assert stretched[150] == 128
    squeezed = table(Levels(red=LevelsChannel(black_out=255, white_out=0)))
    assert (squeezed == 255 - np.arange(256)).all()
    # A channel first, then all together.
    both = table(Levels(master=LevelsChannel(white_in=128), red=LevelsChannel(white_out=128)))
    assert both[255] == 255
    assert both[100] == 100


def test_a_curve_goes_through_its_points_and_is_level_beyond_them() -> None:
    points = ((20, 40), (90, 60), (160, 230), (240, 200))
    values = table(Curves(master=Curve(points)))
    assert [values[x] for x, _ in points] == [y for _, y in points]
    assert (values[:20] == 40).all()
    assert (values[240:] == 200).all()
    straight = table(Curves(red=Curve(((0, 255), (255, 0)))))
    assert (straight == 255 - np.arange(256)).all()


def test_exposure_doubles_light() -> None:
    values = table(Exposure(exposure=1))
    assert values[0] == 0
    assert abs(values[100] - 255 * (2 * (100 / 255) ** 2.2) ** (1 / 2.2)) <= 1
    assert values[255] == 255
    assert table(Exposure(offset=0.5))[0] == round(255 * 0.5 ** (1 / 2.2))


def test_posterize_and_threshold() -> None:
    assert sorted(set(table(Posterize(levels=3)))) == [0, 127, 255]
    assert len(set(table(Posterize(levels=255)))) == 255
    grey = np.arange(256, dtype=np.float32)[None, None].repeat(3, axis=0) / np.float32(255)
    split = adjusted(Threshold(level=77), grey)[0, 0]
    assert (split == (np.arange(256) >= 77)).all()


def colour_of(adjustment: Adjustment, rgb: tuple[int, int, int]) -> tuple[int, ...]:
    """What becomes of one colour."""
    return tuple(int(v) for v in bytes_of(adjusted(adjustment, planes(np.array([[rgb]], np.uint8))))[0, 0])


@pytest.mark.parametrize(
    ("adjustment", "rgb", "wanted"),
    [
        (HueSaturation(hue=120), (255, 0, 0), (0, 255, 0)),
        (HueSaturation(hue=-120), (255, 0, 0), (0, 0, 255)),
        (HueSaturation(hue=180), (200, 100, 50), (50, 150, 200)),
        (HueSaturation(saturation=-100), (200, 100, 50), (125, 125, 125)),
        (HueSaturation(saturation=100), (130, 128, 126), (255, 128, 1)),
        (HueSaturation(saturation=100), (90, 90, 90), (90, 90, 90)),
        (HueSaturation(lightness=100), (10, 20, 30), (255, 255, 255)),
        (HueSaturation(lightness=-50), (100, 50, 20), (50, 25, 10)),
        (HueSaturation(colorize=True, hue=240, saturation=100), (128, 128, 128), (1, 1, 255)),
        (ChannelMixer(red=MixerRow(green=100), green=MixerRow(red=100)), (10, 20, 30), (20, 10, 30)),
        (ChannelMixer(red=MixerRow(red=50, green=50), monochrome=True), (100, 50, 0), (75, 75, 75)),
        (ChannelMixer(blue=MixerRow(blue=100, constant=-20)), (0, 0, 255), (0, 0, 204)),
        (BlackAndWhite(), (255, 0, 0), (102, 102, 102)),
        (BlackAndWhite(), (255, 255, 0), (153, 153, 153)),
        (BlackAndWhite(), (50, 50, 50), (50, 50, 50)),
        (BlackAndWhite(), (200, 100, 50), (120, 120, 120)),
        (BrightnessContrast(brightness=-23, contrast=-26, legacy=True), (127, 255, 3), (104, 199, 12)),
    ],
)  # fmt: skip
def test_colours(adjustment: Adjustment, rgb: tuple[int, int, int], wanted: tuple[int, int, int]) -> None:
    assert colour_of(adjustment, rgb) == wanted


def test_brightness_and_contrast_go_the_way_they_say() -> None:
    values = np.arange(256)
    assert (table(BrightnessContrast(brightness=60)) >= values).all()
    assert (table(BrightnessContrast(brightness=-60)) <= values).all()
    hard = table(BrightnessContrast(contrast=60))
    assert hard[63] < 63
    assert hard[191] > 191
    for settings_ in (BrightnessContrast(brightness=100, contrast=-50), BrightnessContrast(brightness=-150)):
        assert (np.diff(table(settings_)) >= 0).all()
