"""Flat pictures out and in again: pixels, profile, resolution and properties, in every format."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.scene import Scene
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.colour import adobe_rgb, converted, display_p3
from psdstudio.io.flat_export import export_flat
from psdstudio.io.flat_options import FlatOptions
from psdstudio.io.images import read_image
from psdstudio.render.compositor import Compositor, render_over
from tests.io.documents import noise, scene_document

LOSSLESS = (".png", ".webp", ".tiff", ".tif")


def flat_document(rgba: U8Array, profile: ColourProfile | None = None) -> Document:
    height, width = rgba.shape[:2]
    layer = PixelLayer(props=LayerProps(name="flat"), pixels=TileGrid.from_array(rgba))
    return Document(size=Size(width, height), layers=(layer,), resolution_dpi=300.0, profile=profile)


@pytest.mark.parametrize("profile", [None, display_p3(), adobe_rgb()])
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_every_pixel_back(
    tmp_path: Path, suffix: str, profile: ColourProfile | None
) -> None:
    document = flat_document(noise(5, 61, 47), profile)
    path = tmp_path / f"Löwe 🦁{suffix}"
    assert export_flat(document, path) == ()
    found = read_image(path)
    assert np.array_equal(found.rgba, Compositor().render(document))
    assert found.profile == profile
    assert found.resolution_dpi is None if suffix == ".webp" else round(found.resolution_dpi or 0) == 300
    assert found.notes == ()


def test_a_webp_tells_its_resolution_in_exif(tmp_path: Path) -> None:
    export_flat(flat_document(noise(5, 8, 8)), tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        assert round(float(image.getexif()[0x011A])) == 300


@pytest.mark.parametrize("profile", [None, display_p3()])
def test_a_jpeg_lies_on_its_matte_and_keeps_the_profile(
    tmp_path: Path, profile: ColourProfile | None
) -> None:
    document = replace(scene_document(), profile=profile)
    document = document.with_layers(document.layers[1:])  # without the background it is see-through
    path = tmp_path / "a.jpg"
    losses = export_flat(document, path, FlatOptions(quality=97, matte=(10, 200, 30)))
    assert any("Transparency" in loss for loss in losses)
    found = read_image(path)
    wanted = render_over(Compositor().render(document), (10, 200, 30)).astype(int)
    assert np.abs(found.rgba[..., :3] - wanted).mean() < 1.5
    assert found.profile == profile


def test_fine_jpegs_keep_full_colour_resolution_and_small_ones_do_not(tmp_path: Path) -> None:
    sampling = []
    for quality in (95, 60):
        path = tmp_path / f"{quality}.jpg"
        export_flat(scene_document(), path, FlatOptions(quality=quality))
        with Image.open(path) as image:
            sampling.append(image.layer[0][1:3])  # type: ignore[attr-defined]  # of the JPEG plugin
    assert sampling == [(1, 1), (2, 2)]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".tiff"])
def test_the_properties_say_how_it_was_made_and_may_leave_the_words_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for strip in (False, True):
        export_flat(scene_document(), path, FlatOptions(strip_prompts=strip))
        with Image.open(path) as image:
            xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
        assert b"rithmicMedia" in xmp
        assert (b"flamingo" in xmp) != strip


def test_a_jpeg_without_room_for_the_words_says_so(tmp_path: Path) -> None:
    document = replace(scene_document(), scene=Scene(prompt="swan " * 20_000))
    losses = export_flat(document, tmp_path / "a.jpg")
    assert any("words" in loss for loss in losses)
    with Image.open(tmp_path / "a.jpg") as image:
        assert b"rithmicMedia" in image.info["xmp"]


def test_what_a_format_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    wide = Document(size=Size(16_384, 1))
    for name, document in (("a.webp", wide), ("a.gif", scene_document()), ("a", scene_document())):
        with pytest.raises(FileUnsupported):
            export_flat(document, tmp_path / name)
    assert not list(tmp_path.iterdir())


# ---- what other programs write


def png16(wide: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = wide.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colour_is_reduced_and_said(tmp_path: Path, channels: int) -> None:
    wide = np.random.default_rng(3).integers(0, 65536, (9, 7, channels)).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(png16(wide))
    found = read_image(tmp_path / "deep.png")
    assert any("16-bit" in note for note in found.notes)
    assert np.abs(found.rgba[..., :channels].astype(int) - wide / 257).max() <= 1


def test_an_animation_opens_at_its_first_picture(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(seed, 12, 10, 3)) for seed in (1, 2)]
    for suffix in (".webp", ".png", ".tiff"):
        path = tmp_path / f"moving{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        found = read_image(path)
        assert any("first picture" in note for note in found.notes)
        assert np.array_equal(found.rgba[..., :3], noise(1, 12, 10, 3))


def test_grey_and_cmyk_become_srgb_by_their_own_profile_and_say_so(tmp_path: Path) -> None:
    grey = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.new("L", (4, 3), 77).save(tmp_path / "grey.png", icc_profile=grey.tobytes())
    found = read_image(tmp_path / "grey.png")
    assert (found.profile, found.notes) == (
        None,
        (),
    )  # a grey picture of an RGB space has three equal channels
    assert found.rgba[0, 0].tolist() == [77, 77, 77, 255]
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "plain.jpg")
    found = read_image(tmp_path / "plain.jpg")
    assert found.rgba[0, 0, 0] > 200
    assert found.rgba[0, 0, 1] < 60
    assert any("CMYK" in note for note in found.notes)


def test_lab_is_converted(tmp_path: Path) -> None:
    lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    ).apply(Image.new("RGB", (5, 4), (200, 60, 40)))
    lab.save(tmp_path / "lab.tiff")
    found = read_image(tmp_path / "lab.tiff")
    assert np.abs(found.rgba[0, 0, :3].astype(int) - (200, 60, 40)).max() <= 3
    assert any("Lab" in note for note in found.notes)


def test_a_palette_of_a_wide_space_keeps_it(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 234, 51, 35])
    picture.save(tmp_path / "p.png", icc_profile=display_p3().icc)
    found = read_image(tmp_path / "p.png")
    assert found.profile == display_p3()
    assert np.abs(converted(found.rgba, found.profile, None)[0, 0, :3].astype(int) - (255, 0, 0)).max() <= 1


def test_a_cut_off_jpeg_is_damaged(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(noise(2, 300, 200)[..., :3]).save(out, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(out.getvalue()[: len(out.getvalue()) // 2])
    with pytest.raises(Exception, match="damaged"):
        read_image(tmp_path / "cut.jpg")
