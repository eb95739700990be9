"""Pictures of the user that an object's look follows."""

from __future__ import annotations

from psdstudio.core.tiles import U8Array
from psdstudio.errors import CommandError

LEAST_ALPHA = 8
"""Of 255: what is more transparent shows nothing."""


def checked_reference(rgba: U8Array) -> U8Array:
    """Return a picture, (h, w, 4) uint8 straight RGBA, that is cut out and shows something.

    Raises:
        CommandError: It is opaque all over or clear all over.
    """
    alpha = rgba[..., 3]
    if not (alpha >= LEAST_ALPHA).any():
        raise CommandError("The picture is transparent all over.", "Choose one that shows the object.")
    if (alpha == 255).all():
        raise CommandError(
            "The picture has no transparent surroundings: the whole rectangle would be painted.",
            "Cut the object out first and save it as a PNG with transparency.",
        )
    return rgba
