"""Photoshop's own merged pictures of files with adjustment layers against ours.

The files are opened by our reader. `CLOSE` says how far the picture may be off, in 1/255; what is left out, and why:

* `adjustments__brightnesscontrast_grayscale.psd`: an arithmetic that is not published; its own test says how far off.
* `adjustments__exposure_grayscale.psd`: Exposure works in linear light, and a grey file's is that of dot gain 20 %.
* `passthrough_fill_adjustment.psd`: a pass-through group with fill; Photoshop's rule is not known.
* `passthrough_vector_mask.psd`: a vector mask.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from psd_tools import PSDImage

from psdstudio.core.adjustments import Exposure
from psdstudio.core.layers import AdjustmentLayer
from psdstudio.io.psd_import import import_psd
from psdstudio.render.compositor import Compositor, render_over
from tests.psd_fixture_loader import fixtures_folder, preview_of

CLOSE = {
    "adjustments__adjustment_clipping.psd": 2,
    "adjustments__adjustment_nested_composition_5.psd": 1,
    "adjustments__brightnesscontrast_legacy_grayscale.psd": 1,
    "adjustments__curves_grayscale.psd": 1,
    "adjustments__invert_grayscale.psd": 0,
    "adjustments__levels_grayscale.psd": 1,
    "adjustments__posterize_grayscale.psd": 0,
    "adjustments__threshold_16bits_grayscale.psd": 0,
    "adjustments__threshold_grayscale.psd": 0,
    "clip-adjustment.psd": 0,
    "passthrough_clipping_mask_adjustment.psd": 2,
    "passthrough_opacity.psd": 1,
}

_FOLDER = fixtures_folder()
pytestmark = [
    pytest.mark.skipif(_FOLDER is None, reason="PSDSTUDIO_FIXTURES is not set"),
    pytest.mark.expects_logs,
    pytest.mark.filterwarnings("ignore"),
]


def gap(name: str) -> np.ndarray:
    """(h, w) by how much our picture differs from the stored one, on white, in 1/255."""
    assert _FOLDER is not None
    path = Path(_FOLDER, name)
    document, _ = import_psd(path)
    assert any(isinstance(layer, AdjustmentLayer) for layer in document.walk())
    stored = preview_of(PSDImage.open(path))
    assert stored is not None
    ours = Compositor(threads=1).render(document)
    assert np.abs(ours[..., 3].astype(int) - stored[..., 3]).max() == 0
    off = np.abs(render_over(ours, (255, 255, 255)).astype(int) - stored[..., :3])
    return np.asarray(off.max(axis=-1))


@pytest.mark.parametrize(("name", "most"), CLOSE.items())
def test_the_picture_is_photoshops(name: str, most: int) -> None:
    assert gap(name).max() <= most


def test_a_steep_curve_magnifies_a_last_bit_here_and_there() -> None:
    """Photoshop rounds to 8 bit after every layer; a curve that rises 13 times as fast shows it at single pixels."""
    off = gap("adjustments__adjustment_nested_composition_4.psd")
    assert (off > 1).mean() < 0.01
    assert off.max() <= 22


def test_modern_brightness_is_close_but_not_exact() -> None:
    off = gap("adjustments__brightnesscontrast_grayscale.psd")
    assert off.max() <= 13
    assert off.mean() < 3.5


def test_exposure_in_a_grey_file_is_said_to_differ() -> None:
    assert _FOLDER is not None
    document, report = import_psd(Path(_FOLDER, "adjustments__exposure_grayscale.psd"))
    kept = [x.adjustment for x in document.walk() if isinstance(x, AdjustmentLayer)]
    assert Exposure(exposure=2.03, offset=0.0775, gamma=1.52) in kept
    assert len([line for line in report.losses if "come out slightly different" in line]) == 4
