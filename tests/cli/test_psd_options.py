"""The options of `export` that shape a PSD, from the words to the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from psd_tools import PSDImage

from psdstudio.cli.main import main
from psdstudio.io.project import save_project
from tests.io.documents import scene_document


@pytest.fixture(autouse=True)
def _project() -> None:
    save_project(scene_document(), Path("scene.psdstudio"))


def _export(*words: str) -> PSDImage:
    assert main(["export", "scene.psdstudio", "-o", "out.psd", *words]) == 0
    return PSDImage.open("out.psd")


def test_one_object_alone() -> None:
    assert [layer.name for layer in _export("--only", "Flamingo rosé")] == ["Flamingo rosé"]


def test_shadows_as_effects(capsys: pytest.CaptureFixture[str]) -> None:
    psd = _export("--live-shadows")
    assert [layer.name for layer in psd.descendants()] == [
        "Background", "swan 🦢", "swan 🦢", "Flamingo rosé", "Flamingo rosé",
    ]  # fmt: skip
    assert [type(effect).__name__ for layer in psd.descendants() for effect in layer.effects] == [
        "DropShadow"
    ] * 2
    assert "only comes near" in "".join(capsys.readouterr())


def test_masks_made_of_transparency() -> None:
    assert [layer.has_mask() for layer in _export("--masks", "make").descendants() if not layer.is_group()] == [
        False, True, True, True, True,
    ]  # fmt: skip


def test_what_cannot_be_is_refused_before_anything_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "scene.psdstudio", "-o", "out.psd", "--only", "goose"]) == 1
    assert "There is no layer “goose”" in capsys.readouterr().err
    assert main(["export", "scene.psdstudio", "-o", "out.png", "--compatible"]) == 1
    assert "shape a PSD" in capsys.readouterr().err
    assert not list(Path().glob("out.*"))
