"""Laws of the shipped text encoder: it agrees with the fp32 original and knows paraphrases."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.resources_path import resource_dir

GOLDEN = Path(__file__).parent / "text_encoder_golden.npz"


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load(resource_dir("text_encoder"))


def test_agrees_with_the_fp32_original(encoder: TextEncoder) -> None:
    golden = np.load(GOLDEN)
    ours = encoder.embed([str(text) for text in golden["texts"]])
    cosine = (ours * golden["vectors"]).sum(axis=1)
    assert len(cosine) >= 20
    assert cosine.min() >= 0.99


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("puppy", "dog", "teapot"),
        ("sedan", "car", "swan"),
        ("couch", "sofa", "duck"),
        ("hamburger", "burger", "lamp"),
        ("sailing boat", "sailboat", "bicycle"),
    ],
)
def test_paraphrases_are_near(encoder: TextEncoder, word: str, near: str, far: str) -> None:
    a, b, c = encoder.embed([word, near, far])
    assert float(a @ b) > 0.6
    assert float(a @ b) > float(a @ c) + 0.2


def test_batching_and_padding_change_nothing(encoder: TextEncoder) -> None:
    texts = ["a swan", "a very small red porcelain teapot beside two cups", "dog", ""] * 12
    together, mask = encoder.encode_tokens(texts, max_tokens=16)
    alone, mask_alone = encoder.encode_tokens(texts[1:2], max_tokens=16)
    np.testing.assert_allclose(together[1], alone[0], atol=2e-5)
    np.testing.assert_array_equal(mask[1], mask_alone[0])
    assert not together[~mask].any()
    assert mask[3].sum() == 2  # an empty text is [CLS] [SEP]


def test_long_text_keeps_its_end_marker(encoder: TextEncoder) -> None:
    full = encoder.token_ids("red car " * 40, 64)
    cut = encoder.token_ids("red car " * 40, 16)
    assert len(full) == 64
    assert len(cut) == 16
    assert cut[-1] == full[-1]
    with pytest.raises(ValueError, match="max_tokens"):
        encoder.encode_tokens(["x"], max_tokens=65)


@pytest.mark.parametrize("rare", ["zyzzyva", "flibbertigibbet", "capybara"])
def test_rare_words_still_parse_into_known_pieces(encoder: TextEncoder, rare: str) -> None:
    unknown = encoder.token_ids("漢")[1]
    assert unknown not in encoder.token_ids(rare)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_unit_vector(encoder: TextEncoder, text: str) -> None:
    assert np.linalg.norm(encoder.embed([text])[0]) == pytest.approx(1.0, abs=1e-4)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"model\.safetensors"):
        TextEncoder.load(tmp_path)
    source = resource_dir("text_encoder")
    shutil.copy(source / "vocab.txt", tmp_path)
    (tmp_path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelLoadFailed, match="damaged"):
        TextEncoder.load(tmp_path)
    shutil.copy(source / "model.safetensors", tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "utf-8")
    with pytest.raises(ModelLoadFailed, match="words"):
        TextEncoder.load(tmp_path)


def test_a_missing_resource_is_named() -> None:
    with pytest.raises(ModelNotFound, match="no_such_part"):
        resource_dir("no_such_part")
