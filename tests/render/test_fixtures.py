"""Photoshop's own merged pictures against ours, file by file, within 3/255.

The list names every file of the fixture folder that shows nothing but pixels, masks, groups, clipping and
blend modes and whose stored picture is Photoshop's (or the writing program's) picture of these layers;
`SET_ASIDE` gives the reason for each that is left out. A file that is in neither list fails
`test_no_fixture_is_forgotten`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from psdstudio.render.compositor import Compositor, render_over
from tests.psd_fixture_loader import fixtures_folder, load_fixture

FIXTURES = tuple(
    """
    16bit5x5.psb 16bit5x5.psd 1layer.psb 1layer.psd 1layer2.psd 2layers.psb 2layers.psd
    blend-modes__color-burn.psd blend-modes__color-dodge.psd blend-modes__color.psd
    blend-modes__darken.psd blend-modes__darker-color.psd blend-modes__difference.psd
    blend-modes__divide.psd blend-modes__exclusion.psd blend-modes__hard-light.psd
    blend-modes__hard-mix.psd blend-modes__hue.psd blend-modes__lighten.psd
    blend-modes__lighter-color.psd blend-modes__linear-burn.psd blend-modes__linear-dodge.psd
    blend-modes__linear-light.psd blend-modes__luminosity.psd blend-modes__multiply.psd
    blend-modes__normal.psd blend-modes__overlay.psd blend-modes__pass-through.psd
    blend-modes__pin-light.psd blend-modes__saturation.psd blend-modes__screen.psd
    blend-modes__soft-light.psd blend-modes__subtract.psd blend-modes__vivid-light.psd
    broken-groups.psb clipping-mask.psb clipping-mask.psd clipping-mask3.psd clipping-mask4.psd
    clipping-mask5.psd colormodes__4x4_8bit_grayscale.psd colormodes__4x4_8bit_rgb.psd
    colormodes__4x4_8bit_rgba.psd colorprofiles__north_america_newspaper.psd
    descriptors__stroke-color-descriptors-gray.psd descriptors__stroke-color-descriptors-rgb.psd
    effects__stroke-without-vector-mask.psd empty-group.psd empty-layer.psb empty-layer.psd
    gradient-sizes.psd gradient-styles.psd gray0.psb gray0.psd group.psb group.psd hidden-groups.psb
    hidden-groups.psd hidden-layer.psb hidden-layer.psd layers__gradient-fill.psd layers__group.psd
    layers__pattern-fill.psb layers__pattern-fill.psd layers__pixel-layer.psd
    layers__shape-layer.psd layers__smartobject-layer.psd layers__solid-color-fill.psd
    layers__type-layer.psd mask-density-layermask.psd mask-disabled.psd mask.psb mask.psd masks3.psd
    metadata.psb metadata.psd note.psb opacity-fill.psd passthrough_blendmodes1.psd
    passthrough_blendmodes2.psd passthrough_blendmodes3.psd passthrough_clipping_mask_blendmode.psd
    path-operations__combine-group.psd path-operations__combine.psd
    path-operations__exclude-first.psd path-operations__exclude-group.psd
    path-operations__exclude.psd path-operations__intersect-all.psd
    path-operations__intersect-first.psd path-operations__intersect-group.psd
    path-operations__subtract-all.psd path-operations__subtract-first.psd
    path-operations__subtract-group.psd path-operations__subtract-second.psd placedLayer.psb
    placedLayer.psd semi-transparent-layers.psb semi-transparent-layers.psd text.psd
    transparency__clip-opacity.psd transparency__transparency-group.psd transparentbg-gimp.psb
    transparentbg-gimp.psd
    """.split()
)

SET_ASIDE = {
    "adjustments__brightnesscontrast_legacy_grayscale.psd": "an adjustment psd-tools does not know",
    "blend-modes__dissolve.psd": "Photoshop's noise is not published; its density is tested below",
    "blend-modes__group-divider-blend-mode.psd": "channel data that psd-tools cannot decode",
    "group-clipping__group-clipping.psd": "a clipped group, which the model does not have",
    "layer_comps.psd": "the stored picture is that of another layer comp",
    "passthrough_fill_blendmode.psd": "a pass-through group with fill: Photoshop's rule is not known",
    "text.psb": "the stored picture is not that of the text layer's pixels",
    "third-party-psds__cactus_top.psd": "the writing program stored a blank picture",
}

_FOLDER = fixtures_folder()
pytestmark = pytest.mark.skipif(_FOLDER is None, reason="PSDSTUDIO_FIXTURES is not set")


def _path(name: str) -> Path:
    assert _FOLDER is not None
    return _FOLDER / name


def test_the_list_is_long_enough_and_there() -> None:
    assert len(set(FIXTURES)) == len(FIXTURES) >= 45
    assert [name for name in FIXTURES if not _path(name).is_file()] == []


@pytest.mark.parametrize("name", FIXTURES)
def test_the_picture_is_photoshops(name: str) -> None:
    fixture = load_fixture(_path(name))
    assert not fixture.beyond
    assert fixture.preview is not None
    ours = Compositor(threads=1).render(fixture.document)
    # Photoshop stores transparent pictures matted on white.
    on_white = render_over(ours, (255, 255, 255)).astype(int)
    assert np.abs(on_white - fixture.preview[..., :3]).max() <= 3
    assert np.abs(ours[..., 3].astype(int) - fixture.preview[..., 3]).max() <= 3


@pytest.mark.expects_logs
@pytest.mark.filterwarnings("ignore")
def test_no_fixture_is_forgotten() -> None:
    """Every readable file that uses only what we have, and has a picture and layers, is in one of the two
    lists.
    """
    assert _FOLDER is not None
    forgotten = []
    for path in sorted(_FOLDER.glob("*.ps[db]")):
        if path.name in FIXTURES or path.name in SET_ASIDE:
            continue
        fixture = load_fixture(path)
        if fixture.document.layers and fixture.preview is not None and not fixture.beyond:
            forgotten.append(path.name)
    assert forgotten == []


def test_dissolve_covers_as_much_as_photoshops() -> None:
    """Three overlapping half-transparent ellipses: the share of covered pixels agrees, and coverage is all or
    nothing.

    4,096 pixels at about one half: the standard deviation of the share is 0.8 %.
    """
    fixture = load_fixture(_path("blend-modes__dissolve.psd"))
    assert fixture.preview is not None
    alpha = Compositor(threads=1).render(fixture.document)[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    assert abs(float((alpha > 0).mean()) - float((fixture.preview[..., 3] > 0).mean())) < 0.04
