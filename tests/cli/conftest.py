"""Every command test runs in a folder of its own, with a user's folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from psdstudio.cli import scene
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.resources_path import resource_dir

NOUNS = Path(__file__).parent.parent / "gen" / "planner_vocabulary.json"


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    encoder = TextEncoder.load(resource_dir("text_encoder"))
    return Lexicon.load(NOUNS, encoder, resource_dir() / "noun_vectors.npz")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexicon: Lexicon) -> Iterator[Path]:
    """A user's folder of its own, and the planner's nouns whatever the engine that ships knows."""
    monkeypatch.setenv("PSDSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(scene, "load_lexicon", lambda: lexicon)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield tmp_path / "home"
    assert [path.name for path in work.iterdir() if path.name.endswith(".part")] == []
