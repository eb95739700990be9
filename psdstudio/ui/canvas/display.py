"""Pixels of a document's colour space as the screen shows them. Any thread.

Qt tells nothing of a monitor's profile, so the screen is taken as sRGB: that is what X11, Wayland and Windows show
untagged windows as, and what the macOS window server is told (`psdstudio.app`). sRGB documents are not touched.
"""

from __future__ import annotations

from collections.abc import Callable

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.colour import converted

Render = Callable[[Document, Rect], U8Array]


def on_screen(rgba: U8Array, profile: ColourProfile | None) -> U8Array:
    """Return (h, w, 4) straight uint8 of a document's space as the screen takes it.

    A profile that cannot be converted from shows its numbers as they are: export and status bar still name it.
    """
    try:
        return converted(rgba, profile, None)
    except FileUnsupported:
        return rgba


def screen_render(render: Render) -> Render:
    """Return a renderer whose pixels are those of the screen."""
    return lambda doc, rect: on_screen(render(doc, rect), doc.profile)
