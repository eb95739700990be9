"""One model folder with random weights and one loaded engine for the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.engine.embedded import EmbeddedEngine
from tests.engine.toys import loaded, model_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder, not to be changed."""
    return model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def engine(folder: Path) -> EmbeddedEngine:
    """The engine of that folder; it keeps nothing between runs, which the tests rely on and prove."""
    return loaded(folder)
