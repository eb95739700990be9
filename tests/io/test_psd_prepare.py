"""What the options of an export make of a document: it looks the same, and what was asked for holds."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from psdstudio.core.adjustments import Invert
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.scene import Light
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_options import ExportOptions, MaskStyle
from psdstudio.io.psd_prepare import Prepared, prepared
from psdstudio.io.psd_shadow import drop_shadow
from psdstudio.render.compositor import Compositor, render_over
from tests.io.ag_psd import need_ag_psd, read_with_ag_psd
from tests.io.documents import DOCUMENTS, disc, noise, scene_document, solid
from tests.io.psd_compare import compare_layers

_slow_to_make = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def _difference(first: Document, second: Document) -> int:
    """The largest difference of what two documents show, over white and over black, in levels of 255."""
    pictures = [Compositor().render(doc).astype(np.int16) for doc in (first, second)]
    out = int(np.abs(pictures[0][..., 3] - pictures[1][..., 3]).max())
    for matte in ((0, 0, 0), (255, 255, 255)):
        shown = [render_over(picture.astype(np.uint8), matte).astype(np.int16) for picture in pictures]
        out = max(out, int(np.abs(shown[0] - shown[1]).max()))
    return out


def _layer(name: str, pixels: U8Array, at: Point = Point(0, 0), **props: object) -> PixelLayer:
    layer = PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(pixels), offset=at)
    return layer.with_props(**props)


def _by_thresholds(doc: Document) -> bool:
    """Whether a level more or less may turn a pixel over: then rounding shows."""
    steep = {BlendMode.DISSOLVE, BlendMode.HARD_MIX, BlendMode.DARKER_COLOR, BlendMode.LIGHTER_COLOR}
    steep |= {BlendMode.COLOR_BURN, BlendMode.COLOR_DODGE, BlendMode.VIVID_LIGHT, BlendMode.DIVIDE}
    steep |= {
        BlendMode.HUE,
        BlendMode.SATURATION,
        BlendMode.COLOR,
        BlendMode.LUMINOSITY,
        BlendMode.SOFT_LIGHT,
    }
    return any(layer.props.blend_mode in steep for layer in doc.walk())


def _compatible(document: Document) -> Prepared:
    return prepared(document, ExportOptions(compatible=True))


@_slow_to_make
@given(document=DOCUMENTS)
def test_compatible_layers_need_nothing_that_some_programs_ignore(document: Document) -> None:
    ready = _compatible(document)
    assert ready.written.validate() == []
    if not ready.notes.losses:
        for layer in ready.written.walk():
            assert layer.props.fill == 255
            assert not layer.props.clipping
            assert not isinstance(layer, GroupLayer) or layer.props.opacity == 255
    assert {layer.id for layer in document.walk()} <= {layer.id for layer in ready.written.walk()}


@_slow_to_make
@given(document=DOCUMENTS)
def test_compatible_layers_look_the_same(document: Document) -> None:
    ready = _compatible(document)
    assume(not ready.notes.losses and not _by_thresholds(document))
    # Opacities and masks are rounded to 255 levels once more for each group that a pixel lies in.
    assert _difference(document, ready.written) <= 4


def test_an_adjustment_that_is_clipped_to_nothing_is_written_unclipped() -> None:
    alone = AdjustmentLayer(props=LayerProps(name="invert", clipping=True), adjustment=Invert())
    inside = GroupLayer(props=LayerProps(name="group"), children=(alone,))
    ready = _compatible(Document(size=Size(8, 8), layers=(inside,)))
    assert not ready.notes.losses
    assert not any(layer.props.clipping for layer in ready.written.walk())


def test_a_clipped_stack_becomes_a_group_that_looks_the_same_at_soft_edges() -> None:
    mask = Mask(pixels=TileGrid.from_array(noise(3, 40, 30, 1), fill=255))
    base = replace(
        _layer("base", disc(20, (20, 90, 200)), Point(4, 3), opacity=200, blend_mode=BlendMode.SCREEN),
        mask=mask,
    )
    upon = _layer("upon", noise(1, 60, 60), clipping=True, blend_mode=BlendMode.MULTIPLY, fill=90)
    ground = _layer("ground", solid(64, 48, (200, 160, 40, 255)))
    document = Document(size=Size(64, 48), layers=(ground, base, upon))
    ready = _compatible(document)
    group = ready.written.layers[1]
    assert isinstance(group, GroupLayer)
    assert [child.props.name for child in group.children] == ["base", "upon"]
    assert (group.props.blend_mode, group.props.opacity) == (BlendMode.SCREEN, 255)
    assert not any(layer.props.clipping for layer in ready.written.walk())
    assert _difference(document, ready.written) <= 1


@pytest.mark.parametrize("mode", [BlendMode.LINEAR_LIGHT, BlendMode.LINEAR_BURN, BlendMode.DIFFERENCE])
def test_fill_of_the_special_modes_goes_into_the_colours_and_is_told(mode: BlendMode) -> None:
    ground = _layer("ground", solid(64, 48, (120, 160, 90, 255)))
    document = Document(
        size=Size(64, 48), layers=(ground, _layer("light", noise(1, 64, 48), blend_mode=mode, fill=100))
    )
    ready = _compatible(document)
    assert ready.written.layers[1].props.fill == 255
    assert any("over opaque layers only" in line for line in ready.notes.losses)
    assert _difference(document, ready.written) <= 2


@_slow_to_make
@given(document=DOCUMENTS)
@pytest.mark.parametrize("style", [MaskStyle.BAKE, MaskStyle.MAKE])
def test_masks_in_the_other_form_look_the_same(style: MaskStyle, document: Document) -> None:
    ready = prepared(document, ExportOptions(masks=style))
    assert ready.shown is document
    pixel_layers = [layer for layer in ready.written.walk() if isinstance(layer, PixelLayer)]
    for layer in pixel_layers:
        if style is MaskStyle.BAKE:
            assert layer.mask is None
        elif layer.mask is None and not layer.pixels.bounds().is_empty:
            assert all((tile[..., 3][tile[..., 3] > 0] == 255).all() for tile in layer.pixels.tiles.values())
    if not _by_thresholds(document):
        assert _difference(document, ready.written) <= 2


def test_the_chosen_layers_alone_with_their_groups_and_no_wrong_base() -> None:
    ground, base = _layer("ground", solid(9, 9, (1, 2, 3, 255))), _layer("base", noise(1, 9, 9))
    clipped, top = _layer("clipped", noise(2, 9, 9), clipping=True), _layer("top", noise(3, 9, 9))
    group = GroupLayer(props=LayerProps(name="group", opacity=100), children=(base, clipped, top))
    document = Document(size=Size(9, 9), layers=(ground, group))
    ready = prepared(document, ExportOptions(only=frozenset({clipped.id})))
    kept = ready.written.layers[0]
    assert isinstance(kept, GroupLayer)
    assert (kept.id, kept.props.opacity) == (group.id, 100)
    assert [(child.props.name, child.props.clipping) for child in kept.children] == [("clipped", False)]
    assert len(ready.notes.losses) == 1
    whole = prepared(document, ExportOptions(only=frozenset({group.id})))
    assert whole.written.layers == (group,)
    assert not whole.notes.losses
    assert list(whole.notes.changes) == ["Left out, as chosen: 1 of 5 layers and groups."]
    with pytest.raises(FileUnsupported, match="None of the chosen layers"):
        prepared(document, ExportOptions(only=frozenset()))


def test_a_live_shadow_stands_for_the_painted_one(tmp_path: Path) -> None:
    need_ag_psd()
    document = scene_document()
    report = export_psd(document, tmp_path / "a.psd", ExportOptions(live_shadows=True))
    assert sum("drop shadow effect" in line for line in report.losses) == 2
    dump = read_with_ag_psd(tmp_path / "a.psd", tmp_path / "dump")
    for entry, group in zip(dump.tree["children"][1:], document.layers[1:], strict=True):
        assert isinstance(group, GroupLayer)
        assert [child["name"] for child in entry["children"]] == [group.props.name]
        (shadow,) = entry["children"][0]["effects"]["dropShadow"]
        assert (shadow["enabled"], shadow["blendMode"], shadow["useGlobalLight"]) == (True, "multiply", False)
        assert shadow["color"] == {"r": 0, "g": 0, "b": 0}
        assert shadow["opacity"] == pytest.approx(127 / 255 * 200 / 255, abs=0.01)
        # The shadow's disc stands at (x - 20 + 30, y + 10 + 30), the object's at (x, y).
        assert shadow["distance"]["value"] == pytest.approx(math.hypot(10, 40), abs=0.5)
        assert shadow["angle"] == pytest.approx(math.degrees(math.atan2(40, -10)), abs=0.5)
    assert np.array_equal(dump.pixels(dump.tree["merged"]), Compositor().render(document, document.canvas))


def test_a_live_shadow_falls_where_the_scenes_light_says() -> None:
    thing = _layer("thing", disc(30, (1, 2, 3)))
    soft = disc(30, (10, 20, 30))
    y, x = np.mgrid[-30:31, -30:31]
    soft[..., 3] = np.clip((30 - np.hypot(x, y)) / 20 * 200, 0, 200)
    shadow = _layer("shadow", soft, Point(12, 0), blend_mode=BlendMode.MULTIPLY)
    light = Light(azimuth_deg=0.0, elevation_deg=40.0, softness=0.5, horizon=0.5)
    effect = drop_shadow(shadow, thing, light)
    assert (effect.angle_deg, effect.rgb) == (-180.0, (10, 20, 30))
    assert effect.distance_px == pytest.approx(12, abs=0.5)
    assert effect.size_px == pytest.approx(16, abs=3)  # from a tenth to nine tenths of a slope of 20 px
    assert effect.opacity_percent == pytest.approx(100 * 200 / 255, abs=1)
    away = drop_shadow(shadow, thing, replace(light, azimuth_deg=180.0))
    assert away.distance_px == 0


def test_a_shadow_that_an_effect_cannot_show_stays_a_layer() -> None:
    document = scene_document()
    group = document.layers[1]
    assert isinstance(group, GroupLayer)
    screened = group.children[0].with_props(blend_mode=BlendMode.SCREEN)
    upon = _layer("upon", noise(1, 30, 30), clipping=True)
    for other in (screened, replace(group, children=(*group.children, upon))):
        ready = prepared(document.with_layer(other), ExportOptions(live_shadows=True))
        assert len(ready.shadows) == 1
        assert any("stays a layer" in line for line in ready.notes.changes)


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(compatible=True, masks=MaskStyle.BAKE),
        ExportOptions(compatible=True, masks=MaskStyle.MAKE, live_shadows=True),
        ExportOptions(masks=MaskStyle.MAKE, strip_prompts=True),
    ],
)
def test_options_together_read_back_in_ag_psd(tmp_path: Path, options: ExportOptions) -> None:
    need_ag_psd()
    mask = Mask(pixels=TileGrid.from_array(noise(4, 30, 20, 1), fill=255), offset=Point(9, 7))
    own: tuple[Layer, ...] = (
        replace(_layer("a", noise(1, 40, 40), fill=99), mask=mask),
        _layer("b", disc(15, (3, 4, 5)), Point(20, 20), clipping=True),
    )
    group = GroupLayer(props=LayerProps(name="g", opacity=77), children=own, mask=mask)
    document = scene_document()
    document = document.with_layers((*document.layers, group))
    report = export_psd(document, tmp_path / "a.psd", options)
    assert report.changes
    dump = read_with_ag_psd(tmp_path / "a.psd", tmp_path / "dump")
    written = prepared(document, options).written
    compare_layers(written.layers[1:], dump.tree["children"][1:], dump)
    assert np.array_equal(dump.pixels(dump.tree["merged"]), Compositor().render(document, document.canvas))


def test_an_export_as_it_is_changes_nothing() -> None:
    document = scene_document()
    report = export_psd(document, io.BytesIO())
    assert report.changes == ()
    assert prepared(document, ExportOptions()).written is document


def test_a_masked_passage_is_isolated_where_that_is_the_same() -> None:
    mask = Mask(pixels=TileGrid.from_array(noise(3, 200, 150, 1)), offset=Point(20, 10))
    document = scene_document()
    ground, group, last = document.layers
    assert isinstance(group, GroupLayer)
    masked = replace(group.with_props(opacity=190), mask=mask)
    document = document.with_layers((ground, masked, last))
    ready = _compatible(document)
    made = ready.written.layers[1]
    assert (made.props.blend_mode, made.props.opacity) == (BlendMode.NORMAL, 255)
    assert not ready.notes.losses
    assert _difference(document, ready.written) <= 1
    assert ready.written.layers[2] == last
    lit = _layer("lit", noise(5, 90, 90), Point(40, 40), blend_mode=BlendMode.SCREEN)
    ready = _compatible(document.with_layers((ground, replace(masked, children=(*masked.children, lit)))))
    assert ready.written.layers[1].props.blend_mode is BlendMode.PASS_THROUGH
    assert [line for line in ready.notes.losses if line.startswith("Krita ignores the mask of")]
