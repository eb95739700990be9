"""Colours of every PSD mode into 8-bit RGB: as they are where the file is RGB, else sRGB through LittleCMS.

RGB files keep their own colour space (`Document.profile`), grey ones their values and tones. Everything else is
converted by the embedded profile; without one by the default that the note names. 32-bit files hold linear light and
get the sRGB transfer curve.

Sources: Adobe Photoshop File Formats Specification, "Color mode data"; IEC 61966-2-1 for the curve.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from PIL import Image, ImageCms

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.tiles import U8Array
from psdstudio.io.grey_profile import rgb_profile_of
from psdstudio.io.images import srgb_profile
from psdstudio.io.psd_channels import Values, to_u8
from psdstudio.io.psd_structure import PsdHeader, PsdStructure

ICC_PROFILE = 1039
_TRANSPARENT_INDEX = 1047
_MAX_ICC_BYTES = 16 * 2**20
_ICC_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, SyntaxError)


class ColourMode(IntEnum):
    """The colour modes of the file header."""

    BITMAP = 0
    GREY = 1
    INDEXED = 2
    RGB = 3
    CMYK = 4
    MULTICHANNEL = 7
    DUOTONE = 8
    LAB = 9


_PLANES = {
    ColourMode.BITMAP: 1, ColourMode.GREY: 1, ColourMode.INDEXED: 1, ColourMode.RGB: 3, ColourMode.CMYK: 4,
    ColourMode.DUOTONE: 1, ColourMode.LAB: 3,
}  # fmt: skip
ToRgb = Callable[[Sequence[Values]], U8Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """How the colours of a file are read.

    `planes`: how many channels make a colour. `to_rgb`: bands (rows, width) of these to (rows, width, 3) uint8.
    `empty`: what a missing channel holds (0..255). `is_plain`: 8-bit RGB, which needs no conversion. `notes`:
    sentences on what was converted.
    """

    planes: int
    to_rgb: ToRgb
    empty: int = 0
    is_plain: bool = False
    profile: ColourProfile | None = None
    notes: tuple[str, ...] = ()


def known_mode(header: PsdHeader) -> ColourMode | None:
    """Return the colour mode of a file, None for a number or a depth that no program writes for it."""
    try:
        mode = ColourMode(header.color_mode)
    except ValueError:
        return None
    depths = {ColourMode.BITMAP: {1}, ColourMode.INDEXED: {8}, ColourMode.DUOTONE: {8, 16}}
    deep = {8, 16, 32} if mode in {ColourMode.RGB, ColourMode.GREY} else {8, 16}
    return mode if header.depth in depths.get(mode, deep) else None


def colours_of(structure: PsdStructure) -> Colours | None:
    """Return how to read the colours of a file; None when nobody could."""
    header, mode = structure.header, known_mode(structure.header)
    if mode is None:
        return None
    icc = structure.resource(ICC_PROFILE)
    icc = icc if icc is not None and 0 < len(icc) <= _MAX_ICC_BYTES else None
    depth = header.depth
    match mode:
        case ColourMode.RGB:
            return _rgb(depth, icc)
        case ColourMode.GREY | ColourMode.DUOTONE:
            return _grey(depth, icc, is_duotone=mode is ColourMode.DUOTONE)
        case ColourMode.BITMAP:
            note = "The black and white pixels became RGB."
            return Colours(planes=1, to_rgb=lambda bands: _thrice(255 - to_u8(bands[0], 1)), notes=(note,))
        case ColourMode.INDEXED:
            return _indexed(structure)
        case ColourMode.LAB:
            lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
            note = "The Lab colours were converted to sRGB."
            to_rgb = _through(lab, "LAB", depth)
            if to_rgb is None:
                raise AssertionError("LittleCMS knows its own Lab profile")
            return Colours(planes=3, to_rgb=to_rgb, notes=(*_rounded(depth), note))
        case ColourMode.CMYK:
            return _inks(depth, icc, planes=4)
    return _multichannel(depth, header.channels)


def profile_name(icc: bytes) -> str:
    """Return the description inside an ICC profile; empty when it is damaged."""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except _ICC_ERRORS:
        return ""


def _rounded(depth: int) -> tuple[str, ...]:
    return (f"The {depth}-bit values were rounded to 8 bit.",) if depth > 8 else ()


def _rgb(depth: int, icc: bytes | None) -> Colours:
    if depth == 32:
        note = "The 32-bit values (linear light) were converted to sRGB and rounded to 8 bit."
        return Colours(planes=3, to_rgb=lambda bands: np.dstack([_toned(b) for b in bands]), notes=(note,))
    profile, notes = None, _rounded(depth)
    if icc is not None:
        opened = _opened(icc, "RGB")
        name = profile_name(icc)
        if opened is None:
            notes = (*notes, "The colour profile is damaged or does not fit; colours were taken as sRGB.")
        elif not name.lower().startswith("srgb"):
            profile = ColourProfile(name=name or "RGB", icc=icc)
    return Colours(
        planes=3,
        to_rgb=lambda bands: np.dstack([to_u8(b, depth) for b in bands]),
        is_plain=depth == 8,
        profile=profile,
        notes=notes,
    )


def _grey(depth: int, icc: bytes | None, *, is_duotone: bool) -> Colours:
    if depth == 32:
        note = "The 32-bit values (linear light) were converted to sRGB and rounded to 8 bit."
        return Colours(planes=1, to_rgb=lambda bands: _thrice(_toned(bands[0])), notes=(note,))
    notes = (
        *_rounded(depth),
        "The duotone is shown in grey." if is_duotone else "The grey values became RGB.",
    )
    opened = _opened(icc, "GRAY") if icc is not None and not is_duotone else None
    if opened is None or icc is None:
        return Colours(planes=1, to_rgb=lambda bands: _thrice(to_u8(bands[0], depth)), notes=notes)
    name = profile_name(icc)
    as_rgb = rgb_profile_of(icc, f"RGB with the tones of {name}")
    if as_rgb is not None and _opened(as_rgb, "RGB") is not None:
        profile = ColourProfile(name=profile_name(as_rgb), icc=as_rgb)
        return Colours(
            planes=1, to_rgb=lambda bands: _thrice(to_u8(bands[0], depth)), profile=profile,
            notes=(*notes[:-1], f"The grey values became RGB with the tones of “{name}”."),
        )  # fmt: skip
    convert = _through(opened, "L", 8)
    if convert is None:
        return Colours(planes=1, to_rgb=lambda bands: _thrice(to_u8(bands[0], depth)), notes=notes)
    table = convert([np.arange(256, dtype=np.uint8)[None, :]])[0]
    return Colours(
        planes=1, to_rgb=lambda bands: table[to_u8(bands[0], depth)],
        notes=(*notes[:-1], f"The grey values were converted from “{name}” to sRGB."),
    )  # fmt: skip


def _indexed(structure: PsdStructure) -> Colours | None:
    data = bytes(structure.color_data)
    if len(data) < 768:
        return None
    table = np.ascontiguousarray(np.frombuffer(data[:768], np.uint8).reshape(3, 256).T)
    note = "The indexed colours became RGB."
    return Colours(planes=1, to_rgb=lambda bands: table[to_u8(bands[0], 8)], notes=(note,))


def transparent_index(structure: PsdStructure) -> int | None:
    """Return which index of an indexed file is transparent, None where none is."""
    data = structure.resource(_TRANSPARENT_INDEX)
    if structure.header.color_mode != ColourMode.INDEXED or data is None or len(data) < 2:
        return None
    index = int.from_bytes(data[:2], "big")
    return index if index < 256 else None


def _inks(depth: int, icc: bytes | None, *, planes: int) -> Colours:
    """CMYK stands inverted in the file: 255 is no ink."""
    opened = _opened(icc, "CMYK") if icc is not None else None
    to_rgb = _through(opened, "CMYK", depth, inverted=True)
    note = f"The CMYK colours were converted from “{profile_name(icc or b'')}” to sRGB."
    if to_rgb is None:
        note = "The CMYK colours have no usable profile; they were converted to sRGB as plain ink coverage."
        to_rgb = _plain_inks(depth)
    return Colours(planes=planes, to_rgb=to_rgb, empty=255, notes=(*_rounded(depth), note))


def _multichannel(depth: int, channels: int) -> Colours:
    """Spot channels have no colours of their own here: three or four are read as cyan, magenta, yellow, black."""
    if channels < 3:
        note = "The first channel of the multichannel file is shown in grey."
        return Colours(
            planes=1,
            to_rgb=lambda bands: _thrice(to_u8(bands[0], depth)),
            empty=255,
            notes=(*_rounded(depth), note),
        )
    note = "The channels of the multichannel file are shown as cyan, magenta, yellow and black ink."
    return Colours(
        planes=min(4, channels), to_rgb=_plain_inks(depth), empty=255, notes=(*_rounded(depth), note)
    )


def _plain_inks(depth: int) -> ToRgb:
    """RGB = (1 - ink)(1 - black): what every program shows of CMYK without a profile."""

    def convert(bands: Sequence[Values]) -> U8Array:
        light = [to_u8(band, depth).astype(np.uint16) for band in bands]
        black = light[3] if len(light) > 3 else np.uint16(255)
        return np.dstack([((one * black + 127) // 255).astype(np.uint8) for one in light[:3]])

    return convert


def _opened(icc: bytes, space: str) -> ImageCms.ImageCmsProfile | None:
    """Return a profile when it is sound and describes colours of `space`."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return opened if opened.profile.xcolor_space.strip() == space else None
    except _ICC_ERRORS:
        return None


def _through(
    source: ImageCms.ImageCmsProfile | None, mode: str, depth: int, *, inverted: bool = False
) -> ToRgb | None:
    """Return a conversion to sRGB: relative colorimetric with black point compensation, as Photoshop's default is.

    None without a profile, and where LittleCMS cannot use it.
    """
    if source is None:
        return None
    try:
        transform = ImageCms.buildTransform(
            source, ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())), mode, "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    except _ICC_ERRORS:
        return None

    def convert(bands: Sequence[Values]) -> U8Array:
        planes = [to_u8(band, depth) for band in bands]
        if inverted:
            planes = [255 - plane for plane in planes]
        images = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]
        image = images[0] if len(images) == 1 else Image.merge(mode, images)
        converted = ImageCms.applyTransform(image, transform)
        if converted is None:
            raise AssertionError("the transform was asked for a new picture")
        return np.asarray(converted)

    return convert


def _toned(linear: Values) -> U8Array:
    """Linear light 0..1 to sRGB bytes (IEC 61966-2-1); what is brighter than white is white."""
    light = np.nan_to_num(linear.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(curve * 255 + 0.5, np.float32).astype(np.uint8)


def _thrice(grey: U8Array) -> U8Array:
    return np.dstack([grey, grey, grey])
