"""Colour management through LittleCMS (Pillow's ImageCms): profiles of documents, and pixels from one to another.

Every conversion is relative colorimetric with black point compensation, as Photoshop does it by default: white stays
white, black stays black, colours that the target lacks are clipped. Alpha is never touched, and straight colours are
converted under any alpha. Any thread.
"""

from __future__ import annotations

import io
import unicodedata
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageCms

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.layers import GroupLayer, Layer, LayerId, PixelLayer
from psdstudio.core.tiles import TILE, TileGrid, TileKey, U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.icc import ADOBE_RGB, DISPLAY_P3, icc_profile

SRGB_NAME = "sRGB"
MAX_PROFILE_BYTES = 16 * 2**20
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
# Without the cache of the last pixel one transform may serve several threads.
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE
_BATCH_TILES = 32
_MAX_NAME = 80
# Pillow reports damaged profiles in all of these ways.
_CMS_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, OverflowError, LookupError)


@cache
def srgb_profile() -> bytes:
    """The bytes of an sRGB ICC profile (the same for every file we write)."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@cache
def lab_profile() -> bytes:
    """The bytes of a profile of CIE Lab with the white D50."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@cache
def display_p3() -> ColourProfile:
    """Display P3: the colours of most wide-gamut screens."""
    return ColourProfile(name="Display P3", icc=icc_profile(DISPLAY_P3))


@cache
def adobe_rgb() -> ColourProfile:
    """Adobe RGB (1998): the usual wide space of photographs for print."""
    return ColourProfile(name="Adobe RGB (1998)", icc=icc_profile(ADOBE_RGB))


def known_profiles() -> tuple[ColourProfile | None, ...]:
    """The spaces that can be chosen without a file; None is sRGB."""
    return (None, display_p3(), adobe_rgb())


def profile_name(profile: ColourProfile | None) -> str:
    """Return what a user calls the space."""
    return SRGB_NAME if profile is None else profile.name


def icc_bytes(profile: ColourProfile | None) -> bytes:
    """Return the ICC profile to embed in a file of this space."""
    return srgb_profile() if profile is None else profile.icc


@lru_cache(maxsize=32)
def profile_from_icc(icc: bytes) -> ColourProfile | None:
    """Return the space of an embedded profile; None when it gives the colours of sRGB within 1/255.

    Raises:
        FileUnsupported: It is damaged, not an RGB space, or colours cannot be converted back into it.
    """
    for known in known_profiles():
        if icc == icc_bytes(known):
            return known
    if not 128 <= len(icc) <= MAX_PROFILE_BYTES:
        raise _unusable()
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = opened.profile.xcolor_space.strip()
        name = _clean(ImageCms.getProfileDescription(opened))
    except _CMS_ERRORS as exc:
        raise _unusable() from exc
    if space != "RGB":
        raise _unusable()
    profile = ColourProfile(name=name or "Embedded profile", icc=icc)
    probe = _probe()
    shown = converted(probe, profile, None)
    converted(probe, None, profile)
    is_srgb = int(np.abs(shown.astype(np.int16) - probe).max()) <= 1
    return None if is_srgb else profile


def converted(rgba: U8Array, source: ColourProfile | None, target: ColourProfile | None) -> U8Array:
    """Return (h, w, 4) straight uint8 pixels of `source` as pixels of `target`; alpha stays.

    The very same array is returned when the spaces are equal.

    Raises:
        FileUnsupported: One of the profiles does not allow it.
    """
    if source == target or rgba.size == 0:
        return rgba
    transform = _transform(icc_bytes(source), icc_bytes(target))
    # Pillow carries the fourth channel over as it is. A copy: its own buffer may not be written to.
    return np.array(transform.apply(Image.fromarray(np.ascontiguousarray(rgba))))


def converted_grid(grid: TileGrid, source: ColourProfile | None, target: ColourProfile | None) -> TileGrid:
    """Return an RGBA grid in another space; missing tiles stay missing (they are transparent)."""
    if source == target or not grid.tiles:
        return grid
    keys = list(grid.tiles)
    tiles: dict[TileKey, U8Array] = {}
    for start in range(0, len(keys), _BATCH_TILES):
        batch = keys[start : start + _BATCH_TILES]
        done = converted(np.concatenate([grid.tiles[key] for key in batch]), source, target)
        # Copies: a tile must not hold the whole batch in memory.
        tiles.update((key, done[i * TILE : (i + 1) * TILE].copy()) for i, key in enumerate(batch))
    return TileGrid(tiles, channels=grid.channels, fill=grid.fill)


def converted_pixels(document: Document, target: ColourProfile | None) -> dict[LayerId, TileGrid]:
    """Return every pixel layer's pixels in another space, for `core.colour_commands.ConvertProfile`."""
    return {
        layer.id: converted_grid(layer.pixels, document.profile, target)
        for layer in document.walk()
        if isinstance(layer, PixelLayer)
    }


def convert_document(document: Document, target: ColourProfile | None) -> Document:
    """Return the document with all pixels in another space: it looks the same where that space has its colours.

    Blend modes work on the numbers of the space, so layers that are not Normal may look a little different.
    """
    if document.profile == target:
        return document
    layers = converted_layers(document.layers, document.profile, target)
    return replace(document, layers=layers, profile=target)


def converted_layers(
    layers: tuple[Layer, ...], source: ColourProfile | None, target: ColourProfile | None
) -> tuple[Layer, ...]:
    """Return layers, groups with everything inside, with their pixels in another space; masks stay."""
    if source == target:
        return layers
    out: list[Layer] = []
    for layer in layers:
        if isinstance(layer, GroupLayer):
            out.append(replace(layer, children=converted_layers(layer.children, source, target)))
        elif isinstance(layer, PixelLayer):
            out.append(replace(layer, pixels=converted_grid(layer.pixels, source, target)))
        else:
            out.append(layer)
    return tuple(out)


def picture_to_srgb(colour: Image.Image, icc: bytes) -> Image.Image:
    """Return a picture without alpha (mode L, CMYK, LAB or RGB) as sRGB, by its own profile.

    Raises:
        FileUnsupported: The profile is damaged or does not fit the picture.
    """
    if not 128 <= len(icc) <= MAX_PROFILE_BYTES:
        raise _unusable()
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
        transform = ImageCms.buildTransform(source, target, colour.mode, "RGB", _INTENT, _FLAGS)
        return transform.apply(colour)
    except _CMS_ERRORS as exc:
        raise _unusable() from exc


@lru_cache(maxsize=16)
def _transform(source: bytes, target: bytes) -> ImageCms.ImageCmsTransform:
    try:
        opened = [ImageCms.ImageCmsProfile(io.BytesIO(icc)) for icc in (source, target)]
        return ImageCms.buildTransform(opened[0], opened[1], "RGBA", "RGBA", _INTENT, _FLAGS)
    except _CMS_ERRORS as exc:
        raise _unusable() from exc


@cache
def _probe() -> U8Array:
    """Return (27, 27, 4) colours over the whole cube, opaque."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)
    return np.dstack([cube, np.full((27, 27), 255, np.uint8)])


def _clean(name: str) -> str:
    kept = "".join(sign for sign in name if unicodedata.category(sign) not in {"Cc", "Cs", "Co"})
    return " ".join(kept.split())[:_MAX_NAME].strip()


def _unusable() -> FileUnsupported:
    return FileUnsupported(
        "The colour profile is damaged, or it is not one of an RGB colour space.",
        "Nothing was changed. Choose another profile.",
    )
