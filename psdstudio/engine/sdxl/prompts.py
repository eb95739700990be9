"""The words of all rows through SDXL's two text encoders.

Token states are `hidden_states[-2]` of both encoders side by side, the pooled state is the projection of the second
(Podell et al. 2307.01952, section 2.1), as in diffusers' `StableDiffusionXLPipeline.encode_prompt`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.row_adapters import RowAdapters
from psdstudio.engine.sdxl.rows import RowRole, SceneRow
from psdstudio.engine.sdxl.token_chunks import (
    CHUNK_LENGTH,
    CHUNK_TOKENS,
    MAX_LAYER_CHUNKS,
    Span,
    common_chunks,
    in_chunks,
    joined,
)
from psdstudio.errors import PromptError

Chunks = tuple[tuple[int, ...], ...]
Adapting = Callable[[tuple[Mapping[str, float], ...]], AbstractContextManager[object]]
"""Makes adapters act on both encoders while it is entered: one set for each entry of their batch."""
SHORTENED_NOTE = (
    "The layers together have more words than the picture of the whole scene reads: the first of each."
)


def adapting_rows(adapters: tuple[RowAdapters, RowAdapters], device: torch.device | str) -> Adapting:
    """Return how the adapters of both encoders act on rows; those that change no text encoder are passed over."""

    @contextmanager
    def adapting(sets: tuple[Mapping[str, float], ...]) -> Iterator[None]:
        with ExitStack() as entered:
            for own in adapters:
                named = [{name: row[name] for name in row if name in own.names} for row in sets]
                entered.enter_context(own.acting(own.strengths(named, device)))
            yield

    return adapting


def unadapted(_sets: tuple[Mapping[str, float], ...]) -> AbstractContextManager[object]:
    """Leave the encoders as they are."""
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextParts:
    """SDXL's tokenizers and text encoders (transformers), first and second.

    Both tokenizers have one vocabulary and differ in what they pad with. `zeros_for_empty`: a row without negative
    words has zeros for them (`force_zeros_for_empty_prompt` of the published model), not the states of an empty
    sentence. `adapting`: see `Adapting`.
    """

    tokenizers: tuple[Any, Any]
    encoders: tuple[Any, Any]
    zeros_for_empty: bool = True
    adapting: Adapting = unadapted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneText:
    """What the network reads of all rows, in their order.

    Attributes:
        words: (r, n, 2048) token states; n is a multiple of 77.
        pooled: (r, 1280).
        negative_words: As `words`.
        negative_pooled: As `pooled`.
        spans: Where the words of each layer stand among the composite's tokens.
        period: After how many tokens those of the composite, and the spans with them, are repeated.
        notes: What the user should read: that something was cut.
    """

    words: Tensor
    pooled: Tensor
    negative_words: Tensor
    negative_pooled: Tensor
    spans: Mapping[LayerId, tuple[Span, ...]] = field(default_factory=dict)
    period: int = CHUNK_LENGTH
    notes: tuple[str, ...] = ()

    def of_row(self, at: int) -> SceneText:
        """Return what the network reads of one row by itself, without the layers that its words speak of."""
        return replace(
            self,
            words=self.words[at : at + 1],
            pooled=self.pooled[at : at + 1],
            negative_words=self.negative_words[at : at + 1],
            negative_pooled=self.negative_pooled[at : at + 1],
            spans={},
        )


def encode_scene(
    parts: TextParts, rows: Sequence[SceneRow], *, device: torch.device | str = "cpu"
) -> SceneText:
    """Encode the words of all rows; a row alone with a short sentence is as in diffusers' pipeline, to the bit.

    The composite reads its own words first (they are the scene's, and belong to no layer), then those of the
    background and of the objects in the order of the rows. Each row is encoded by itself, so that its states do not
    depend on the others; what several rows say alike is encoded once.

    Raises:
        PromptError: A layer has more words than fit into three chunks of 75 tokens.
    """
    said, spans, shortened = _said(parts, rows)
    negative = [_layer_chunks(parts, row.negative, row) for row in rows]
    total = common_chunks([len(chunks) for chunks in (*said, *negative)])
    encoder = _Encoder(parts, device)
    adapters = [dict(row.adapters) for row in rows]
    pairs = [encoder.states(chunks, used) for chunks, used in zip(said, adapters, strict=True)]
    against = [
        encoder.silence() if parts.zeros_for_empty and not row.negative else encoder.states(chunks, used)
        for row, chunks, used in zip(rows, negative, adapters, strict=True)
    ]
    at = next((i for i, row in enumerate(rows) if row.identity.role is RowRole.COMPOSITE), None)
    return SceneText(
        words=torch.stack([_repeated(words, total) for words, _ in pairs]),
        pooled=torch.stack([pooled for _, pooled in pairs]),
        negative_words=torch.stack([_repeated(words, total) for words, _ in against]),
        negative_pooled=torch.stack([pooled for _, pooled in against]),
        spans={layer: pieces for layer, pieces in spans.items() if pieces},
        period=(total if at is None else len(said[at])) * CHUNK_LENGTH,
        notes=(SHORTENED_NOTE,) if shortened else (),
    )


def time_ids(rows: int, size_px: tuple[int, int], like: Tensor) -> Tensor:
    """Return SDXL's size conditioning (rows, 6): original size, crop 0, target size, each (height, width) in pixels.

    Podell et al. 2307.01952, section 2.2; of the dtype and on the device of `like`.
    """
    height, width = size_px
    ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=like.dtype, device=like.device)
    return ids.repeat(rows, 1)


def _said(
    parts: TextParts, rows: Sequence[SceneRow]
) -> tuple[list[Chunks], dict[LayerId, tuple[Span, ...]], bool]:
    """Return the chunks of every row's words, the layers' spans in the composite and whether those were cut."""
    layers = [row for row in rows if row.id is not None and row.identity.role is not RowRole.COMPOSITE]
    chunks: list[Chunks] = []
    spans: dict[LayerId, tuple[Span, ...]] = {}
    shortened = False
    for row in rows:
        if row.identity.role is not RowRole.COMPOSITE:
            chunks.append(_layer_chunks(parts, row.words, row))
            continue
        tokens = [_tokens(parts, said.words) for said in (row, *layers)]
        whole = joined(tokens, comma=_tokens(parts, ",")[0])
        chunks.append(whole.chunks)
        shortened = whole.shortened
        spans = {
            layer.id: pieces
            for layer, pieces in zip(layers, whole.spans[1:], strict=True)
            if layer.id is not None
        }
    return chunks, spans, shortened


def _tokens(parts: TextParts, words: str) -> list[int]:
    # verbose=False: the tokenizer warns of sentences longer than 77, which are cut into chunks here.
    return list(parts.tokenizers[0](words, add_special_tokens=False, verbose=False).input_ids)


def _layer_chunks(parts: TextParts, words: str, row: SceneRow) -> Chunks:
    tokens, limit = _tokens(parts, words), MAX_LAYER_CHUNKS * CHUNK_TOKENS
    if len(tokens) > limit:
        raise PromptError(
            f"“{words[:40].strip()}…” has {len(tokens)} word pieces; the photoreal engine reads at most {limit}"
            f" for {'the background' if row.identity.role is RowRole.BACKGROUND else 'one layer'}.",
            "Shorten the description of this layer. Nothing was changed.",
        )
    return in_chunks(tokens)


def _repeated(words: Tensor, chunks: int) -> Tensor:
    return words.repeat(chunks * CHUNK_LENGTH // words.shape[0], 1)


class _Encoder:
    """Both encoders on one device; remembers what it has encoded for one scene."""

    def __init__(self, parts: TextParts, device: torch.device | str) -> None:
        self._parts, self._device = parts, device
        self._known: dict[tuple[Chunks, tuple[tuple[str, float], ...]], tuple[Tensor, Tensor]] = {}

    def states(self, chunks: Chunks, adapters: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        """Return token states (77 chunks, c) and the pooled state of the first chunk (p,)."""
        key = chunks, tuple(sorted(adapters.items()))
        if key not in self._known:
            self._known[key] = self._encoded(chunks, adapters)
        return self._known[key]

    def silence(self) -> tuple[Tensor, Tensor]:
        """Return zeros in place of one chunk."""
        words, pooled = next(iter(self._known.values()))
        return torch.zeros_like(words[:CHUNK_LENGTH]), torch.zeros_like(pooled)

    @torch.no_grad()
    def _encoded(self, chunks: Chunks, adapters: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        states, pooled = [], None
        with self._parts.adapting((adapters,) * len(chunks)):
            for tokenizer, encoder in zip(self._parts.tokenizers, self._parts.encoders, strict=True):
                ids = torch.tensor([_padded(tokenizer, chunk) for chunk in chunks], device=self._device)
                out = encoder(ids, output_hidden_states=True)
                states.append(out.hidden_states[-2].to(self._device))
                pooled = out[0]
        assert pooled is not None
        words = torch.cat([state.to(states[1].dtype) for state in states], dim=-1)
        return words.flatten(0, 1), pooled[0].to(self._device, words.dtype)


def _padded(tokenizer: Any, chunk: Sequence[int]) -> list[int]:
    filling = [tokenizer.pad_token_id] * (CHUNK_TOKENS - len(chunk))
    return [tokenizer.bos_token_id, *chunk, tokenizer.eos_token_id, *filling]
