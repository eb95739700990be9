"""One model folder and one loaded engine for the whole run; pictures are worked on at 64x64, not at 640x640."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from psdstudio.engine.qwen import engine as engine_module
from psdstudio.engine.qwen.engine import QwenLayeredEngine
from tests.engine.qwen.tiny_qwen import model_folder, setup_of


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder, not to be changed."""
    logging.disable_progress_bar()
    return model_folder(tmp_path_factory.mktemp("qwen"))


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work on pictures at a tenth of the size."""
    monkeypatch.setattr(engine_module, "NATIVE_SIDE", 64)


@pytest.fixture(scope="session")
def loaded_engine(qwen_folder: Path) -> QwenLayeredEngine:
    """The engine of that folder; it keeps nothing between runs, which the tests rely on and prove."""
    engine = QwenLayeredEngine(setup_of(qwen_folder), dtype=torch.float32)
    for _ in engine.load():
        pass
    return engine


@pytest.fixture
def qwen(loaded_engine: QwenLayeredEngine, small_pictures: None) -> QwenLayeredEngine:
    """The loaded engine, working on small pictures."""
    return loaded_engine
