"""A small English text encoder (all-MiniLM-L6-v2, pruned vocabulary, int8 weights) in plain numpy.

The network is a BERT (Devlin et al. 2018) of 6 layers, width 384, 12 heads; weights by sentence-transformers,
Apache-2.0. Matrices are stored as int8 with one fp16 scale per output row and expanded to float32 at load.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from psdstudio.errors import ModelLoadFailed, ModelNotFound

if TYPE_CHECKING:
    from tokenizers import BertWordPieceTokenizer

F32 = NDArray[np.float32]
BoolMask = NDArray[np.bool_]

WIDTH = 384
HEADS = 12
LAYERS = 6
MAX_TOKENS = 64
_NORM_EPS = 1e-12
_BATCH = 32  # rows a forward: larger batches fall out of the cache and are slower on small CPUs
_HINT = "Install PSDStudio again, or fetch the complete source tree."


@dataclass(frozen=True, slots=True)
class _Linear:
    """Weight (in, out), contiguous, and bias (out,)."""

    weight: F32
    bias: F32

    def __call__(self, x: F32) -> F32:
        out: F32 = x @ self.weight + self.bias
        return out


@dataclass(frozen=True, slots=True)
class _Norm:
    """Layer normalisation over the last axis."""

    gain: F32
    bias: F32

    def __call__(self, x: F32) -> F32:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        out: F32 = centred / np.sqrt(variance + np.float32(_NORM_EPS)) * self.gain + self.bias
        return out


@dataclass(frozen=True, slots=True)
class _Block:
    """One transformer layer, normalised after each residual as in the original BERT."""

    qkv: _Linear
    attention_out: _Linear
    attention_norm: _Norm
    inner: _Linear
    outer: _Linear
    outer_norm: _Norm

    def __call__(self, x: F32, bias: F32) -> F32:
        """x (n, s, 384) -> (n, s, 384); bias (n, 1, 1, s) is 0 for words and very negative for padding."""
        x = self.attention_norm(x + self.attention_out(_attend(self.qkv(x), bias)))
        return self.outer_norm(x + self.outer(_gelu(self.inner(x))))


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """Words to vectors. Immutable after load; use it from one thread at a time (the tokenizer is shared).

    `fingerprint` identifies weights and vocabulary (sha256, first 16 hex digits), for caches of token states.
    """

    fingerprint: str
    _tokenizer: BertWordPieceTokenizer
    _words: F32  # (vocabulary, 384)
    _positions: F32  # (64, 384), the token type 0 row already added
    _norm: _Norm
    _blocks: tuple[_Block, ...]
    _special: tuple[int, int, int]  # ids of [CLS], [SEP], [PAD]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``model.safetensors`` and ``vocab.txt``.

        Raises:
            ModelNotFound: A file is missing.
            ModelLoadFailed: A file is damaged or of another layout.
        """
        # Imported here so that a program that never asks for words does not pay for the tokenizer.
        import hashlib

        from safetensors import SafetensorError
        from safetensors.numpy import load as parse
        from tokenizers import BertWordPieceTokenizer

        raw = _read(folder / "model.safetensors")
        vocabulary_bytes = _read(folder / "vocab.txt")
        try:
            pieces = vocabulary_bytes.decode("utf-8").split("\n")
            vocabulary = {piece: i for i, piece in enumerate(pieces) if piece}
            special = (vocabulary["[CLS]"], vocabulary["[SEP]"], vocabulary["[PAD]"])
            tensors = parse(raw)
            words, positions, norm, blocks = _unpack(tensors, vocabulary_size=len(vocabulary))
            tokenizer = BertWordPieceTokenizer(vocab=vocabulary, lowercase=True)
        except (SafetensorError, KeyError, ValueError) as exc:
            raise ModelLoadFailed(f"The text encoder in {folder} is damaged: {exc}", _HINT) from exc
        digest = hashlib.sha256(raw + vocabulary_bytes).hexdigest()[:16]
        return cls(digest, tokenizer, words, positions, norm, blocks, special)

    def encode_tokens(self, texts: Sequence[str], max_tokens: int = 16) -> tuple[F32, BoolMask]:
        """Last hidden state of every token, [CLS] and [SEP] included.

        Args:
            texts: n texts; one that is too long is cut, its [SEP] kept.
            max_tokens: s, 3..64.

        Returns:
            States (n, s, 384) float32, zero where there is no token; mask (n, s), true where there is one.
        """
        if not 3 <= max_tokens <= MAX_TOKENS:
            raise ValueError(f"max_tokens must be 3..{MAX_TOKENS}, not {max_tokens}")
        rows = [self.token_ids(text, max_tokens) for text in texts]
        states = np.zeros((len(rows), max_tokens, WIDTH), np.float32)
        mask = np.zeros((len(rows), max_tokens), np.bool_)
        # Texts of like length share a batch: padding costs as much as words.
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            longest = max(len(rows[i]) for i in chosen)
            ids = np.full((len(chosen), longest), self._special[2], np.int64)
            for at, i in enumerate(chosen):
                ids[at, : len(rows[i])] = rows[i]
                mask[i, : len(rows[i])] = True
            part = mask[chosen, :longest]
            states[chosen, :longest] = self._forward(ids, part) * part[..., None]
        return states, mask

    def embed(self, texts: Sequence[str]) -> F32:
        """One vector per text: the mean of its token states at length 1; (n, 384) float32."""
        if not texts:
            return np.zeros((0, WIDTH), np.float32)
        states, mask = self.encode_tokens(texts, MAX_TOKENS)
        mean = states.sum(axis=1) / mask.sum(axis=1, keepdims=True)
        length = np.sqrt((mean * mean).sum(axis=1, keepdims=True))
        unit: F32 = (mean / length).astype(np.float32)
        return unit

    def token_ids(self, text: str, max_tokens: int = MAX_TOKENS) -> list[int]:
        """Ids of [CLS], the word pieces and [SEP], at most `max_tokens` of them."""
        cls_id, sep_id, _ = self._special
        # A lone surrogate (possible in text from the clipboard) cannot cross into the tokenizer.
        clean = text.encode("utf-8", "replace").decode("utf-8")
        pieces = self._tokenizer.encode(clean, add_special_tokens=False).ids
        return [cls_id, *pieces[: max_tokens - 2], sep_id]

    def is_word(self, text: str) -> bool:
        """Whether the text is one whole piece of the encoder's vocabulary; a rare word falls into several."""
        return len(self.token_ids(text)) == 3

    def _forward(self, ids: NDArray[np.int64], mask: BoolMask) -> F32:
        """Ids (n, s) and mask (n, s) -> last hidden state (n, s, 384)."""
        x = self._norm(self._words[ids] + self._positions[: ids.shape[1]])
        bias = np.where(mask, np.float32(0), np.float32(-1e9))[:, None, None, :]
        for block in self._blocks:
            x = block(x, bias)
        return x


def _attend(qkv: F32, bias: F32) -> F32:
    """Multi-head attention; qkv (n, s, 1152) with queries, keys, values side by side -> (n, s, 384)."""
    n, s, _ = qkv.shape
    size = WIDTH // HEADS
    q, k, v = qkv.reshape(n, s, 3, HEADS, size).transpose(2, 0, 3, 1, 4)
    scores = q @ k.transpose(0, 1, 3, 2) * np.float32(1 / math.sqrt(size)) + bias
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = scores / scores.sum(axis=-1, keepdims=True)
    out: F32 = (weights @ v).transpose(0, 2, 1, 3).reshape(n, s, WIDTH)
    return out


def _gelu(x: F32) -> F32:
    """Exact GELU, with erf by Abramowitz & Stegun 7.1.26 (error below 2e-7): numpy has no erf."""
    z = np.abs(x) * np.float32(1 / math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly: F32 = np.full_like(t, 1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly = np.asarray(poly * t + np.float32(c), np.float32)
    erf = 1 - poly * t * np.exp(-z * z)
    out: F32 = np.float32(0.5) * x * (1 + np.copysign(erf, x))
    return out


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ModelNotFound(f"The text encoder's file {path} cannot be read.", _HINT) from exc


def _unpack(
    tensors: Mapping[str, NDArray[np.generic]], *, vocabulary_size: int
) -> tuple[F32, F32, _Norm, tuple[_Block, ...]]:
    """Expand stored tensors to float32 and check every shape.

    Raises:
        KeyError: A tensor is missing.
        ValueError: A tensor has another shape than this network needs.
    """

    def table(name: str, rows: int, columns: int) -> F32:
        stored, scale = tensors[name], tensors[f"{name}.scale"]
        if stored.shape != (rows, columns) or stored.dtype != np.int8 or scale.shape != (rows,):
            raise ValueError(f"{name} is {stored.dtype}{stored.shape}, not int8{(rows, columns)}")
        return stored.astype(np.float32) * scale.astype(np.float32)[:, None]

    def vector(name: str, size: int) -> F32:
        stored = tensors[name]
        if stored.shape != (size,):
            raise ValueError(f"{name} has shape {stored.shape}, not {(size,)}")
        return stored.astype(np.float32)

    def linear(name: str, outputs: int, inputs: int) -> _Linear:
        weight = np.ascontiguousarray(table(f"{name}.weight", outputs, inputs).T)
        return _Linear(weight, vector(f"{name}.bias", outputs))

    def norm(name: str) -> _Norm:
        return _Norm(vector(f"{name}.weight", WIDTH), vector(f"{name}.bias", WIDTH))

    blocks = tuple(
        _Block(
            qkv=linear(f"layer.{i}.qkv", 3 * WIDTH, WIDTH),
            attention_out=linear(f"layer.{i}.attention_out", WIDTH, WIDTH),
            attention_norm=norm(f"layer.{i}.attention_norm"),
            inner=linear(f"layer.{i}.inner", 4 * WIDTH, WIDTH),
            outer=linear(f"layer.{i}.outer", WIDTH, 4 * WIDTH),
            outer_norm=norm(f"layer.{i}.outer_norm"),
        )
        for i in range(LAYERS)
    )
    words = table("words", vocabulary_size, WIDTH)
    return words, table("positions", MAX_TOKENS, WIDTH), norm("norm"), blocks
