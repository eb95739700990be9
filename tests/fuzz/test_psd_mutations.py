"""Damaged PSD files through the reading process: a document or a sentence, never anything else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from psdstudio.errors import FileError
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_reader import PsdReader
from tests.fuzz.psd_mutations import _fields, mutations
from tests.io.documents import scene_document

_OF_THE_PROCESS = ("took longer", "took more memory", "the process that reads it failed")


def _outcomes(tmp_path: Path, seeds: range) -> Counter[str]:
    """Read one damaged file per seed; raises what is no `FileError`."""
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    original, outcomes = path.read_bytes(), Counter[str]()
    with PsdReader() as reader:
        for seed in seeds:
            path.write_bytes(mutations(seed, original))
            try:
                document, _ = reader.read(path)
            except FileError as exc:
                failed = [words for words in _OF_THE_PROCESS if words in exc.user_message]
                outcomes[f"seed {seed}: {failed[0]}" if failed else "sentence"] += 1
            else:
                outcomes["document" if document.validate() == [] else f"seed {seed}: unsound"] += 1
    return outcomes


def test_damaged_files_end_in_a_document_or_a_sentence(tmp_path: Path) -> None:
    outcomes = _outcomes(tmp_path, range(150))
    assert set(outcomes) == {"document", "sentence"}
    assert min(outcomes.values()) > 20


@pytest.mark.slow
def test_many_damaged_files(tmp_path: Path) -> None:
    assert set(_outcomes(tmp_path, range(1_000, 6_000))) == {"document", "sentence"}


def test_the_same_seed_gives_the_same_bytes() -> None:
    original = bytes(range(256)) * 8
    assert [mutations(seed, original) for seed in range(50)] == [
        mutations(seed, original) for seed in range(50)
    ]
    assert sum(mutations(seed, original) != original for seed in range(50)) > 40
    assert mutations(1, b"x") != mutations(1, b"xyz")


def test_the_structure_is_followed(tmp_path: Path) -> None:
    """Most single changes of a field hit numbers that a reader believes: they are found in the whole file."""
    path = tmp_path / "a.psd"
    export_psd(scene_document(), path)
    fields = list(_fields(path.read_bytes()))
    assert len(fields) > 150
    assert max(field.at for field in fields) > path.stat().st_size // 2
