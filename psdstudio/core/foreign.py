"""What a file held that a document has no words for: kept as read, given back when the same format is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignBlock:
    """One piece of a file: its key (a PSD tag, a resource number in digits) and its bytes, which nobody here reads."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The pieces of a layer or of a whole document.

    `source` names the format ("psd"), which alone may get them back. `state` says of what they told: the digest of the
    layer's pixels and place when they were read. Pieces that describe pixels (text, smart objects) must not be written
    beside other pixels; empty where nothing of the kind is among them.
    """

    source: str
    blocks: tuple[ForeignBlock, ...]
    state: bytes = b""
