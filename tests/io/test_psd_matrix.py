"""The export matrix: a generated document of every kind equals what ag-psd reads, in every property and pixel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import GroupLayer, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.io.psd_export import export_psd
from tests.io.ag_psd import need_ag_psd, read_many_with_ag_psd
from tests.io.documents import noise
from tests.io.psd_compare import compare_document, compare_merged
from tests.io.psd_matrix import matrix

_AT_ONCE = 40
"""Documents for one start of node, which takes longer than reading one of them."""
_DOCUMENTS = 300
_SLOW_DOCUMENTS = 1000


def _check(documents: list[tuple[str, Document]], folder: Path) -> None:
    paths = []
    for number, (_, document) in enumerate(documents):
        paths.append(folder / f"{number}.psd")
        export_psd(document, paths[-1])
    dumps = read_many_with_ag_psd(paths, folder / "dump")
    for (name, document), path, dump in zip(documents, paths, dumps, strict=True):
        try:
            compare_document(document, dump)
            compare_merged(document, path)
        except AssertionError as exc:
            raise AssertionError(f"document “{name}”: {exc}") from exc
    shutil.rmtree(folder / "dump")


def test_the_matrix_reads_back_in_ag_psd(tmp_path: Path) -> None:
    need_ag_psd()
    for part in _parts(list(matrix(_DOCUMENTS)), tmp_path):
        _check(*part)


@pytest.mark.slow
def test_more_of_the_matrix_reads_back_in_ag_psd(tmp_path: Path) -> None:
    need_ag_psd()
    for part in _parts(list(matrix(_SLOW_DOCUMENTS))[_DOCUMENTS:], tmp_path):
        _check(*part)


@pytest.mark.slow
def test_a_side_of_12000_px_reads_back_in_ag_psd(tmp_path: Path) -> None:
    need_ag_psd()
    layer = PixelLayer(
        props=LayerProps(name="wide"),
        pixels=TileGrid.from_array(noise(1, 12_000, 900)),
        offset=Point(-40, 30),
    )
    group = GroupLayer(props=LayerProps(name="group"), children=(layer,))
    _check(
        [
            (
                "12000x1000",
                Document(
                    size=Size(12_000, 1_000),
                    layers=(group, PixelLayer(props=LayerProps(name="again"), pixels=layer.pixels)),
                ),
            )
        ],
        tmp_path,
    )


def _parts(
    documents: list[tuple[str, Document]], folder: Path
) -> list[tuple[list[tuple[str, Document]], Path]]:
    out = []
    for start in range(0, len(documents), _AT_ONCE):
        part = folder / str(start)
        part.mkdir()
        out.append((documents[start : start + _AT_ONCE], part))
    return out
