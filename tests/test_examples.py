"""The example scenes: what their recipes say is known to the engine, and the shipped weights paint them again."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from psdstudio.cli.main import main as command_line
from psdstudio.cli.scene import load_lexicon
from psdstudio.core.document import Document
from psdstudio.core.layers import PixelLayer
from psdstudio.gen.planner import plan_scene
from psdstudio.io.layer_info import document_info
from psdstudio.io.project import load_project
from psdstudio.render.compositor import Compositor
from psdstudio.resources_path import resource_dir

FOLDER = resource_dir("examples")
RECIPES: dict[str, Any] = json.loads((FOLDER / "recipes.json").read_text(encoding="utf-8"))
EXAMPLES: list[dict[str, Any]] = RECIPES["examples"]


def test_every_recipe_says_what_the_engine_knows() -> None:
    lexicon = load_lexicon()
    assert len(EXAMPLES) == 4
    for recipe in EXAMPLES:
        plan = plan_scene(recipe["sentence"], lexicon)
        assert plan.unknown == (), recipe["sentence"]
        assert 2 <= len(plan.objects) <= 6
        assert plan.background.words, recipe["sentence"]


@pytest.fixture(scope="module")
def build_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "build_examples", Path(__file__).parent.parent / "packaging" / "build_examples.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hashes(document: Document) -> dict[tuple[str, ...], str | None]:
    """Hash of the visible pixels of every layer."""
    return {tuple(layer.path): layer.pixels_sha256 for layer in document_info(document).layers}


@pytest.mark.slow
@pytest.mark.torch
def test_the_files_carry_recipes_of_the_shipped_weights() -> None:
    from psdstudio.engine.embedded import EmbeddedEngine

    engine = EmbeddedEngine(threads=1)
    for _ in engine.load():
        pass
    weights = engine.info.weights_sha256
    for recipe in EXAMPLES:
        document = load_project(FOLDER / recipe["file"])
        assert document.validate() == []
        assert document.scene.prompt == recipe["sentence"]
        painted = [layer for layer in document.walk() if isinstance(layer, PixelLayer) and layer.pixels.tiles]
        assert len(painted) >= 3
        for layer in painted:
            assert layer.part is not None
            assert layer.part.recipe is not None
            assert layer.part.recipe.weights_sha256 == weights, (
                f"{recipe['file']} is of other weights: build it again"
            )
            assert layer.part.recipe.seed == recipe["seed"]
            assert not layer.part.is_new


@pytest.mark.slow
@pytest.mark.torch
def test_the_shipped_weights_paint_an_example_again(
    build_tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSDSTUDIO_HOME", str(tmp_path / "home"))
    recipe = EXAMPLES[-1]
    again = tmp_path / "again.psdstudio"
    words = ["generate", recipe["sentence"], "--seed", str(recipe["seed"]), "--size", RECIPES["size"]]
    assert command_line([*words, "--threads", str(RECIPES["threads"]), "-o", str(again)]) == 0
    shipped, painted = load_project(FOLDER / recipe["file"]), load_project(again)
    built_on = json.loads((FOLDER / "built.json").read_text(encoding="utf-8"))["arithmetic"]
    if build_tool.arithmetic() == built_on:
        assert hashes(painted) == hashes(shipped)
    # Another processor rounds otherwise; the picture is the same to the eye.
    difference = np.abs(_picture(painted).astype(int) - _picture(shipped))
    assert difference.mean() < 3
    other = tmp_path / "other.psdstudio"
    words[words.index("--seed") + 1] = str(recipe["seed"] + 1)
    assert command_line([*words, "--threads", str(RECIPES["threads"]), "-o", str(other)]) == 0
    assert np.abs(_picture(load_project(other)).astype(int) - _picture(shipped)).mean() > 3


def _picture(document: Document) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return Compositor().render(document, document.canvas)
