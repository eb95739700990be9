"""PSD files of other programs: each opens, looks as its stored picture, and comes back from an export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from psdstudio.bench.psd_corpus import Outcome, corpus, outcome_of
from psdstudio.core.document import Document
from psdstudio.core.layers import Layer, PixelLayer
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_import import import_psd
from psdstudio.io.psd_reader import PsdReader
from psdstudio.render.compositor import Compositor
from tests.psd_fixture_loader import fixtures_folder

_FOLDER = fixtures_folder()
pytestmark = pytest.mark.skipif(_FOLDER is None, reason="PSDSTUDIO_FIXTURES is not set")
_OTHER_PICTURE = {
    "adjustments__adjustment_nested_composition_4.psd": "a curve thirteen times as steep magnifies the last bit",
    "text.psb": "the stored picture is not that of the text layer's pixels",
    "third-party-psds__cactus_top.psd": "the writing program stored a blank picture",
}


def _paths() -> list[Path]:
    return [] if _FOLDER is None else corpus(_FOLDER)


@pytest.fixture(scope="module", name="outcomes")
def _outcomes() -> list[Outcome]:
    with PsdReader() as reader:
        return [outcome_of(path, reader) for path in _paths()]


def test_every_file_opens_within_its_limits(outcomes: list[Outcome]) -> None:
    assert len(outcomes) >= 199
    assert [each.name for each in outcomes if each.refused] == []
    assert max(each.seconds for each in outcomes) < 10
    assert max(each.peak_mb for each in outcomes) < 1024


def test_what_uses_only_what_we_have_looks_as_its_stored_picture(outcomes: list[Outcome]) -> None:
    alike = [each for each in outcomes if not each.beyond and each.largest is not None]
    assert len(alike) >= 110
    assert {each.name for each in alike if each.deviates} == set(_OTHER_PICTURE)


def test_what_looks_otherwise_was_announced(outcomes: list[Outcome]) -> None:
    """Features that we draw otherwise are named in the report; the others are the stored picture's own."""
    silent = {
        *("no real picture stored", "dissolve", "a soft mask", "blending in other colours than RGB and grey"),
        *("a pass-through group with fill", "an adjustment drawn approximately", "32-bit blending"),
        "clipped layers not blended as a group",
    }
    for each in outcomes:
        if set(each.beyond) - silent:
            assert each.losses, each.name


def _features(layer: Layer) -> tuple[object, ...]:
    kept = () if layer.foreign is None else layer.foreign.blocks
    return (type(layer), layer.props, layer.mask is None, sorted((one.key, one.data) for one in kept))


def _comes_back(path: Path, folder: Path) -> None:
    """Open, export, open again: properties, kept pieces and the picture are the same."""
    first, _ = import_psd(path)
    if not first.layers:
        return  # a PSD cannot be without layers
    target = folder / path.name
    export_psd(first, target)
    second, _ = import_psd(target)
    pairs = list(zip(first.walk(), second.walk(), strict=True))
    for number, (one, two) in enumerate(pairs):
        if number == 0 and two.props.name == "Background":
            continue  # what became the Background has a name and locks of its own
        assert _features(one) == _features(two), path.name
    assert _blocks(first) == _blocks(second)
    assert (first.guides, first.resolution_dpi, first.profile) == (
        second.guides,
        second.resolution_dpi,
        second.profile,
    )
    pictures = [Compositor(threads=1).render(document, document.canvas) for document in (first, second)]
    shown = pictures[0][..., 3] > 0
    assert np.array_equal(pictures[0][..., 3], pictures[1][..., 3]), path.name
    assert np.array_equal(pictures[0][shown], pictures[1][shown]), path.name
    for one, two in pairs:
        if isinstance(one, PixelLayer) and isinstance(two, PixelLayer):
            box = one.pixels.bounds()
            ours = one.pixels.read(box)
            theirs = two.pixels.read(box.shifted(one.offset.x - two.offset.x, one.offset.y - two.offset.y))
            seen = ours[..., 3] > 0
            assert np.array_equal(ours[seen], theirs[seen]), path.name


def _blocks(document: Document) -> list[tuple[str, bytes]]:
    return [] if document.foreign is None else sorted((one.key, one.data) for one in document.foreign.blocks)


@pytest.mark.expects_logs
def test_some_files_come_back_from_an_export(tmp_path: Path) -> None:
    for path in _paths()[::6]:
        _comes_back(path, tmp_path)


@pytest.mark.slow
@pytest.mark.expects_logs
def test_all_files_come_back_from_an_export(tmp_path: Path) -> None:
    for path in _paths():
        _comes_back(path, tmp_path)
