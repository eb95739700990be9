"""Pictures in and out: orientation, profiles, depths, damage, bombs."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported
from psdstudio.io.colour import srgb_profile
from psdstudio.io.images import ImageLimits, read_image, write_png

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (13, 17, 4), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_lossless_formats_are_exact(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"löwe{suffix}"
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(PIXELS).save(path, **options)
    loaded = read_image(path)
    assert np.array_equal(loaded.rgba, PIXELS)
    assert loaded.name == "löwe"
    assert loaded.notes == ()


def test_png_round_trip_with_profile_and_xmp(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    write_png(path, PIXELS, resolution_dpi=300, xmp=b"<x:xmpmeta/>")
    assert np.array_equal(read_image(path).rgba, PIXELS)
    with Image.open(path) as image:
        assert image.info["icc_profile"] == srgb_profile()
        assert round(image.info["dpi"][0]) == 300
        assert image.info["XML:com.adobe.xmp"] == "<x:xmpmeta/>"


def test_an_opaque_picture_is_written_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    opaque = PIXELS.copy()
    opaque[..., 3] = 255
    write_png(path, opaque)
    with Image.open(path) as image:
        assert image.mode == "RGB"
    assert np.array_equal(read_image(path).rgba, opaque)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "turned.tiff"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    Image.fromarray(PIXELS).save(path, exif=exif)
    assert np.array_equal(read_image(path).rgba, np.rot90(PIXELS, -1))


def test_another_profile_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "lab.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.fromarray(PIXELS[..., :3].copy()).save(path, icc_profile=profile)
    loaded = read_image(path)
    converted = not np.array_equal(loaded.rgba[..., :3], PIXELS[..., :3])
    assert converted or loaded.notes  # either through the profile, or said so


def test_a_damaged_profile_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    Image.fromarray(PIXELS).save(path, icc_profile=b"no profile at all" * 20)
    loaded = read_image(path)
    assert np.array_equal(loaded.rgba, PIXELS)
    assert "colour profile" in loaded.notes[0]


def test_sixteen_bit_grey_is_rounded_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    wide = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(wide).save(path)
    assert read_image(path).rgba[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgba(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "m.tiff" if mode not in {"LA", "P"} else tmp_path / "m.png"
    Image.fromarray(PIXELS[..., :3].copy()).convert("L" if mode == "LA" else mode).convert(mode).save(path)
    loaded = read_image(path)
    assert loaded.rgba.shape == (13, 17, 4)
    assert loaded.rgba.dtype == np.uint8


@pytest.mark.parametrize("keep", [0, 1, 8, 30, 60, 200])
def test_truncated_or_foreign_bytes_end_in_a_sentence(tmp_path: Path, keep: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    path = tmp_path / "cut.png"
    path.write_bytes(buffer.getvalue()[:keep])
    with pytest.raises(FileError) as caught:
        read_image(path)
    assert isinstance(caught.value, FileCorrupt | FileUnsupported)
    assert "cut.png" in caught.value.user_message
    assert caught.value.hint


@pytest.mark.expects_logs
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # the decoder says so too; the error is what counts
def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "damaged.png"
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(PIXELS[..., :3].copy()).save(buffer, kind)
        for _ in range(60):
            data = bytearray(buffer.getvalue())
            for at in RNG.integers(0, len(data), 6):
                data[at] = int(RNG.integers(0, 256))
            path.write_bytes(bytes(data))
            with contextlib.suppress(FileError):
                assert read_image(path).rgba.shape[2] == 4


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(9300, 9300), (12_000, 12_000), (20_000, 20_000), (30_001, 1)])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(*size))
    with pytest.raises(FileTooLarge, match="megapixels"):
        read_image(path)


def test_the_limits_are_parameters(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, PIXELS)
    with pytest.raises(FileTooLarge):
        read_image(path, ImageLimits(max_pixels=100))
    with pytest.raises(FileTooLarge):
        read_image(path, ImageLimits(max_file_bytes=10))
