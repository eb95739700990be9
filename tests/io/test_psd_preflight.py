"""The sentences before an export, against what the export then does."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import pytest

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.guides import Guide
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.io.images import srgb_profile
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_options import ExportOptions, MaskStyle
from psdstudio.io.psd_preflight import preflight
from tests.io.documents import noise, scene_document


def _document(*layers: Layer) -> Document:
    return Document(size=Size(20, 10), layers=layers)


def _layer(name: str = "a", **props: object) -> PixelLayer:
    layer = PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(noise(1, 9, 9)))
    return layer.with_props(**props)


def _said(document: Document, options: ExportOptions = ExportOptions()) -> str:
    return "\n".join(preflight(document, options))


def test_a_scene_is_described_and_nothing_else_said() -> None:
    lines = preflight(scene_document())
    assert lines == (
        "5 layers and 2 groups, 300 × 200 px, sRGB, 8 bit, 72 dpi.",
        "“calm water at sunset” becomes the Background.",
        "2 shadows as Multiply, in the group of the object.",
    )


def test_profile_masks_and_guides_are_counted() -> None:
    mask = Mask(pixels=TileGrid(channels=1, fill=255), linked=False)
    document = replace(
        _document(replace(_layer(), mask=mask)),
        profile=ColourProfile(name="Display P3", icc=srgb_profile()),
        guides=(Guide(position=3, vertical=True),),
    )
    assert "1 layer, 1 mask and 1 guide, 20 × 10 px, Display P3, 8 bit" in _said(document)
    assert "The masks of a will be linked" in _said(document)
    assert "become transparency" in _said(document, ExportOptions(masks=MaskStyle.BAKE))
    assert "becomes a mask over full pixels" in _said(document, ExportOptions(masks=MaskStyle.MAKE))


def test_what_other_programs_ignore_is_named_until_it_is_avoided() -> None:
    group = GroupLayer(props=LayerProps(name="g", opacity=9), children=(_layer(), _layer("b", clipping=True)))
    document = _document(group, _layer("c", fill=9, blend_mode=BlendMode.SOFT_LIGHT))
    assert "GIMP or Krita ignore clipping, fill opacity and the opacity of groups" in _said(document)
    assert "GIMP shows Soft Light differently." in _said(document)
    said = _said(document, ExportOptions(compatible=True))
    assert "ignore" not in said
    assert "every program shows it: clipping, fill opacity and the opacity of groups" in said
    assert "GIMP" not in _said(_document(_layer()))


def test_live_shadows_and_a_choice_are_counted_as_they_will_be() -> None:
    document = scene_document()
    options = ExportOptions(live_shadows=True, only=frozenset({document.layers[1].id}))
    said = _said(document, options)
    assert "1 layer and 1 group," in said
    assert "1 shadow as live drop shadow" in said
    assert export_psd(document, io.BytesIO(), options).layers == 2


def test_limits_are_told() -> None:
    assert "An empty layer will be added" in _said(_document())
    deep: Layer = _layer()
    for number in range(11):
        deep = GroupLayer(props=LayerProps(name=str(number)), children=(deep,))
    assert "11 deep" in _said(_document(deep))
    assert "GIMP cannot open" in _said(_document(_layer()), ExportOptions(big=True))
    assert ".psb" in _said(Document(size=Size(30_001, 2), layers=(_layer(),)))
    assert ".psb" in _said(Document(size=Size(29_000, 29_000), layers=(_layer(),)))
    many = tuple(PixelLayer(props=LayerProps(name=str(number))) for number in range(8_001))
    assert "Too many layers" in _said(_document(*many))


@pytest.mark.parametrize("module", ["psdstudio.io.psd_preflight", "psdstudio.io.xmp"])
def test_a_dialog_need_not_wait_for_psd_tools(module: str) -> None:
    code = f"import sys, {module}; sys.exit('psd_tools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
