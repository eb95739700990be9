"""What a PSD export may be asked for. Plain values, so that a window may know them without psd_tools."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from psdstudio.core.layers import LayerId

MAX_PSD_SIDE_PX = 30_000
MAX_PSD_BYTES = 2**31 - 2**20
MAX_RECORDS = 8_000
PSB_SUFFIX = ".psb"


class MaskStyle(Enum):
    """How masks and transparency are written; the value is the word on the command line."""

    KEEP = "keep"
    """As they are in the document."""
    BAKE = "bake"
    """The masks of layers become transparency of their pixels; a group keeps its mask."""
    MAKE = "make"
    """The transparency of layers without a mask becomes a mask over full pixels, which can be painted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How to write a PSD.

    `big` asks for the large format (PSB), which a `.psb` name does too. `only` writes these layers alone, with the
    groups around them; None writes all. `compatible` rewrites fill opacity, opacity of groups and clipping so that
    programs which ignore them show the same picture. `live_shadows` writes a drop shadow effect in place of every
    shadow layer of an object. `credits_lines` come on top of those that the document's library drawings ask for.
    """

    strip_prompts: bool = False
    credits_lines: tuple[str, ...] = ()
    big: bool = False
    only: frozenset[LayerId] | None = None
    masks: MaskStyle = MaskStyle.KEEP
    compatible: bool = False
    live_shadows: bool = False
