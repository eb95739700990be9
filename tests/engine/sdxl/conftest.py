"""The photoreal engine on tiny random weights, made once for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from psdstudio.engine.sdxl.engine import PhotorealEngine
from psdstudio.gen.model_files import EngineSetup
from tests.engine.sdxl import tiny_models
from tests.engine.sdxl.engine_runs import loaded


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> EngineSetup:
    return tiny_models.write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def engine(setup: EngineSetup) -> Iterator[PhotorealEngine]:
    made = loaded(setup)
    yield made
    made.close()
