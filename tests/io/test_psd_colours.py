"""Every colour mode and depth of a PSD ends as the RGB that its numbers mean."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from psdstudio.core.document import Document
from psdstudio.core.layers import PixelLayer
from psdstudio.io.images import srgb_profile
from psdstudio.io.psd_import import import_psd
from tests.io.psd_bytes import Channel, File, Record, resource, written

BITMAP, GREY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9


def _opened(tmp_path: Path, file: File) -> tuple[Document, str]:
    path = tmp_path / "a.psd"
    path.write_bytes(written(file))
    document, report = import_psd(path)
    return document, " ".join(report.losses)


def _pixel(document: Document) -> list[int]:
    (layer,) = document.layers
    assert isinstance(layer, PixelLayer)
    pixel = layer.pixels.read(document.canvas)[0, 0]
    return [int(value) for value in pixel]


def _flat(mode: int, depth: int, *values: bytes, **more: object) -> File:
    """A picture of one pixel; each channel's bytes as they stand in the file."""
    return File(
        width=1, height=1, channels=len(values), mode=mode, depth=depth, has_layers=False,
        merged=b"\0\0" + b"".join(values), **more,  # type: ignore[arg-type]  # checked by the dataclass
    )  # fmt: skip


def _u16(*values: int) -> list[bytes]:
    return [struct.pack(">H", value) for value in values]


def _f32(*values: float) -> list[bytes]:
    return [struct.pack(">f", value) for value in values]


@pytest.mark.parametrize(
    ("file", "rgb", "told"),
    [
        (_flat(RGB, 8, b"\x01", b"\x02", b"\x03"), (1, 2, 3), ""),
        (_flat(RGB, 16, *_u16(65535, 128, 129)), (255, 0, 1), "16-bit values were rounded"),
        (_flat(RGB, 32, *_f32(1.0, 0.5, 0.0)), (255, 188, 0), "linear light"),
        (_flat(RGB, 32, *_f32(float("nan"), 7.0, -1.0)), (0, 255, 0), "linear light"),
        (_flat(GREY, 8, b"\x40"), (64, 64, 64), "grey values became RGB"),
        (_flat(GREY, 32, *_f32(0.2140411)), (127, 127, 127), "linear light"),
        (_flat(DUOTONE, 8, b"\x40", color_data=bytes(500)), (64, 64, 64), "duotone"),
        (_flat(BITMAP, 1, b"\x80"), (0, 0, 0), "black and white"),
        (_flat(BITMAP, 1, b"\x00"), (255, 255, 255), "black and white"),
        (_flat(CMYK, 8, b"\xff", b"\xff", b"\xff", b"\xff"), (255, 255, 255), "no usable profile"),
        (_flat(CMYK, 8, b"\x00", b"\xff", b"\xff", b"\xff"), (0, 255, 255), "plain ink"),
        (_flat(CMYK, 16, *_u16(65535, 65535, 65535, 0)), (0, 0, 0), "plain ink"),
        (_flat(MULTICHANNEL, 8, b"\xff", b"\x00", b"\xff"), (255, 0, 255), "magenta"),
        (_flat(MULTICHANNEL, 8, b"\x40"), (64, 64, 64), "first channel"),
        (_flat(LAB, 8, b"\xff", b"\x80", b"\x80"), (255, 255, 255), "Lab"),
        (_flat(LAB, 8, b"\x00", b"\x80", b"\x80"), (0, 0, 0), "Lab"),
        # CIE Lab (53.6, 0, 0) is the grey (128, 128, 128) of sRGB.
        (_flat(LAB, 16, *_u16(35118, 32896, 32896)), (128, 128, 128), "Lab"),
    ],
)  # fmt: skip
def test_one_pixel_of_every_mode(tmp_path: Path, file: File, rgb: tuple[int, ...], told: str) -> None:
    document, losses = _opened(tmp_path, file)
    pixel = _pixel(document)
    assert pixel[3] == 255
    assert np.abs(np.array(pixel[:3]) - rgb).max() <= (1 if file.mode == LAB else 0)
    assert told in losses
    assert document.profile is None


def test_indexed_colours_and_their_transparent_one(tmp_path: Path) -> None:
    table = bytes(range(256)) + bytes([10] * 256) + bytes(reversed(range(256)))
    document, losses = _opened(tmp_path, _flat(INDEXED, 8, b"\x07", color_data=table))
    assert _pixel(document) == [7, 10, 248, 255]
    assert "indexed" in losses
    clear = resource(1047, struct.pack(">H", 7))
    document, _ = _opened(tmp_path, _flat(INDEXED, 8, b"\x07", color_data=table, resources=clear))
    assert _pixel(document)[3] == 0


def _wide_profile() -> bytes:
    """An RGB profile that is not sRGB: the sRGB one under another name, of the same length."""
    icc = srgb_profile()
    name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    for encoded in (name.encode("utf-16-be"), name.encode()):
        icc = icc.replace(encoded, encoded.replace(b"s", b"x").replace(b"R", b"Q"))
    return icc


def test_rgb_keeps_its_own_colour_space(tmp_path: Path) -> None:
    pixel = (b"\x10", b"\x20", b"\x30")
    document, losses = _opened(tmp_path, _flat(RGB, 8, *pixel, resources=resource(1039, srgb_profile())))
    assert document.profile is None
    assert losses == ""
    icc = _wide_profile()
    document, losses = _opened(tmp_path, _flat(RGB, 8, *pixel, resources=resource(1039, icc)))
    assert document.profile is not None
    assert document.profile.icc == icc
    assert _pixel(document) == [16, 32, 48, 255]
    assert losses == ""


@pytest.mark.parametrize("mode", [RGB, GREY, CMYK])
def test_a_damaged_profile_is_no_reason_to_refuse(tmp_path: Path, mode: int) -> None:
    values = [b"\x40"] * {RGB: 3, GREY: 1, CMYK: 4}[mode]
    for icc in (b"x" * 300, srgb_profile()[:200], srgb_profile()):
        document, _ = _opened(tmp_path, _flat(mode, 8, *values, resources=resource(1039, icc)))
        assert document.profile is None


@pytest.mark.parametrize("gamma", [1.0, 1.75, 2.2])
def test_grey_keeps_its_values_and_gets_the_tones_of_its_profile(tmp_path: Path, gamma: float) -> None:
    icc = _grey_profile(gamma)
    document, losses = _opened(tmp_path, _flat(GREY, 8, b"\x80", resources=resource(1039, icc)))
    assert "tones of “grey”" in losses
    assert _pixel(document) == [128, 128, 128, 255]
    assert document.profile is not None
    # What LittleCMS makes of the new profile is the light that the grey profile meant, in sRGB.
    profile = ImageCms.ImageCmsProfile(io.BytesIO(document.profile.icc))
    ramp = np.arange(256, dtype=np.uint8)[None, :]
    shown = ImageCms.profileToProfile(
        Image.fromarray(np.dstack([ramp] * 3)), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert shown is not None
    light = (ramp[0] / 255) ** (round(gamma * 256) / 256)
    wanted = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(np.asarray(shown)[0].astype(float) - wanted[:, None]).max() <= 1.5


def test_a_grey_profile_against_lab_is_used_for_converting(tmp_path: Path) -> None:
    icc = _grey_profile(1.0, connection=b"Lab ")
    document, losses = _opened(tmp_path, _flat(GREY, 8, b"\x80", resources=resource(1039, icc)))
    assert document.profile is None
    assert "from “grey” to sRGB" in losses
    assert np.abs(np.array(_pixel(document)[:3]) - 119).max() <= 2  # L* = 50


def _grey_profile(gamma: float, connection: bytes = b"XYZ ") -> bytes:
    """ICC.1:2010 with the four tags that a monochrome display profile needs."""
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(78)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", white), (b"kTRC", curve)]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s12x4s",
        128 + len(table) + len(body),
        b"    ",
        0x02400000,
        b"mntr",
        b"GRAY",
        connection,
        b"acsp",
    )
    head += bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head + bytes(128 - len(head)) + table + body


@pytest.mark.parametrize("compression", [0, 1, 2, 3])
@pytest.mark.parametrize("depth", [8, 16, 32])
def test_every_compression_of_every_depth(tmp_path: Path, depth: int, compression: int) -> None:
    from psd_tools.compression import compress
    from psd_tools.constants import Compression

    width, height = 300, 270  # more than one tile both ways
    rng = np.random.default_rng(depth)
    channels, wanted = [], []
    for number in (-1, 0, 1, 2):
        plane = rng.integers(0, 256, (height, width), np.uint8)
        plane[:, :200] = 7
        wanted.append(plane)
        values = {8: plane, 16: plane.astype(">u2") * 257, 32: (plane / 255).astype(">f4")}[depth]
        packed = compress(values.tobytes(), Compression(compression), width, height, depth)
        channels.append(Channel(id=number, data=struct.pack(">H", compression) + packed))
    record = Record(box=(0, 0, height, width), channels=channels)
    document, _ = _opened(
        tmp_path, File(width=width, height=height, depth=depth, records=[record], merged=b"\0\0")
    )
    (layer,) = document.layers
    assert isinstance(layer, PixelLayer)
    pixels = layer.pixels.read(document.canvas)
    assert np.array_equal(pixels[..., 3], wanted[0])
    if depth < 32:
        assert np.array_equal(pixels[..., :3], np.dstack(wanted[1:]))
    else:
        light = np.dstack(wanted[1:]) / 255
        curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        assert np.abs(pixels[..., :3] - curve * 255).max() <= 0.51
