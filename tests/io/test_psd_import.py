"""Opening PSD files: our own come back as they were, and those of other programs end in a document or a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from psdstudio.core.document import Document
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, Lock, PixelLayer
from psdstudio.errors import FileCorrupt, FileTooLarge, FileUnsupported
from psdstudio.io.layer_info import document_info, read_info
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_import import import_psd
from psdstudio.io.psd_outline import can_be_background
from psdstudio.io.psd_read import PsdLimits, open_psd
from psdstudio.io.psd_tables import clean_name
from psdstudio.render.compositor import Compositor
from tests.io.documents import DOCUMENTS, scene_document


def _locks(layer: Layer, *, is_background: bool) -> frozenset[Lock]:
    if is_background:
        return frozenset({Lock.TRANSPARENCY, Lock.POSITION})
    return frozenset({Lock.ALL}) if Lock.ALL in layer.props.locks else layer.props.locks


def _same_layers(document: Document, opened: Document) -> None:
    pairs = zip(document.walk(), opened.walk(), strict=True)
    for number, (ours, theirs) in enumerate(pairs):
        is_background = number == 0 and can_be_background(document)
        name = "Background" if is_background else clean_name(ours.props.name, theirs.props.name)
        locks = _locks(ours, is_background=is_background)
        label = theirs.props.label if is_background else ours.props.label
        expanded = ours.props.expanded if isinstance(ours, GroupLayer) else True
        wanted = replace(ours.props, name=name, locks=locks, label=label, expanded=expanded)
        assert theirs.props == wanted
        if isinstance(ours, AdjustmentLayer):
            assert isinstance(theirs, AdjustmentLayer)
            assert theirs.adjustment == ours.adjustment
        assert (ours.mask is None) == (theirs.mask is None)
        if ours.mask is not None and theirs.mask is not None:
            assert theirs.mask.enabled == ours.mask.enabled
            assert theirs.mask.pixels.fill == ours.mask.pixels.fill
            box = ours.mask.pixels.bounds().shifted(*ours.mask.offset)
            if not box.is_empty:
                own = ours.mask.pixels.read(box.shifted(-ours.mask.offset.x, -ours.mask.offset.y))
                offset = theirs.mask.offset
                assert np.array_equal(own, theirs.mask.pixels.read(box.shifted(-offset.x, -offset.y)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=DOCUMENTS.filter(lambda document: bool(document.layers)))
def test_what_we_export_comes_back(tmp_path: Path, document: Document) -> None:
    export_psd(document, tmp_path / "a.psd")
    opened, report = import_psd(tmp_path / "a.psd")
    assert opened.size == document.size
    assert opened.resolution_dpi == document.resolution_dpi
    assert [line for line in report.losses if "shown approximately" not in line] == []
    assert report.layers == len(list(document.walk()))
    _same_layers(document, opened)
    ours = [layer.pixels_sha256 for layer in document_info(document).layers]
    assert [layer.pixels_sha256 for layer in document_info(opened).layers] == ours
    rendered = Compositor().render(document, document.canvas)
    again = Compositor().render(opened, opened.canvas)
    seen = rendered[..., 3] > 0
    assert np.array_equal(rendered[..., 3], again[..., 3])
    assert np.array_equal(rendered[seen], again[seen])


def test_what_is_opened_and_exported_again_is_the_same_file(tmp_path: Path) -> None:
    export_psd(scene_document(), tmp_path / "a.psd")
    opened, _ = import_psd(tmp_path / "a.psd")
    export_psd(opened, tmp_path / "b.psd")
    again, _ = import_psd(tmp_path / "b.psd")
    for one, two in zip(opened.walk(), again.walk(), strict=True):
        assert one.props == two.props
        if isinstance(one, PixelLayer) and isinstance(two, PixelLayer):
            assert (one.offset, one.pixels) == (two.offset, two.pixels)


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.4, 0.6])
@pytest.mark.expects_logs
def test_a_truncated_file_is_corrupt(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    path.write_bytes(path.read_bytes()[: max(5, int(path.stat().st_size * share))])
    with pytest.raises(FileCorrupt, match="damaged or incomplete"):
        import_psd(path)


@pytest.mark.parametrize(
    "place", ["psdstudio.io.psd_read.read_structure", "psdstudio.io.psd_channels.Plane.rows"]
)
def test_a_lack_of_memory_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)

    def out_of_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(place, out_of_memory)
    for read in (import_psd, read_info):
        with pytest.raises(FileTooLarge, match=r"not enough memory free to open “a\.psd”"):
            read(path)


@pytest.mark.expects_logs
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_end_in_a_document_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    data = path.read_bytes()
    rng = np.random.default_rng(3)
    outcomes: Counter[str] = Counter()
    for _ in range(80):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 8):
            damaged[at] = int(rng.integers(0, 256))
        path.write_bytes(bytes(damaged))
        try:
            document, _report = import_psd(path, PsdLimits(max_pixels=4_000_000))
        except (FileCorrupt, FileUnsupported, FileTooLarge):
            outcomes["sentence"] += 1
        else:
            assert document.validate() == []
            outcomes["document"] += 1
    assert outcomes["sentence"] > 5
    assert outcomes["document"] > 5


@pytest.mark.expects_logs
@pytest.mark.filterwarnings("ignore")  # as in the product: psd_tools only warns and fills with black
def test_pixels_that_do_not_decode_are_damage_and_no_black_layer(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    records = open_psd(path).structure.records
    packed = max((bytes(channel.data[2:]) for record in records for channel in record.channels), key=len)
    data = path.read_bytes()
    at = data.index(packed)
    path.write_bytes(data[:at] + b"\xff" * 20 + data[at + 20 :])  # the lengths of the first rows
    with pytest.raises(FileCorrupt, match="damaged or incomplete"):
        import_psd(path)
