"""Masks of a PSD as one raster mask: painted, drawn from a path, both; density and feather in the pixels."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.layers import PixelLayer
from psdstudio.core.tiles import U8Array
from psdstudio.io.psd_import import import_psd
from psdstudio.render.compositor import Compositor
from tests.io.psd_bytes import Channel, File, Record, block, flat, luni, rgba_channels, written

WIDTH, HEIGHT = 40, 20
CANVAS = Rect(0, 0, WIDTH, HEIGHT)
_FIXED = 1 << 24


def _mask(
    box: tuple[int, int, int, int], fill: int, flags: int, parameters: bytes = b"", real: bytes = b""
) -> bytes:
    """Return the mask section of a record; `box` is top, left, bottom, right."""
    data = struct.pack(">4iBB", *box, fill, flags) + real + parameters
    return data + bytes(2 if len(data) == 18 else -len(data) % 4)


def _path(*rects: tuple[float, float, float, float, int], flags: int = 0) -> bytes:
    """Return the block of a vector mask made of rectangles: left, top, right, bottom in pixels, operation."""
    records = struct.pack(">HH22x", 6, 0) + struct.pack(">HH22x", 8, 0)
    for left, top, right, bottom, operation in rects:
        records += struct.pack(">HHhHII10x", 0, 4, operation, 1, 0, 0)
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom)):
            knot = (round(y / HEIGHT * _FIXED), round(x / WIDTH * _FIXED))
            records += struct.pack(">H6i", 2, *knot, *knot, *knot)
    return block(b"vmsk", struct.pack(">II", 3, flags) + records)


def _opened(
    tmp_path: Path, *channels: Channel, mask: bytes = b"", tail: bytes = b""
) -> tuple[PixelLayer, tuple[str, ...]]:
    """Open a file of one opaque red layer as large as the canvas."""
    record = Record(
        box=(0, 0, HEIGHT, WIDTH), channels=[*rgba_channels(WIDTH, HEIGHT, (255, 0, 0, 255)), *channels],
        mask=mask, tail=luni("red") + tail,
    )  # fmt: skip
    path = tmp_path / "a.psd"
    path.write_bytes(written(File(width=WIDTH, height=HEIGHT, records=[record])))
    document, report = import_psd(path)
    (layer,) = document.layers
    assert isinstance(layer, PixelLayer)
    return layer, report.losses


def _shown(layer: PixelLayer) -> U8Array:
    """What the mask leaves of the opaque layer, (HEIGHT, WIDTH)."""
    return Compositor(threads=1).render(Document(size=CANVAS.size, layers=(layer,)))[..., 3]


def _painted(value: int, width: int = 10, height: int = 4) -> Channel:
    return Channel(id=-2, data=flat(width, height, value))


def test_a_painted_mask_with_its_place_and_fill(tmp_path: Path) -> None:
    layer, losses = _opened(tmp_path, _painted(60), mask=_mask((3, 5, 7, 15), 255, 0))
    wanted = np.full((HEIGHT, WIDTH), 255)
    wanted[3:7, 5:15] = 60
    assert np.array_equal(_shown(layer), wanted)
    assert losses == ()


def test_a_disabled_mask_stays_disabled(tmp_path: Path) -> None:
    layer, _ = _opened(tmp_path, _painted(0), mask=_mask((3, 5, 7, 15), 0, 2))
    assert layer.mask is not None
    assert not layer.mask.enabled


@pytest.mark.parametrize(("density", "hidden", "grey"), [(255, 0, 100), (128, 127, 177), (0, 255, 255)])
def test_density_fades_the_mask_towards_white(tmp_path: Path, density: int, hidden: int, grey: int) -> None:
    layer, losses = _opened(
        tmp_path, _painted(100), mask=_mask((3, 5, 7, 15), 0, 16, parameters=bytes([1, density]))
    )
    shown = _shown(layer)
    assert (int(shown[0, 0]), int(shown[4, 6])) == (hidden, grey)
    assert bool(losses) == (density < 255)


def test_feather_is_a_soft_edge_that_reaches_outside(tmp_path: Path) -> None:
    feather = bytes([2]) + struct.pack(">d", 2.0)
    layer, losses = _opened(
        tmp_path, _painted(255, 20, 20), mask=_mask((0, 0, 20, 20), 0, 16, parameters=feather)
    )
    row = _shown(layer)[10].astype(int)
    assert (np.diff(row[14:28]) <= 0).all()
    assert row[15] > 240
    assert row[26] < 15
    assert abs(int(row[19]) + int(row[20]) - 255) <= 12  # the edge stays where it was
    assert "Density and feather" in losses[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -3.0, 1e300])
def test_senseless_feathers_end_in_a_document(tmp_path: Path, value: float) -> None:
    feather = bytes([2]) + struct.pack(">d", value)
    layer, _ = _opened(tmp_path, _painted(255), mask=_mask((0, 0, 4, 10), 0, 16, parameters=feather))
    assert layer.mask is not None


def test_a_path_is_drawn_with_exact_coverage(tmp_path: Path) -> None:
    layer, losses = _opened(tmp_path, tail=_path((5.5, 2, 10, 6.25, 1)))
    wanted = np.zeros((HEIGHT, WIDTH))
    wanted[2:6, 6:10], wanted[2:6, 5], wanted[6, 6:10], wanted[6, 5] = 255, 128, 64, 32
    assert np.abs(_shown(layer).astype(int) - wanted).max() <= 1
    assert losses == ("The vector mask of “red” became a raster mask.",)


@pytest.mark.parametrize(
    ("operation", "inside_both", "in_first", "in_second", "outside"),
    [(1, 255, 255, 255, 0), (2, 0, 255, 0, 0), (3, 255, 0, 0, 0), (0, 0, 255, 255, 0)],
)
def test_paths_are_united_cut_out_intersected_and_excluded(
    tmp_path: Path, operation: int, inside_both: int, in_first: int, in_second: int, outside: int
) -> None:
    layer, _ = _opened(tmp_path, tail=_path((0, 0, 20, 10, 1), (10, 0, 30, 10, operation)))
    shown = _shown(layer)
    found = [int(shown[5, x]) for x in (15, 5, 25, 35)]
    assert found == [inside_both, in_first, in_second, outside]


def test_a_first_path_that_cuts_out_begins_with_everything(tmp_path: Path) -> None:
    layer, _ = _opened(tmp_path, tail=_path((10, 0, 30, 10, 2)))
    shown = _shown(layer)
    assert (int(shown[5, 15]), int(shown[5, 35]), int(shown[15, 15])) == (0, 255, 255)
    assert layer.mask is not None
    assert layer.mask.pixels.fill == 255


def test_a_disabled_path_hides_nothing_and_an_inverted_one_the_inside(tmp_path: Path) -> None:
    layer, losses = _opened(tmp_path, tail=_path((0, 0, 20, 20, 1), flags=4))
    assert layer.mask is None
    assert losses == ()
    layer, _ = _opened(tmp_path, tail=_path((0, 0, 20, 20, 1), flags=1))
    assert [int(_shown(layer)[5, x]) for x in (5, 30)] == [0, 255]


def test_what_photoshop_rendered_for_old_programs_is_not_applied_twice(tmp_path: Path) -> None:
    rendered = Channel(id=-2, data=flat(10, 10, 128))
    layer, _ = _opened(tmp_path, rendered, mask=_mask((0, 0, 10, 10), 0, 8), tail=_path((0, 0, 9.5, 10, 1)))
    assert [int(_shown(layer)[5, x]) for x in (5, 9, 10)] == [255, 128, 0]


def test_a_painted_mask_and_a_path_are_multiplied(tmp_path: Path) -> None:
    real = struct.pack(">BB4i", 0, 255, 0, 0, 20, 10)
    channels = [Channel(id=-2, data=flat(4, 4, 1)), Channel(id=-3, data=flat(10, 20, 100))]
    mask = _mask((0, 0, 4, 4), 0, 8, real=real)
    layer, losses = _opened(tmp_path, *channels, mask=mask, tail=_path((5, 0, 20, 20, 1)))
    assert [int(_shown(layer)[5, x]) for x in (2, 7, 15, 30)] == [0, 100, 255, 0]
    assert len(losses) == 1
    assert layer.foreign is None  # the path is not kept: beside the raster mask it would count twice


def test_a_solid_fill_without_pixels_is_drawn(tmp_path: Path) -> None:
    from psd_tools.psd.descriptor import Descriptor, DescriptorBlock, Double
    from psd_tools.terminology import Klass

    colour = Descriptor(name="", classID=Klass.RGBColor)
    colour[b"Rd  "], colour[b"Grn "], colour[b"Bl  "] = Double(10.0), Double(200.4), Double(255.0)
    fill = DescriptorBlock(version=16, name="", classID=b"null")
    fill[b"Clr "] = colour
    record = Record(flags=24, tail=luni("fill") + block(b"SoCo", fill.tobytes()) + _path((0, 0, 10, 20, 1)))
    path = tmp_path / "a.psd"
    path.write_bytes(written(File(width=WIDTH, height=HEIGHT, records=[record])))
    document, report = import_psd(path)
    picture = Compositor(threads=1).render(document)
    assert picture[5, 5].tolist() == [10, 200, 255, 255]
    assert picture[5, 15, 3] == 0
    assert report.losses == ("“fill” (a fill) became pixels.",)


@pytest.mark.parametrize("length", [0, 4, 17, 19, 30, 36])
def test_mask_sections_of_any_length(tmp_path: Path, length: int) -> None:
    section = (_mask((3, 5, 7, 15), 255, 16) + bytes(20))[:length]
    layer, _ = _opened(tmp_path, _painted(60), mask=section)
    assert (layer.mask is None) == (length < 18)
