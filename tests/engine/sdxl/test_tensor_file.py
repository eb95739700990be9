"""Files of any content: tensors come back as they were, everything else is a sentence that names the file."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

from psdstudio.engine.sdxl.tensor_file import fill, read_metadata, read_names, read_tensors
from psdstudio.errors import ModelLoadFailed, ModelNotFound

pytestmark = pytest.mark.torch


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = {
        "half": torch.randn(3, 4).half(),
        "brain": torch.randn(5).bfloat16(),
        "single": torch.randn(2, 2),
        "whole": torch.arange(4),
        "empty": torch.zeros(0, 3),
        "number": torch.tensor(2.0),
    }
    save_file(state, path, metadata={"who": "me"})
    read = read_tensors(path)
    assert read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)
    assert set(read_names(path)) == set(state) and read_metadata(path) == {"who": "me"}
    wide = read_tensors(path, dtype=torch.float32, wanted=lambda name: name != "half")
    assert "half" not in wide and wide["brain"].dtype == torch.float32 and wide["whole"].dtype == torch.int64


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelLoadFailed, match=r"x\.safetensors"):
        read_tensors(path)


@given(st.data())
def test_cut_off_and_overwritten_files_never_give_other_tensors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut anywhere: an error. Overwritten in the header: an error, or tensors of the file's own bytes."""
    whole = save({"a": torch.ones(4, 4), "b": torch.zeros(7)})
    path = tmp_path_factory.mktemp("cut") / "x.safetensors"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ModelLoadFailed):
        read_tensors(path)
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    try:
        read = read_tensors(path)
    except ModelLoadFailed:
        return
    assert sum(tensor.numel() * tensor.element_size() for tensor in read.values()) <= len(whole)


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
        {"a": ENTRY, "b": ENTRY},
        {"a": {**ENTRY, "dtype": "F99"}},
        {"a": {**ENTRY, "shape": [-1]}},
        {"a": 3},
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, header: dict[str, object]) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    with pytest.raises(ModelLoadFailed):
        read_tensors(path)
    path.write_bytes(struct.pack("<Q", 2**63) + text)
    with pytest.raises(ModelLoadFailed):
        read_names(path)


def test_pickles_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(ModelLoadFailed):
        read_tensors(path)
    with pytest.raises(ModelNotFound):
        read_tensors(tmp_path / "none.safetensors")


def test_many_wrong_names_are_counted() -> None:
    module = nn.Linear(2, 3)
    with pytest.raises(ModelLoadFailed, match=r"Mine lacks tensors: weight, bias\."):
        fill(module, {}, source="Mine")
    state = {**module.state_dict(), **{f"extra{i}": torch.ones(1) for i in range(5)}}
    with pytest.raises(
        ModelLoadFailed, match=r"Mine holds unknown tensors: extra0, extra1, extra2 and 2 more\."
    ):
        fill(module, state, source="Mine")
    with pytest.raises(ModelLoadFailed, match=r"bias \(one number where 3 is expected\)"):
        fill(module, {**module.state_dict(), "bias": torch.tensor(1.0)}, source="Mine")
