"""Pixels of a document's colour space as the screen shows them. Any thread.

A screen whose profile nobody tells is taken as sRGB (`psdstudio.ui.canvas.monitor`): there sRGB documents, by far the
most, are not touched at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from PySide6.QtGui import QGuiApplication

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.colour import converted
from psdstudio.ui.canvas.monitor import monitor_profile

Render = Callable[[Document, Rect], U8Array]


@cache
def screen_profile() -> ColourProfile | None:
    """Return the space of the main monitor, asked once; None for sRGB."""
    return monitor_profile(QGuiApplication.platformName())


def on_screen(rgba: U8Array, profile: ColourProfile | None = None) -> U8Array:
    """Return (h, w, 4) straight uint8 of a document's space (None: sRGB) as the screen takes it.

    A profile that cannot be converted from shows its numbers as they are: export and status bar still name it.
    """
    try:
        return converted(rgba, profile, screen_profile())
    except FileUnsupported:
        return rgba


def screen_render(render: Render) -> Render:
    """Return a renderer whose pixels are those of the screen."""
    return lambda doc, rect: on_screen(render(doc, rect), doc.profile)
