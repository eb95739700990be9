"""CLIP's byte-pair tokenizer, built from the merges that ship with the program: no model folder has to hold one.

The list of merges is that of OpenAI's CLIP (MIT licence, see NOTICE); vocabulary and merges are the same for both text
encoders of every SDXL, which differ only in what they pad with.
"""

from __future__ import annotations

import gzip
from typing import Any

from psdstudio.engine.sdxl.libraries import CLIPTokenizer
from psdstudio.errors import ModelLoadFailed
from psdstudio.resources_path import resource_dir

MERGES = 48_894
VOCABULARY_SIZE = 49_408
"""256 bytes, 256 bytes at the end of a word, one token per merge, start and end."""
START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 77
"""Positions of CLIP's text encoders, start and end included."""
_WORD_END = "</w>"
_MAX_BYTES = 4_000_000


def clip_tokenizers() -> tuple[Any, Any]:
    """Return transformers' tokenizers of the first and of the second text encoder.

    The first pads with the end token, the second with "!" (id 0), as the published configurations have it.

    Raises:
        ModelNotFound: The list of merges does not lie with the program.
        ModelLoadFailed: It is damaged.
    """
    merges = clip_merges()
    vocabulary = clip_vocabulary(merges)

    # transformers ignores `vocab_file` and `merges_file` since version 5, and without a length it pads to 10^30.
    first, second = (
        CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS) for _ in range(2)
    )
    # Afterwards: given at once, "!" becomes a special token, and "Look!" ends in id 0 where CLIP has 256 ("!</w>").
    second.pad_token = "!"
    return first, second


def clip_merges() -> list[tuple[str, str]]:
    """Return the 48,894 pairs of tokens that are merged, the most frequent first.

    Raises:
        ModelNotFound: The list of merges does not lie with the program.
        ModelLoadFailed: It is damaged.
    """
    path = resource_dir("sdxl/clip_merges.txt.gz")
    try:
        with gzip.open(path) as file:
            text = file.read(_MAX_BYTES).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as exc:
        raise ModelLoadFailed(
            f"The tokenizer's list cannot be read: {path}", "Install PSDStudio again."
        ) from exc
    pairs = [tuple(line.split(" ")) for line in text.splitlines()]
    merges = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    if len(merges) != MERGES or len(pairs) != MERGES:
        raise ModelLoadFailed(f"The tokenizer's list is damaged: {path}", "Install PSDStudio again.")
    return merges


def clip_vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Return token -> id: bytes, bytes that end a word, merges in their order, start and end (ids 49406, 49407)."""
    letters = byte_letters()
    tokens = [*letters, *(letter + _WORD_END for letter in letters), *(a + b for a, b in merges), START, END]
    return {token: i for i, token in enumerate(tokens)}


def byte_letters() -> list[str]:
    """Return the letters that stand for the 256 bytes in CLIP's (GPT-2's) order: printable ones first, as themselves.

    The others get the code points from 256 on, so that no token holds a space or a control character.
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(hidden))]
