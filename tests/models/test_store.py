"""The list of models on disk: whole or not at all, and never overwritten when it cannot be understood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.errors import FileWriteFailed, SettingsError
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.models.store import load_models, models_file, save_models
from psdstudio.settings import Folders

_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_MODELS = st.builds(
    ModelFile,
    kind=st.sampled_from(ModelKind),
    path=_WORDS,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    title=_WORDS,
    size_bytes=st.integers(0, 2**40),
    facts=st.lists(st.tuples(_WORDS, _WORDS), max_size=3).map(tuple),
)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.of_user({"PSDSTUDIO_HOME": str(tmp_path)})


@given(models=st.lists(_MODELS, max_size=4))
def test_a_list_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, models: list[ModelFile]
) -> None:
    folders = Folders.of_user({"PSDSTUDIO_HOME": str(tmp_path_factory.mktemp("home"))})
    assert load_models(folders) == ()
    save_models(folders, models)
    assert load_models(folders) == tuple(models)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no usable version"),
        (b"{}", "no usable version"),
        (b'{"schema_version": "1", "models": []}', "no usable version"),
        (b'{"schema_version": true, "models": []}', "no usable version"),
        (b'{"schema_version": 2, "models": []}', "newer PSDStudio"),
        (b'{"schema_version": 1}', "models"),
        (b'{"schema_version": 1, "models": [], "more": 1}', "more"),
        (b'{"schema_version": 1, "models": [{"kind": "LORA"}]}', "path"),
        (b" " * (4 * 2**20 + 1), "far too large"),
    ],
)
def test_a_damaged_list_is_named_and_left_alone(folders: Folders, text: bytes, sentence: str) -> None:
    path = models_file(folders)
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with pytest.raises(SettingsError) as caught:
        load_models(folders)
    assert str(path) in caught.value.user_message
    assert sentence in caught.value.user_message
    assert path.read_bytes() == text


def test_an_unknown_kind_is_refused(folders: Folders) -> None:
    model = ModelFile(kind=ModelKind.LORA, path="/a", sha256="0" * 64, title="a", size_bytes=1)
    save_models(folders, [model])
    path = models_file(folders)
    path.write_text(path.read_text().replace("LORA", "PAINTING"))
    with pytest.raises(SettingsError, match="no kind “PAINTING”"):
        load_models(folders)


def test_a_list_that_cannot_be_written_leaves_the_old_one(folders: Folders) -> None:
    save_models(folders, [])
    path = models_file(folders)
    old = path.read_bytes()
    model = ModelFile(kind=ModelKind.LORA, path="/a", sha256="0" * 64, title="a", size_bytes=1)
    path.unlink()
    path.mkdir()
    with pytest.raises(FileWriteFailed):
        save_models(folders, [model])
    path.rmdir()
    path.write_bytes(old)
    assert json.loads(old) == {"schema_version": 1, "models": []}
    assert load_models(folders) == ()
