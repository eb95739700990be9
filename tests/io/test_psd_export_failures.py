"""An export that fails, at whatever byte, leaves the old file and nothing else."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from psd_tools import PSDImage

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import Layer, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileUnsupported, FileWriteFailed
from psdstudio.io import psd_export
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_stream import PsdParts, Receipt, write_psd
from tests.io.documents import noise


def _layer(name: str = "layer", pixels: Any = None, at: Point = Point(0, 0), **props: Any) -> PixelLayer:
    grid = TileGrid() if pixels is None else TileGrid.from_array(pixels)
    return PixelLayer(props=LayerProps(name=name, **props), pixels=grid, offset=at)


def _document(*layers: Layer, size: Size = Size(64, 48)) -> Document:
    return Document(size=size, layers=layers)


class _FailingDisk:
    """A file whose n-th write fails as a full disk does."""

    def __init__(self, file: BinaryIO, writes: int) -> None:
        self._file = file
        self._left = writes

    def write(self, data: bytes) -> int:
        if self._left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._left -= 1
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_failure_at_any_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.psd"
    export_psd(_document(_layer("old", noise(1, 9, 9))), path)
    old = path.read_bytes()
    new = _document(_layer("new", noise(2, 9, 9)))
    finished = False
    for writes in range(2000):

        def failing(out: BinaryIO, parts: PsdParts, writes: int = writes) -> Receipt:
            disk: Any = _FailingDisk(out, writes)
            return write_psd(disk, parts)

        monkeypatch.setattr(psd_export, "write_psd", failing)
        try:
            export_psd(new, path)
        except FileWriteFailed as exc:
            assert "disk is full" in exc.user_message  # noqa: PT017  # every write in turn
            assert path.read_bytes() == old
            assert [entry.name for entry in tmp_path.iterdir()] == ["a.psd"]
        else:
            finished = True
            break
    assert finished
    assert writes > 15
    assert [layer.name for layer in PSDImage.open(path)] == ["new"]


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.8, 0.95])
def test_a_file_that_does_not_read_back_never_takes_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: float
) -> None:
    path = tmp_path / "a.psd"
    path.write_bytes(b"old")

    def torn(out: BinaryIO, parts: PsdParts) -> Receipt:
        receipt = write_psd(out, parts)
        size = out.tell()
        for offset in range(int(size * at), int(size * at) + 40):
            out.seek(offset)
            out.write(b"\x55")
        return receipt

    monkeypatch.setattr(psd_export, "write_psd", torn)
    with pytest.raises(FileWriteFailed, match="did not read back"):
        export_psd(_document(_layer("new", noise(2, 60, 40))), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.psd"]


def test_too_many_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psd_export, "MAX_RECORDS", 3)
    with pytest.raises(FileUnsupported, match="more than 3 layers"):
        export_psd(_document(*(_layer(str(i)) for i in range(4))), io.BytesIO())
