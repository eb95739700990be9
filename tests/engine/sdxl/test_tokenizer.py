"""The tokenizer gives the ids of OpenAI's CLIP; the table was made with the package's own tokenizer."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from psdstudio.engine.sdxl import tokenizer as module
from psdstudio.engine.sdxl.tokenizer import (
    MERGES,
    VOCABULARY_SIZE,
    byte_letters,
    clip_merges,
    clip_tokenizers,
    clip_vocabulary,
)
from psdstudio.errors import ModelLoadFailed

pytestmark = pytest.mark.torch

FROZEN = {
    "a photo of a cat": "320 1125 539 320 2368",
    "it's 1,234.50 dollars": "585 568 272 267 273 274 275 269 276 271 10669",
    "naïve café; über straße": "1097 35689 563 15304 282 6522 1516 1894 127 253 324",
    "xxxxxxxxxxxxxxx": "32035 32035 32035 8352",
    "A Red Fox, sleeping under the old oak's shade!": "320 736 3240 267 6982 1798 518 896 7221 568 10097 256",
    "日本語のテキスト と 中文": "39121 44353 34002 252 21575 2429 228 47121 32421 486 4813 357 19759 255 29032 485",
    "🦊🌲 emoji": "6040 232 28154 16327",
    "don't we'll they're I'd": "847 713 649 1342 889 982 328 1896",
    "   many   spaces\n\ttabs  ": "1346 9006 29163",
    "ALL CAPS WORDS": "615 23185 2709",
    "supercalifragilisticexpialidocious": "1642 2857 13093 2076 5868 26850 835 639 38466",
    "": "",
    "#hash_tag @at $%^&*()": "258 19199 318 3640 287 536 3 4 61 5 9 8475",
    "3d render, 8k, f/1.8, 50mm": "274 323 13024 267 279 330 267 325 270 272 269 279 267 276 271 2848",
    "O'Brien's 'quoted' text": "334 262 13504 568 262 27706 262 4160",
    "ÀÉÎÕÜ àéîõü": "36149 3459 48704 127 113 47177 36149 3459 48704 127 113 47177",
    "1234567890": "272 273 274 275 276 277 278 279 280 271",
    "hello-world/foo\\bar": "3306 268 1002 270 23435 315 2411",
    "zendaya": "35956",
    "mounting predictable ble swt smith trav hassan": "29910 25344 1059 38878 2915 46955 15829",
    "stuffed": "11781",
    "osborne urn studied bermu atic atu begins hops masses": "22402 38075 21369 867 6411 2647 24295 4635 21137 22978",
    "cbj padma dogday crescent creepy melan afe alization": "35608 46457 27475 18211 11943 1902 550 13912 8026",
    "dumped": "23768",
    "block merry": "4593 5779",
    "chew dayin markus omg nurture": "22642 1405 530 33725 3186 38865",
}


@pytest.fixture(scope="module")
def tokenizers() -> tuple[Any, Any]:
    return clip_tokenizers()


@pytest.mark.parametrize("text", FROZEN, ids=range(len(FROZEN)))
def test_ids_are_those_of_clip(tokenizers: tuple[Any, Any], text: str) -> None:
    for tokenizer in tokenizers:
        assert tokenizer(text).input_ids == [49406, *map(int, FROZEN[text].split()), 49407]


def test_paddings_differ(tokenizers: tuple[Any, Any]) -> None:
    first, second = (
        tokenizer("a swan", padding="max_length", truncation=True, max_length=77).input_ids
        for tokenizer in tokenizers
    )
    assert first == [49406, 320, 12530, 49407, *[49407] * 73]
    assert second == [49406, 320, 12530, 49407, *[0] * 73]


def test_long_texts_are_cut_to_the_positions_of_the_encoder(tokenizers: tuple[Any, Any]) -> None:
    ids = tokenizers[0]("cat " * 200, truncation=True).input_ids
    assert len(ids) == 77 and ids[-1] == 49407


def test_vocabulary_numbers_every_token_once() -> None:
    vocabulary = clip_vocabulary(clip_merges())
    assert len(vocabulary) == VOCABULARY_SIZE and set(vocabulary.values()) == set(range(VOCABULARY_SIZE))
    assert (
        vocabulary["<|startoftext|>"] == 49406
        and vocabulary["<|endoftext|>"] == 49407
        and vocabulary["!"] == 0
    )
    assert vocabulary["cat</w>"] == 2368


def test_every_byte_has_a_letter_that_can_be_written() -> None:
    letters = byte_letters()
    assert len(set(letters)) == 256 and not any(letter.isspace() for letter in letters)


@pytest.mark.parametrize(
    "content", [b"", b"not gzip", gzip.compress(b"a b\n" * 10), gzip.compress(b"a b c\n" * MERGES)]
)
def test_damaged_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    path = tmp_path / "merges.gz"
    path.write_bytes(content)
    monkeypatch.setattr(module, "resource_dir", lambda part: path)
    with pytest.raises(ModelLoadFailed, match="tokenizer's list"):
        clip_merges()
