"""The measurement of the project file runs, and says what it should of a small document."""

from __future__ import annotations

import json

import pytest

from psdstudio.bench.__main__ import main


def test_a_small_document_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["project", "--side", "600", "--layers", "3", "--repeat", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["project"]
    assert figures["stroke_tiles"] in {1, 2}
    assert figures["raw_bytes"] > figures["file_bytes"] > figures["stroke_packed_bytes"] > 0
    assert main(["project", "--side", "600", "--layers", "3", "--repeat", "1"]) == 0
    assert "save one stroke" in capsys.readouterr().out
