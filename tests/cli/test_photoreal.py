"""The whole way of the photoreal engine from the command line, with tiny random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.cli.main import main
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, PixelLayer
from psdstudio.core.parts import object_groups
from psdstudio.io.project import load_project
from tests.engine.sdxl import tiny_models

pytestmark = pytest.mark.torch


def look_of(document: Document, name: str) -> bytes:
    """The bytes of an object's look."""
    group: GroupLayer = next(group for group in object_groups(document) if group.props.name == name)
    (look,) = [x for x in group.children if isinstance(x, PixelLayer) and x.props.name == name]
    return look.pixels.read(look.pixels.bounds()).tobytes()


def test_models_are_added_a_scene_is_painted_and_what_is_kept_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PSDSTUDIO_PHOTOREAL_SIDE_PX", "128")
    monkeypatch.setenv("PSDSTUDIO_PHOTOREAL_UPSCALE", "false")
    Path("models").mkdir()
    tiny_models.write_models(Path("models"))
    assert main(["models", "add", "models"]) == 0
    words = [
        "--engine",
        "sdxl",
        "--threads",
        "1",
        "--steps",
        "2",
        "--lora",
        "fox=ink:0.5",
        "--negative",
        "text",
    ]
    size = ["--size", "96x96"]
    scene = ["--background", "snow", "--object", "fox", "--object", "lantern"]
    assert main(["generate", *scene, *size, *words, "-o", "scene.psdstudio"]) == 0, capsys.readouterr().err
    assert "About " in capsys.readouterr().err
    before = load_project(Path("scene.psdstudio"))
    assert [layer.props.name for layer in before.layers] == ["Background", "fox", "lantern"]
    again = ["regenerate", "scene.psdstudio", "--keep", "fox", *words, "-o", "next.psdstudio"]
    assert main(again) == 0, capsys.readouterr().err
    after = load_project(Path("next.psdstudio"))
    assert look_of(after, "fox") == look_of(before, "fox")
    assert look_of(after, "lantern") != look_of(before, "lantern")
