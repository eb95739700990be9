"""How a flat picture is written. Apart from the writer, so that dialogs need not load it."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatOptions:
    """How to write a flat picture.

    `quality` is 1..100; None is lossless in a WebP and 92 in a JPEG. `matte` is what a JPEG shows through transparency.
    """

    quality: int | None = None
    matte: tuple[int, int, int] = (255, 255, 255)
    strip_prompts: bool = False
