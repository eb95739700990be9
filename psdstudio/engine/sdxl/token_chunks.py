"""Words as chunks of 75 tokens, CLIP's length, and the composite's words joined so that every token has an owner.

Numbers only: no encoder is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

CHUNK_TOKENS = 75
CHUNK_LENGTH = CHUNK_TOKENS + 2
"""With the start and the end that CLIP was trained to see around every sentence."""
MAX_LAYER_CHUNKS = 3
MAX_COMPOSITE_CHUNKS = 4

Span = tuple[int, int]
"""[start, end) among the token states of a row, starts and ends of chunks counted."""


@dataclass(frozen=True, slots=True)
class JoinedTokens:
    """Tokens of several layers in chunks, and where each layer's lie: `spans[i]` are the pieces of part i, in order."""

    chunks: tuple[tuple[int, ...], ...]
    spans: tuple[tuple[Span, ...], ...]
    shortened: bool = False


def in_chunks(tokens: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the tokens in chunks of 75; one empty chunk when there are none."""
    starts = range(0, max(1, len(tokens)), CHUNK_TOKENS)
    return tuple(tuple(tokens[start : start + CHUNK_TOKENS]) for start in starts)


def joined(
    parts: Sequence[Sequence[int]], *, comma: int, max_chunks: int = MAX_COMPOSITE_CHUNKS
) -> JoinedTokens:
    """Return the parts one after another with a comma between, which belongs to nobody (after DreamLayer 2503.12838).

    A part that fits into one chunk is not torn. If all are too long together, the longest are cut to the length at
    which they fit: what stands first names the thing. (Ours; the composite is never a layer.)
    """
    longest = max((len(part) for part in parts), default=0)
    for limit in range(longest, 0, -1):
        packed = _packed([part[:limit] for part in parts], comma)
        if len(packed.chunks) <= max_chunks:
            return JoinedTokens(packed.chunks, packed.spans, shortened=limit < longest)
    return JoinedTokens(chunks=((),), spans=tuple(() for _ in parts), shortened=longest > 0)


def _packed(parts: Sequence[Sequence[int]], comma: int) -> JoinedTokens:
    chunks: list[list[int]] = [[]]
    spans: list[tuple[Span, ...]] = []
    for part in parts:
        pieces: list[Span] = []
        rest = list(part)
        if rest and chunks[-1]:
            if len(chunks[-1]) < CHUNK_TOKENS:
                chunks[-1].append(comma)
            if len(rest) > CHUNK_TOKENS - len(chunks[-1]):
                chunks.append([])
        while rest:
            if len(chunks[-1]) == CHUNK_TOKENS:
                chunks.append([])
            room = CHUNK_TOKENS - len(chunks[-1])
            start = (len(chunks) - 1) * CHUNK_LENGTH + 1 + len(chunks[-1])
            pieces.append((start, start + len(rest[:room])))
            chunks[-1].extend(rest[:room])
            rest = rest[room:]
        spans.append(tuple(pieces))
    return JoinedTokens(tuple(tuple(chunk) for chunk in chunks), tuple(spans))


def common_chunks(counts: Sequence[int]) -> int:
    """Return how many chunks all rows get: a multiple of each row's own count.

    A row is filled up by repeating its own chunks. Every key and value then is there equally often, so that attention,
    a weighted mean with weights of sum 1, gives what it gives with each once: no row's result depends on how much is
    said of the others. (Ours; the usual empty chunks would draw attention.)
    """
    return lcm(*counts)
