"""The toy pack, written once for the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.words import WordBank
from tests.training.toys import material, write_pack


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy pack, not to be changed."""
    return write_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="session")
def library(pack: Path) -> SpriteLibrary:
    """Its training split."""
    return material(pack).library


@pytest.fixture(scope="session")
def bank() -> WordBank:
    """One word bank; it only ever grows, and a caption's states never change."""
    return WordBank()
