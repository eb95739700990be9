"""Pictures (PNG, WebP, JPEG, TIFF) into straight RGBA, and PNG out. Hostile files end in a sentence."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import MAX_SIDE_PX
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.colour import icc_bytes, lab_profile, picture_to_srgb, profile_from_icc
from psdstudio.io.files import atomic_write, checked_size, read_error

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
_KNOWN_MODES = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB"}
)
_MODEL_NAMES = {"L": "grey values", "CMYK": "CMYK colours", "LAB": "Lab colours", "RGB": "colours"}
# What Pillow's decoders let through on damaged data, besides OSError.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    LookupError,
    TypeError,
    OverflowError,
    ZeroDivisionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """The largest picture that is opened. Pillow itself objects above 89 megapixels."""

    max_file_bytes: int = 512 * 2**20
    max_side_px: int = MAX_SIDE_PX
    max_pixels: int = 85_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedImage:
    """A picture as a layer needs it: `rgba` (h, w, 4) uint8, straight, in `profile` (None: sRGB).

    `notes` say what was changed; `resolution_dpi` is None where the file does not tell it.
    """

    rgba: U8Array
    name: str
    profile: ColourProfile | None = None
    resolution_dpi: float | None = None
    notes: tuple[str, ...] = ()


def read_image(path: Path, limits: ImageLimits = ImageLimits()) -> LoadedImage:
    """Read a picture, turned upright (EXIF). RGB stays in its embedded space; every other model becomes sRGB.

    Raises:
        FileError: It cannot be read, is no picture (`FileUnsupported`), damaged (`FileCorrupt`) or too large.
    """
    checked_size(path, limits.max_file_bytes, "image")
    try:
        with open(path, "rb") as source:
            return decode_image(source, path.name, limits)
    except OSError as exc:
        raise read_error(path, exc) from exc


def decode_image(
    source: BinaryIO,
    name: str,
    limits: ImageLimits = ImageLimits(),
    *,
    formats: tuple[str, ...] = FORMATS,
) -> LoadedImage:
    """Read a picture as `read_image` does; `name` is what messages call it, `formats` are Pillow's names."""
    try:
        image = Image.open(source, formats=formats)
    except UnidentifiedImageError as exc:
        raise FileUnsupported(
            f"“{name}” is not a picture that can be opened.",
            "Nothing was changed. PNG, JPEG, WebP and TIFF files can be opened; save it as one of these.",
        ) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_large(name, limits) from exc
    except _DECODE_ERRORS as exc:
        raise _damaged(name) from exc
    width, height = image.size
    if max(width, height) > limits.max_side_px or width * height > limits.max_pixels:
        raise _too_large(name, limits)
    notes: list[str] = []
    try:
        if getattr(image, "n_frames", 1) > 1:
            notes.append("only the first picture of the file was opened")
        if _is_deep(image):
            notes.append("16-bit values were rounded to 8 bit")
        resolution_dpi = _resolution_dpi(image)
        image.load()
        rgba, profile = _pixels(_upright(image, notes), name, notes)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_large(name, limits) from exc
    except FileError:
        raise
    except MemoryError as exc:
        raise _too_large(name, limits) from exc
    except _DECODE_ERRORS as exc:
        raise _damaged(name) from exc
    return LoadedImage(
        rgba=rgba,
        name=Path(name).stem or "Image",
        profile=profile,
        resolution_dpi=resolution_dpi,
        notes=tuple(notes),
    )


def _is_deep(image: Image.Image) -> bool:
    """Whether the file holds 16 bits a channel: Pillow says so in the mode (grey) or in the raw mode (colour)."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return True
    if not isinstance(image, ImageFile.ImageFile):
        return False
    raw = [tile.args if isinstance(tile.args, str) else str(tile.args) for tile in image.tile]
    return any(";16" in args for args in raw)


def _resolution_dpi(image: Image.Image) -> float | None:
    found = image.info.get("dpi")
    try:
        value = float(found[0]) if isinstance(found, tuple) else 0.0
    except _DECODE_ERRORS:
        return None
    return value if 1 <= value <= 30_000 else None


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DECODE_ERRORS:
        notes.append("its orientation tag is damaged and was ignored")
        return image


def _pixels(image: Image.Image, name: str, notes: list[str]) -> tuple[U8Array, ColourProfile | None]:
    """Return (h, w, 4) uint8 and its space. 16-bit grey is rounded here: Pillow's own conversion clips it."""
    icc = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray(((np.clip(wide, 0, 65535) + 128) // 257).astype(np.uint8))
    if image.mode not in _KNOWN_MODES:
        raise FileUnsupported(
            f"“{name}” stores colours in a way that is not supported ({image.mode}).",
            "Nothing was changed. Save it as an 8-bit RGB picture.",
        )
    if image.mode in {"P", "PA", "La", "RGBa", "1"} or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode in {"YCbCr", "RGBX"}:
        image = image.convert("RGB")
    if image.mode == "RGBA" and not icc:
        return np.array(image), None  # by far the most: without a copy of every channel
    alpha = image.getchannel("A") if image.mode in {"RGBA", "LA"} else None
    colour = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
    rgb, profile = _managed(colour, icc if isinstance(icc, bytes) else b"", notes)
    pixels = np.asarray(rgb)
    opaque = np.full(pixels.shape[:2], 255, np.uint8)
    return np.dstack([pixels, opaque if alpha is None else np.asarray(alpha)]), profile


def _managed(colour: Image.Image, icc: bytes, notes: list[str]) -> tuple[Image.Image, ColourProfile | None]:
    """Return an RGB picture and its space: RGB keeps that of its profile, grey, CMYK and LAB become sRGB by theirs."""
    model = _MODEL_NAMES.get(colour.mode, "")
    if not icc:
        if colour.mode == "LAB":
            icc = lab_profile()
        else:
            if colour.mode == "CMYK":
                notes.append("its CMYK colours have no profile; they were taken over roughly")
            return colour.convert("RGB"), None
    if colour.mode in {"RGB", "L"}:
        try:
            return colour.convert("RGB"), profile_from_icc(icc)
        except FileUnsupported:
            pass  # not an RGB space to stay in; it may still be one to convert from
    try:
        shown = picture_to_srgb(colour, icc)
    except FileUnsupported:
        notes.append("its colour profile is damaged or does not fit; colours were taken as sRGB")
        # LAB has no plain conversion: what cannot go through a profile goes through the standard one.
        return picture_to_srgb(colour, lab_profile()) if colour.mode == "LAB" else colour.convert("RGB"), None
    notes.append(f"its {model} were converted to sRGB")
    return shown, None


def write_png(
    path: Path,
    rgba: U8Array,
    *,
    resolution_dpi: float = 72.0,
    xmp: bytes = b"",
    profile: ColourProfile | None = None,
) -> None:
    """Write (h, w, 4) straight uint8 as PNG with profile, resolution and XMP, completely or not at all.

    A picture without any transparency is written as RGB.

    Raises:
        FileWriteFailed: as `psdstudio.io.files.atomic_write`.
    """
    atomic_write(
        path, lambda out: encode_png(out, rgba, resolution_dpi=resolution_dpi, xmp=xmp, profile=profile)
    )


def encode_png(
    out: BinaryIO,
    rgba: U8Array,
    *,
    resolution_dpi: float = 72.0,
    xmp: bytes = b"",
    profile: ColourProfile | None = None,
    keep_alpha: bool = False,
) -> None:
    """Write the PNG of `write_png` to an open file; `keep_alpha` writes RGBA even when every pixel is opaque."""
    text = PngImagePlugin.PngInfo()
    if xmp:
        text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
    picture_of(rgba, keep_alpha=keep_alpha).save(
        out,
        "PNG",
        icc_profile=icc_bytes(profile),
        dpi=(resolution_dpi, resolution_dpi),
        pnginfo=text,
        compress_level=6,
    )


def picture_of(rgba: U8Array, *, keep_alpha: bool = False) -> Image.Image:
    """Return (h, w, 4) straight uint8 as a Pillow picture: RGB when every pixel is opaque, else RGBA."""
    if not keep_alpha and bool((rgba[..., 3] == 255).all()):
        return Image.fromarray(np.ascontiguousarray(rgba[..., :3]))
    return Image.fromarray(np.ascontiguousarray(rgba))


def _too_large(name: str, limits: ImageLimits) -> FileTooLarge:
    return FileTooLarge(
        f"“{name}” is too large: pictures may have up to {limits.max_pixels // 10**6} megapixels and"
        f" {limits.max_side_px:,} pixels a side.",
        "Nothing was changed. Scale it down and try again.",
    )


def _damaged(name: str) -> FileCorrupt:
    return FileCorrupt(
        f"“{name}” is damaged and cannot be opened.",
        "Nothing was changed. Use another copy of the picture, or save it again in the program it came from.",
    )
