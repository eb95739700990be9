"""The colour space of a document's pixels, by name and by its ICC profile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourProfile:
    """An RGB colour space. `icc` is the whole profile (ICC.1:2022); sRGB is written as no profile at all (None)."""

    name: str
    icc: bytes
