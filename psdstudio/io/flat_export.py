"""Document to a flat picture: PNG, WebP, JPEG or TIFF with profile, resolution, and the properties that a PSD has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.colour import icc_bytes
from psdstudio.io.credits import library_credits
from psdstudio.io.files import SAFE, atomic_write
from psdstudio.io.flat_options import DEFAULT_QUALITY, FlatOptions
from psdstudio.io.images import encode_png, picture_of
from psdstudio.io.xmp import xmp_packet
from psdstudio.render.compositor import Compositor, render_over

MAX_WEBP_SIDE_PX = 16_383
_MAX_JPEG_SEGMENT = 65_000
_FULL_COLOUR_FROM = 90
"""From this JPEG quality on colours keep the full resolution (4:4:4): red text stays sharp."""
_TIFF_XMP = 700
_EXIF_X, _EXIF_Y, _EXIF_UNIT, _INCHES = 0x011A, 0x011B, 0x0128, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """A finished picture, (h, w, 4) straight uint8, and what is written beside its pixels."""

    rgba: U8Array
    profile: ColourProfile | None
    resolution_dpi: float
    xmp: bytes

    @property
    def common(self) -> dict[str, object]:
        """Arguments that Pillow's writers share."""
        dpi = (self.resolution_dpi, self.resolution_dpi)
        return {"icc_profile": icc_bytes(self.profile), "dpi": dpi}


def export_flat(document: Document, path: Path, options: FlatOptions = FlatOptions()) -> tuple[str, ...]:
    """Write the picture of the canvas in the format that the ending says, completely or not at all.

    Returns sentences on what the format does not hold.

    Raises:
        FileUnsupported: The ending is none of `FLAT_SUFFIXES`, or the canvas is too large for the format.
        FileWriteFailed: as `psdstudio.io.files.atomic_write`.
        ModelNotFound, ModelLoadFailed: as `library_credits`.
    """
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise FileUnsupported(
            f"“{path.name}” does not say which kind of picture to write.",
            f"{SAFE} Let the name end in one of {', '.join(FLAT_SUFFIXES)}.",
        )
    if encode is _encode_webp and max(document.size) > MAX_WEBP_SIDE_PX:
        raise FileUnsupported(
            f"A canvas of {document.size.width:,} × {document.size.height:,} px is too large for a WebP file.",
            f"{SAFE} A WebP has at most {MAX_WEBP_SIDE_PX:,} px a side; write a PNG or TIFF instead.",
        )
    losses: list[str] = []
    picture = _Picture(
        rgba=Compositor().render(document),
        profile=document.profile,
        resolution_dpi=document.resolution_dpi,
        xmp=_properties(document, options, losses, is_jpeg=encode is _encode_jpeg),
    )
    if encode is _encode_jpeg and bool((picture.rgba[..., 3] < 255).any()):
        losses.append("Transparency was laid on an opaque colour: a JPEG has none.")
    atomic_write(path, lambda out: encode(out, picture, options))
    return tuple(losses)


def _properties(document: Document, options: FlatOptions, losses: list[str], *, is_jpeg: bool) -> bytes:
    """Return the XMP packet; in a JPEG it has to fit one segment, so words, then all of it, may be left out."""
    credits_lines = library_credits(document)
    for strip in dict.fromkeys((options.strip_prompts, True)):
        packet = xmp_packet(document, strip_prompts=strip, credits_lines=credits_lines)
        if not is_jpeg or len(packet) <= _MAX_JPEG_SEGMENT:
            if strip != options.strip_prompts:
                losses.append("The words were left out of the properties: a JPEG has no room for so many.")
            return packet
    losses.append("How the picture was made was left out of the properties: a JPEG has no room for so much.")
    return b""


def _encode_png(out: BinaryIO, picture: _Picture, options: FlatOptions) -> None:
    encode_png(
        out,
        picture.rgba,
        resolution_dpi=picture.resolution_dpi,
        xmp=picture.xmp,
        profile=picture.profile,
    )


def _encode_webp(out: BinaryIO, picture: _Picture, options: FlatOptions) -> None:
    exif = Image.Exif()  # the only place of a WebP for the resolution
    exif[_EXIF_X] = exif[_EXIF_Y] = picture.resolution_dpi
    exif[_EXIF_UNIT] = _INCHES
    # `exact` keeps the colour under alpha 0, which the encoder would otherwise replace.
    how: dict[str, object] = {"lossless": True, "exact": True, "method": 4}
    if options.quality is not None:
        how = {"quality": options.quality, "method": 4}
    picture_of(picture.rgba).save(
        out, "WEBP", icc_profile=icc_bytes(picture.profile), xmp=picture.xmp, exif=exif.tobytes(), **how
    )


def _encode_jpeg(out: BinaryIO, picture: _Picture, options: FlatOptions) -> None:
    quality = DEFAULT_QUALITY if options.quality is None else options.quality
    Image.fromarray(render_over(picture.rgba, options.matte)).save(
        out,
        "JPEG",
        quality=quality,
        subsampling="4:4:4" if quality >= _FULL_COLOUR_FROM else "4:2:0",
        optimize=True,
        xmp=picture.xmp,
        **picture.common,
    )


def _encode_tiff(out: BinaryIO, picture: _Picture, options: FlatOptions) -> None:
    # Pillow writes ExtraSamples 2: the alpha is straight (TIFF 6.0, section 18).
    picture_of(picture.rgba).save(
        out, "TIFF", compression="tiff_adobe_deflate", tiffinfo={_TIFF_XMP: picture.xmp}, **picture.common
    )


_Encoder = Callable[[BinaryIO, _Picture, FlatOptions], None]
_ENCODERS: dict[str, _Encoder] = {
    ".png": _encode_png,
    ".webp": _encode_webp,
    ".jpg": _encode_jpeg,
    ".jpeg": _encode_jpeg,
    ".tif": _encode_tiff,
    ".tiff": _encode_tiff,
}
FLAT_SUFFIXES = tuple(_ENCODERS)
