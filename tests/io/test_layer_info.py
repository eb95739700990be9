"""File descriptions: a project and its exported PSD tell the same of every layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect, Size
from psdstudio.core.layers import PixelLayer
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.layer_info import document_info, read_info, visible_pixels_sha256
from psdstudio.io.project import save_project
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_outline import can_be_background
from psdstudio.io.psd_read import PsdLimits, open_psd
from psdstudio.io.psd_tables import clean_name
from tests.io.documents import DOCUMENTS, scene_document


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=DOCUMENTS.filter(lambda document: bool(document.layers)))
def test_project_and_psd_agree(tmp_path: Path, document: Document) -> None:
    save_project(document, tmp_path / "a.psdstudio")
    export_psd(document, tmp_path / "a.psd")
    ours, theirs = read_info(tmp_path / "a.psdstudio"), read_info(tmp_path / "a.psd")
    assert ours == document_info(document)
    assert (ours.kind, theirs.kind) == ("project", "psd")
    assert ours.size == theirs.size
    for number, (mine, read) in enumerate(zip(ours.layers, theirs.layers, strict=True)):
        is_background = number == 0 and can_be_background(document)
        name = "Background" if is_background else clean_name(mine.path[-1], read.path[-1])
        assert read.path[-1] == name
        assert replace(read, path=mine.path, keep=mine.keep, role=mine.role, words=mine.words) == mine
        assert read.role == mine.role


def test_a_scene_has_roles_words_and_boxes(tmp_path: Path) -> None:
    export_psd(scene_document(), tmp_path / "a.psd")
    info = read_info(tmp_path / "a.psd")
    assert info.size == Size(300, 200)
    assert [layer.role for layer in info.layers[:4]] == ["background", "object group", "shadow", "object"]
    assert [layer.blend_mode for layer in info.layers[:3]] == ["normal", "pass through", "multiply"]
    assert info.layers[0].words == "calm water at sunset"
    assert info.layers[0].box == Rect(0, 0, 300, 200)
    assert info.layers[3].path == ("swan 🦢", "swan 🦢")
    assert info.layers[3].box == Rect(25, 55, 71, 71)


def test_the_hash_sees_every_visible_value_and_no_hidden_one() -> None:
    layer = scene_document().layers[0]
    assert isinstance(layer, PixelLayer)
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[5:9, 5:9] = (1, 2, 3, 4)
    base = visible_pixels_sha256(rgba)
    hidden = rgba.copy()
    hidden[0, 0, :3] = 200
    assert visible_pixels_sha256(hidden) == base
    assert visible_pixels_sha256(np.roll(rgba, 3, axis=1)) == base
    seen = rgba.copy()
    seen[5, 5, 0] = 2
    assert visible_pixels_sha256(seen) != base


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2, 0.5, 0.9])
@pytest.mark.expects_logs
def test_a_truncated_psd_ends_in_a_sentence(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    path.write_bytes(path.read_bytes()[: max(5, int(path.stat().st_size * share))])
    if share < 0.9:  # the last tenth is the merged image, which the layers do without
        with pytest.raises(FileCorrupt, match="damaged or incomplete"):
            read_info(path)
    else:
        read_info(path)


def test_a_foreign_or_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    path.write_bytes(b"GIF89a" * 100)
    with pytest.raises(FileUnsupported):
        read_info(path)
    with pytest.raises(FileUnsupported, match="not a PSD"):
        open_psd(path)
    with pytest.raises(FileError, match="There is no file"):
        read_info(tmp_path / "none.psd")


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    for limits in (
        PsdLimits(max_file_bytes=10),
        PsdLimits(max_pixels=1000),
        PsdLimits(max_layers=2),
        PsdLimits(max_side_px=200),
    ):
        with pytest.raises(FileTooLarge):
            open_psd(path, limits)
