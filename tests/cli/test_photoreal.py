"""The whole way from the command line, on a tiny SDXL: add models, generate, keep, regenerate, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from psdstudio.cli.main import main
from psdstudio.core import tree
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, PixelLayer
from psdstudio.io.formats import open_file
from tests.engine.sdxl import tiny_models

pytestmark = pytest.mark.torch
SENTENCE = "a zeppelin and a swan on calm water"


def pixels(document: Document, name: str) -> list[bytes]:
    """Return the bytes of every layer of that name and below."""
    (found,) = [layer for layer in document.layers if layer.props.name == name]
    inside = tree.walk(found.children) if isinstance(found, GroupLayer) else [found]
    return [x.pixels.read(x.pixels.bounds()).tobytes() for x in inside if isinstance(x, PixelLayer)]


def test_a_scene_is_generated_kept_in_part_and_exported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSDSTUDIO_PHOTOREAL_SIDE_PX", "128")
    models = tmp_path / "models"
    tiny_models.write_models(models)
    assert main(["models", "add", str(models)]) == 0
    common = ["--engine", "sdxl", "--steps", "2", "--threads", "1"]
    assert main(["generate", SENTENCE, "--size", "160x120", *common, "-o", "one.psdstudio"]) == 0
    first = open_file(Path("one.psdstudio")).document
    # A word that the embedded engine does not know is painted as it is written.
    assert [layer.props.name for layer in first.layers] == ["Background", "zeppelin", "swan"]
    again = [
        "regenerate",
        "one.psdstudio",
        "--keep",
        "swan",
        "--negative",
        "text",
        "--lora",
        "zeppelin=ink:0.5",
    ]
    assert main([*again, *common, "-o", "two.psdstudio"]) == 0
    second = open_file(Path("two.psdstudio")).document
    assert pixels(second, "swan") == pixels(first, "swan")
    assert pixels(second, "zeppelin") != pixels(first, "zeppelin")
    assert pixels(second, "Background") != pixels(first, "Background")
    assert main(["export", "two.psdstudio", "-o", "two.psd"]) == 0
    back = open_file(Path("two.psd")).document
    assert [layer.props.name for layer in back.layers] == ["Background", "zeppelin", "swan"]
    assert np.frombuffer(b"".join(pixels(back, "Background")), np.uint8).any()
    capsys.readouterr()
    assert main(["generate", SENTENCE, *common, "--lora", "swan=lost", "-o", "three.psdstudio"]) != 0
    assert "lost" in capsys.readouterr().err
    assert not Path("three.psdstudio").exists()
