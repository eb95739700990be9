"""Credits of library drawings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import GroupLayer
from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.io.credits import library_credits
from tests.io.documents import scene_document


def _with_item(document: Document, item: str | None) -> Document:
    layers = []
    for layer in document.layers:
        assert layer.part is not None
        children = layer.children if isinstance(layer, GroupLayer) else (layer,)
        for child in children:
            if child.part is not None and child.part.recipe is not None:
                recipe = replace(child.part.recipe, library_item=item)
                layers.append(replace(child, part=replace(child.part, recipe=recipe)))
    return document.with_layers(tuple(layers))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library.json"
    items = [
        {"noun": "swan", "drawing": "1f9a2.webp", "creator": "Microsoft (Fluent Emoji)", "licence": "MIT"},
        {"noun": "oak", "drawing": "oak.png", "creator": "Jane", "licence": "CC0-1.0"},
    ]
    path.write_text(json.dumps({"items": items}), "utf-8")
    return path


@pytest.mark.parametrize("name", ["swan", "1f9a2.webp"])
def test_a_used_drawing_is_credited_once(library: Path, name: str) -> None:
    assert library_credits(_with_item(scene_document(), name), library) == (
        "Guided by drawings of Microsoft (Fluent Emoji) (MIT): swan",
    )


def test_nothing_used_needs_no_list(tmp_path: Path) -> None:
    assert library_credits(_with_item(scene_document(), None), tmp_path / "none.json") == ()
    assert library_credits(Document(size=Size(1, 1)), tmp_path / "none.json") == ()


def test_a_broken_list_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "library.json"
    with pytest.raises(ModelNotFound):
        library_credits(_with_item(scene_document(), "swan"), path)
    path.write_text("{}", "utf-8")
    with pytest.raises(ModelLoadFailed):
        library_credits(_with_item(scene_document(), "swan"), path)
