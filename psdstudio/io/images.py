"""Pictures (PNG, WebP, JPEG, TIFF) into straight sRGB RGBA, and PNG out. Hostile files end in a sentence."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from psdstudio.core.document import MAX_SIDE_PX
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.files import atomic_write, checked_size, read_error

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
_KNOWN_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
_MAX_PROFILE_BYTES = 16 * 2**20
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
    """A picture as a layer needs it: `rgba` (h, w, 4) uint8, straight sRGB; `notes` say what was changed."""

    rgba: U8Array
    name: str
    notes: tuple[str, ...] = ()


@cache
def srgb_profile() -> bytes:
    """The bytes of an sRGB ICC profile (the same for every file we write)."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def read_image(path: Path, limits: ImageLimits = ImageLimits()) -> LoadedImage:
    """Read a picture, turned upright (EXIF) and converted to sRGB by its own profile.

    Raises:
        FileError: It cannot be read, is no picture (`FileUnsupported`), damaged (`FileCorrupt`) or too large.
    """
    checked_size(path, limits.max_file_bytes, "image")
    try:
        with open(path, "rb") as source:
            return _decode(source, path, limits)
    except OSError as exc:
        raise read_error(path, exc) from exc


def _decode(source: BinaryIO, path: Path, limits: ImageLimits) -> LoadedImage:
    try:
        image = Image.open(source, formats=FORMATS)
    except UnidentifiedImageError as exc:
        raise FileUnsupported(
            f"“{path.name}” is not a picture that can be opened.",
            "Nothing was changed. PNG, JPEG, WebP and TIFF files can be opened; save it as one of these.",
        ) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_large(path, limits) from exc
    except _DECODE_ERRORS as exc:
        raise _damaged(path) from exc
    width, height = image.size
    if max(width, height) > limits.max_side_px or width * height > limits.max_pixels:
        raise _too_large(path, limits)
    notes: list[str] = []
    try:
        if getattr(image, "n_frames", 1) > 1:
            notes.append("only the first picture of the file was opened")
        image.load()
        rgba = _to_srgb_rgba(_upright(image, notes), path, notes)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_large(path, limits) from exc
    except FileError:
        raise
    except MemoryError as exc:
        raise _too_large(path, limits) from exc
    except _DECODE_ERRORS as exc:
        raise _damaged(path) from exc
    return LoadedImage(rgba=rgba, name=path.stem or "Image", notes=tuple(notes))


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DECODE_ERRORS:
        notes.append("its orientation tag is damaged and was ignored")
        return image


def _to_srgb_rgba(image: Image.Image, path: Path, notes: list[str]) -> U8Array:
    """Return (h, w, 4) uint8. 16-bit grey is rounded to 8 bit here: Pillow's own conversion clips it."""
    if image.mode.startswith("I;16") or image.mode == "I":
        notes.append("16-bit values were rounded to 8 bit")
        wide = np.asarray(image).astype(np.int64)
        grey = ((np.clip(wide, 0, 65535) + 128) // 257).astype(np.uint8)
        return np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    if image.mode not in _KNOWN_MODES:
        raise FileUnsupported(
            f"“{path.name}” stores colours in a way that is not supported ({image.mode}).",
            "Nothing was changed. Save it as an 8-bit RGB picture.",
        )
    profile = image.info.get("icc_profile")
    if image.mode in {"P", "PA", "La", "RGBa", "1"} or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode in {"YCbCr", "RGBX"}:
        image = image.convert("RGB")
    alpha = image.getchannel("A") if image.mode in {"RGBA", "LA"} else None
    colour = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
    if isinstance(profile, bytes) and 0 < len(profile) <= _MAX_PROFILE_BYTES and profile != srgb_profile():
        colour = _through_profile(colour, profile, notes)
    rgb = np.asarray(colour.convert("RGB"))
    opaque = np.full(rgb.shape[:2], 255, np.uint8)
    return np.dstack([rgb, opaque if alpha is None else np.asarray(alpha)])


def _through_profile(colour: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(colour, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, *_DECODE_ERRORS):
        notes.append("its colour profile is damaged or does not fit; colours were taken as sRGB")
        return colour
    return converted or colour


def write_png(path: Path, rgba: U8Array, *, resolution_dpi: float = 72.0, xmp: bytes = b"") -> None:
    """Write (h, w, 4) straight sRGB uint8 as PNG with profile, resolution and XMP, completely or not at all.

    A picture without any transparency is written as RGB.

    Raises:
        FileWriteFailed: as `psdstudio.io.files.atomic_write`.
    """
    atomic_write(path, lambda out: encode_png(out, rgba, resolution_dpi=resolution_dpi, xmp=xmp))


def encode_png(out: BinaryIO, rgba: U8Array, *, resolution_dpi: float = 72.0, xmp: bytes = b"") -> None:
    """Write the PNG of `write_png` to an open file."""
    opaque = bool((rgba[..., 3] == 255).all())
    image = Image.fromarray(np.ascontiguousarray(rgba[..., :3]) if opaque else rgba)
    text = PngImagePlugin.PngInfo()
    if xmp:
        text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
    image.save(
        out,
        "PNG",
        icc_profile=srgb_profile(),
        dpi=(resolution_dpi, resolution_dpi),
        pnginfo=text,
        compress_level=6,
    )


def _too_large(path: Path, limits: ImageLimits) -> FileTooLarge:
    return FileTooLarge(
        f"“{path.name}” is too large: pictures may have up to {limits.max_pixels // 10**6} megapixels and"
        f" {limits.max_side_px:,} pixels a side.",
        "Nothing was changed. Scale it down and try again.",
    )


def _damaged(path: Path) -> FileCorrupt:
    return FileCorrupt(
        f"“{path.name}” is damaged and cannot be opened.",
        "Nothing was changed. Use another copy of the picture, or save it again in the program it came from.",
    )
