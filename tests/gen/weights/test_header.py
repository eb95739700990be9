"""Headers of safetensors files: exact on good files, one sentence on any other, whatever its bytes are."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from psdstudio.errors import ModelError, ModelLoadFailed, ModelNotFound
from psdstudio.gen.weights.header import MAX_HEADER_BYTES, MAX_NAME_CHARS, read_header
from psdstudio.gen.weights.inventory import read_inventory
from psdstudio.gen.weights.recognition import recognise
from tests.gen.weights import samples

_DTYPES = ["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]
_SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
_TENSORS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda n: n != "__metadata__"),
    st.tuples(_SHAPES, st.sampled_from(_DTYPES)),
    min_size=1,
    max_size=6,
)
_WORDS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), st.text(max_size=9), max_size=3)


@given(tensors=_TENSORS, words=_WORDS.filter(lambda w: all(v.isprintable() for v in w.values())))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, tuple[tuple[int, ...], str]],
    words: dict[str, str],
) -> None:
    path = tmp_path_factory.mktemp("w") / "a.safetensors"
    arrays = {name: np.full(shape, 1, dtype) for name, (shape, dtype) in tensors.items()}
    save_file(arrays, path, metadata=words)
    header = read_header(path)
    assert header.shapes == {name: array.shape for name, array in arrays.items()}
    assert dict(header.metadata) == words
    assert header.size_bytes == path.stat().st_size
    content = path.read_bytes()
    for entry in header.entries:
        assert content[entry.begin : entry.end] == arrays[entry.name].tobytes()


@pytest.mark.parametrize("keep", [1, 7, 8, 9, 100, -1, -100])
def test_a_file_that_is_cut_off_says_so(tmp_path: Path, keep: int) -> None:
    content = samples.write(tmp_path / "a.safetensors", samples.transparent_encoder()).read_bytes()
    path = tmp_path / "b.safetensors"
    path.write_bytes(content[:keep])
    with pytest.raises(ModelLoadFailed) as caught:
        read_header(path)
    if keep not in (1, 7, 8):  # so little is left that nothing tells what it was
        assert "is cut off: it has" in caught.value.user_message
        assert "Download the file again" in caught.value.hint


def _file(table: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(begin: int = 0, end: int = 4, **changed: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [1], "data_offsets": [begin, end], **changed}


HOSTILE: list[tuple[str, bytes, str]] = [
    ("huge length", _file({}, length=2**63), "claims a list of tensors"),
    ("length beyond the limit", _file({}, length=MAX_HEADER_BYTES + 1), "claims a list of tensors"),
    ("length beyond the file", _file({}, length=1000), "is cut off"),
    ("no JSON", _file(b"{no"), "cannot be read"),
    ("deep JSON", _file(b'{"a":' * 100_000), "cannot be read"),
    ("deep lists", _file(b'{"a":' + b"[" * 1_000_000), "cannot be read"),
    ("no UTF-8", _file(b'{"\xff": 1}'), "cannot be read"),
    ("huge number", _file(b'{"a": ' + b"9" * 100_000 + b"}"), "cannot be read"),
    ("no number", _file(b'{"a": NaN}'), "cannot be read"),
    ("nothing in it", _file({}), "holds no tensors"),
    ("a name twice", _file(b'{"a": 1, "a": 2}'), "cannot be read"),
    ("name of 1 MB", _file({"n" * 2**20: _tensor()}, bytes(4)), "name has 1,048,576 characters"),
    ("empty name", _file({"": _tensor()}, bytes(4)), "name has 0 characters"),
    ("no tensor", _file({"a": 1}), "not described as a tensor"),
    ("no offsets", _file({"a": {"dtype": "F32", "shape": [1]}}), "not described as a tensor"),
    ("more than a tensor", _file({"a": _tensor(more=1)}, bytes(4)), "not described as a tensor"),
    ("unknown numbers", _file({"a": _tensor(dtype="F33")}, bytes(4)), "an unknown kind"),
    ("numbers of no kind", _file({"a": _tensor(dtype=[])}, bytes(4)), "an unknown kind"),
    ("negative shape", _file({"a": _tensor(shape=[-1])}, bytes(4)), "no usable shape"),
    ("shape of fractions", _file({"a": _tensor(shape=[1.0])}, bytes(4)), "no usable shape"),
    ("shape of truths", _file({"a": _tensor(shape=[True])}, bytes(4)), "no usable shape"),
    ("endless shape", _file({"a": _tensor(shape=[1] * 1000)}, bytes(4)), "no usable shape"),
    ("shape beyond bytes", _file({"a": _tensor(shape=[2**40, 2**40])}, bytes(4)), "does not fit its bytes"),
    ("backwards", _file({"a": _tensor(4, 0)}, bytes(4)), "no usable place"),
    ("three offsets", _file({"a": _tensor(data_offsets=[0, 4, 8])}, bytes(8)), "no usable place"),
    ("overlap", _file({"a": _tensor(), "b": _tensor(2, 6)}, bytes(6)), "overlaps"),
    ("twice the same bytes", _file({"a": _tensor(), "b": _tensor()}, bytes(4)), "overlaps"),
    ("hole", _file({"a": _tensor(), "b": _tensor(8, 12)}, bytes(12)), "leaves a hole"),
    ("hole at the beginning", _file({"a": _tensor(4, 8)}, bytes(8)), "leaves a hole"),
    ("bytes left over", _file({"a": _tensor()}, bytes(5)), "1 bytes more"),
    ("metadata of no words", _file({"__metadata__": {"a": 1}, "b": _tensor()}, bytes(4)), "metadata"),
    ("metadata of no kind", _file({"__metadata__": [], "b": _tensor()}, bytes(4)), "metadata"),
]


@pytest.mark.parametrize(("content", "sentence"), [case[1:] for case in HOSTILE], ids=[c[0] for c in HOSTILE])
def test_hostile_headers_are_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelLoadFailed) as caught:
        read_header(path)
    assert sentence in caught.value.user_message
    assert len(caught.value.user_message) < 300
    assert caught.value.hint


def test_too_many_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(_file({f"t{n}": _tensor(shape=[0], data_offsets=[0, 0]) for n in range(100_001)}))
    with pytest.raises(ModelLoadFailed, match="claims 100,001 tensors"):
        read_header(path)


def test_names_are_shown_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(_file(b'{"a\\n\\ud800\\u001b[2J": 1}'))
    with pytest.raises(ModelLoadFailed) as caught:
        read_header(path)
    assert "“a???[2J”" in caught.value.user_message
    longest = "n" * MAX_NAME_CHARS
    path.write_bytes(_file({longest: _tensor()}, bytes(4)))
    assert longest in read_header(path).shapes


def _zipped_pickle() -> bytes:
    """As torch.save writes a checkpoint since 2020."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"a": 1}))
        archive.writestr("model/version", "3")
    return out.getvalue()


def _plain_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "words")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (_zipped_pickle(), "is a pickle checkpoint: such a file can run any program"),
        *((pickle.dumps({"a": 1}, protocol=n), "is a pickle checkpoint") for n in (2, 3, 4, 5)),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "is a pickle checkpoint"),
        (_plain_zip(), "is an archive"),
        (b"GGUF\x03\x00\x00\x00" + bytes(20), "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "only a pointer"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"", "is empty"),
        (b"words that are no model", "is not a safetensors file"),
    ],
)
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_what_is_no_safetensors_file_is_told_by_its_content(
    tmp_path: Path, content: bytes, sentence: str, ending: str
) -> None:
    path = tmp_path / f"model.{ending}"
    path.write_bytes(content)
    with pytest.raises(ModelLoadFailed) as caught:
        read_header(path)
    assert sentence in caught.value.user_message
    assert caught.value.hint


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    harm = tmp_path / "harm"

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (harm,)

    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(ModelLoadFailed, match="pickle"):
        recognise(path)
    assert not harm.exists()


@given(content=st.binary(max_size=200))
@settings(max_examples=60)
def test_any_bytes_are_refused_in_words(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelLoadFailed):
        recognise(path)


@given(place=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.integers(0, 400), data=st.data())
@settings(max_examples=200)
def test_a_damaged_header_is_refused_or_still_whole(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, cut: int, data: st.DataObject
) -> None:
    tensors = {name: np.zeros(shape, "float16") for name, shape in samples.kohya_lora().items()}
    content = bytearray(save(tensors))
    header_end = 8 + int.from_bytes(content[:8], "little")
    content[place % header_end] = value
    if data.draw(st.booleans()):
        del content[len(content) - cut :]
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(content)
    try:
        header = read_header(path)
    except ModelLoadFailed:
        return
    assert sum(e.end - e.begin for e in header.entries) + header.data_begin == len(content)
    with contextlib.suppress(ModelError):
        recognise(path)


def test_a_missing_or_forbidden_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        read_header(tmp_path / "nothing.safetensors")
    with pytest.raises(ModelNotFound):
        read_header(tmp_path)


def _sharded(folder: Path, weight_map: dict[str, Any]) -> Path:
    samples.write(folder / "m-00001-of-00002.safetensors", {"a": (2,)})
    samples.write(folder / "m-00002-of-00002.safetensors", {"b": (3,), "c": (1,)})
    index = folder / "m.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    one, two = "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"
    inventory = read_inventory(_sharded(tmp_path, {"a": one, "b": two, "c": two}))
    assert inventory.shapes == {"a": (2,), "b": (3,), "c": (1,)}
    assert [path.name for path in inventory.files] == [one, two]
    assert inventory.size_bytes == sum((tmp_path / name).stat().st_size for name in (one, two))


@pytest.mark.parametrize(
    ("weight_map", "sentence"),
    [
        ({"a": "../m.safetensors"}, "outside its folder"),
        ({"a": "/etc/passwd"}, "outside its folder"),
        ({"a": "m-00003-of-00002.safetensors"}, "lacks the file “m-00003-of-00002.safetensors”"),
        ({"a": "m-00001-of-00002.safetensors", "x": "m-00001-of-00002.safetensors"}, "does not fit"),
        ({"a": 1}, "cannot be read"),
        ({}, "cannot be read"),
        ({f"t{n}": f"{n}.safetensors" for n in range(100)}, "names 100 files"),
    ],
)
def test_bad_lists_of_several_files(tmp_path: Path, weight_map: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_inventory(_sharded(tmp_path, weight_map))
    assert sentence in caught.value.user_message
    assert caught.value.hint
