"""The measurement of files at a toy size: its figures are complete and of the same document."""

from __future__ import annotations

import json

import pytest

from psdstudio.bench.__main__ import main
from psdstudio.bench.files import build


def test_the_figures_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["files", "--json", "--side", "200", "--layers", "2", "--repeat", "1"]) == 0
    out = json.loads(capsys.readouterr().out)
    ours, theirs = out["export"]
    assert (ours["program"], theirs["program"]) == ("PSDStudio", "psd-tools")
    assert out["times_faster"] > 0
    assert len(out["import"]) == 1


def test_the_table_of_one_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["files", "--side", "64", "--layers", "1", "--repeat", "1", "--only", "import"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("import")
    assert "psd-tools" not in text


def test_the_document_has_an_opaque_ground_and_soft_layers() -> None:
    document = build(200, 3)
    assert document.validate() == []
    alphas = [
        layer.pixels.read(document.canvas)[..., 3] for layer in document.walk() if hasattr(layer, "pixels")
    ]
    assert alphas[0].min() == 255
    assert all(0 < ((alpha > 0) & (alpha < 255)).sum() < alpha.size for alpha in alphas[1:])
