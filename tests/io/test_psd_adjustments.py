"""Adjustment layers in PSD files: settings come back exactly, the bytes are Photoshop's, ag-psd reads the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from psd_tools.constants import ColorMode, Tag
from psd_tools.psd.document import PSD
from psd_tools.psd.tagged_blocks import TaggedBlock, TaggedBlocks

from psdstudio.core.adjustments import (
    Adjustment,
    BlackAndWhite,
    BrightnessContrast,
    ChannelMixer,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    MixerRow,
    Posterize,
    Threshold,
)
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import AdjustmentLayer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.io.layer_info import document_info, read_info
from psdstudio.io.psd_adjustments import adjustment_blocks, read_adjustment
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_import import import_psd
from tests.adjustments import ADJUSTMENTS
from tests.io.ag_psd import need_ag_psd, read_with_ag_psd
from tests.io.documents import noise
from tests.psd_fixture_loader import fixtures_folder

EXAMPLES: tuple[Adjustment, ...] = (
    BrightnessContrast(brightness=30, contrast=-12),
    BrightnessContrast(brightness=-7, contrast=90, legacy=True),
    Levels(master=LevelsChannel(black_in=10, white_in=240, gamma=150), blue=LevelsChannel(white_out=200)),
    Curves(master=Curve(((0, 10), (90, 120), (255, 250))), green=Curve(((0, 255), (255, 0)))),
    Exposure(exposure=-1.25, offset=0.0333, gamma=0.9),
    HueSaturation(hue=-40, saturation=25, lightness=-5),
    HueSaturation(hue=210, saturation=30, lightness=5, colorize=True),
    BlackAndWhite(reds=-20, cyans=150),
    ChannelMixer(red=MixerRow(red=80, blue=30, constant=-10), green=MixerRow(green=100)),
    ChannelMixer(red=MixerRow(red=30, green=60, blue=10), monochrome=True),
    Invert(),
    Posterize(levels=7),
    Threshold(level=99),
)


def blocks_of(adjustment: Adjustment) -> TaggedBlocks:
    """The written blocks as a file that was read holds them."""
    items: list[Any] = [(block.key, block) for block in adjustment_blocks(adjustment)]
    return TaggedBlocks.frombytes(TaggedBlocks(items).tobytes())


def document_of(*adjustments: Adjustment) -> Document:
    """A picture with adjustment layers over it: masked, clipped, and plain."""
    mask = Mask(pixels=TileGrid.from_array(noise(2, 20, 10, 1), fill=255))
    picture = PixelLayer(props=LayerProps(name="picture"), pixels=TileGrid.from_array(noise(1, 32, 24)))
    layers = [
        AdjustmentLayer(
            props=LayerProps(name=f"adjustment {number}", clipping=number == 0, opacity=200 - number),
            adjustment=adjustment,
            mask=mask if number % 2 else None,
        )
        for number, adjustment in enumerate(adjustments)
    ]
    return Document(size=Size(32, 24), layers=(picture, *layers))


@settings(max_examples=150)
@given(ADJUSTMENTS)
def test_settings_come_back_exactly(adjustment: Adjustment) -> None:
    read = read_adjustment(blocks_of(adjustment), ColorMode.RGB)
    assert read is not None
    assert read.adjustment == adjustment


def test_layers_come_back_from_a_file(tmp_path: Path) -> None:
    document = document_of(*EXAMPLES)
    report = export_psd(document, tmp_path / "a.psd")
    assert [line for line in report.losses if "a little differently" not in line] == []
    assert len(report.losses) == 1
    opened, read = import_psd(tmp_path / "a.psd")
    assert len(read.losses) == 1  # the modern Brightness/Contrast, which is shown approximately
    ours = [layer for layer in document.walk() if isinstance(layer, AdjustmentLayer)]
    theirs = [layer for layer in opened.walk() if isinstance(layer, AdjustmentLayer)]
    assert [layer.adjustment for layer in theirs] == [layer.adjustment for layer in ours]
    assert [layer.props for layer in theirs] == [layer.props for layer in ours]
    assert [layer.mask is None for layer in theirs] == [layer.mask is None for layer in ours]
    kinds = [layer.kind for layer in read_info(tmp_path / "a.psd").layers]
    assert kinds == [layer.kind for layer in document_info(document).layers]
    assert kinds == ["pixels", *["adjustment"] * len(EXAMPLES)]


def test_the_record_is_laid_out_as_photoshop_does(tmp_path: Path) -> None:
    export_psd(document_of(Levels()), tmp_path / "a.psd")
    with open(tmp_path / "a.psd", "rb") as file:
        info = PSD.read(file).layer_and_mask_information.layer_info
    assert info is not None
    record = info.layer_records[1]
    tags = list(record.tagged_blocks)
    assert tags[0] is Tag.LEVELS
    assert record.tagged_blocks[Tag.LAYER_NAME_SOURCE_SETTING].data == b"cont"
    assert (record.top, record.left, record.bottom, record.right) == (0, 0, 0, 0)
    assert record.flags.pixel_data_irrelevant
    assert [channel.id for channel in record.channel_info] == [-1, 0, 1, 2]


@pytest.mark.skipif(fixtures_folder() is None, reason="PSDSTUDIO_FIXTURES is not set")
@pytest.mark.parametrize(
    ("name", "key", "adjustment"),
    [
        ("layers__levels", b"levl", Levels()),
        ("layers__curves", b"curv", Curves()),
        ("layers__exposure", b"expA", Exposure()),
        ("layers__hue-saturation", b"hue2", HueSaturation()),
        ("layers__channel-mixer", b"mixr", ChannelMixer()),
        ("layers__black-and-white", b"blwh", BlackAndWhite()),
        ("layers__brightness-contrast", b"brit", BrightnessContrast()),
        ("layers__brightness-contrast", b"CgEd", BrightnessContrast()),
        ("layers__invert", b"nvrt", Invert()),
        ("layers__posterize", b"post", Posterize(levels=4)),
        ("layers__threshold", b"thrs", Threshold(level=128)),
    ],
)
def test_the_bytes_are_photoshops(name: str, key: bytes, adjustment: Adjustment) -> None:
    folder = fixtures_folder()
    assert folder is not None
    data = (folder / f"{name}.psd").read_bytes()
    at = data.index(b"8BIM" + key)
    length = int.from_bytes(data[at + 8 : at + 12], "big")
    wanted = data[at : at + 12 + length]
    written = [block.tobytes() for block in adjustment_blocks(adjustment)]
    mine = next(block for block in written if block[4:8] == key)
    assert mine == wanted


def test_ag_psd_reads_the_same(tmp_path: Path) -> None:
    need_ag_psd()
    export_psd(document_of(*EXAMPLES), tmp_path / "a.psd")
    dump = read_with_ag_psd(tmp_path / "a.psd", tmp_path / "dump")
    read = [entry["adjustment"] for entry in dump.tree["children"][1:]]
    assert [entry["type"] for entry in read] == [
        "brightness/contrast", "brightness/contrast", "levels", "curves", "exposure", "hue/saturation",
        "hue/saturation", "black & white", "channel mixer", "channel mixer", "invert", "posterize", "threshold",
    ]  # fmt: skip
    modern, legacy, levels, curves, exposure, hue, _, grey, mixer, mono, _, steps, split = read
    assert (modern["brightness"], modern["contrast"], modern["useLegacy"]) == (30, -12, False)
    assert (legacy["brightness"], legacy["contrast"]) == (-7, 90)
    assert levels["rgb"]["shadowInput"] == 10
    assert levels["rgb"]["midtoneInput"] == 1.5
    assert levels["blue"]["highlightOutput"] == 200
    assert curves["rgb"] == [{"input": x, "output": y} for x, y in ((0, 10), (90, 120), (255, 250))]
    assert curves["green"] == [{"input": 0, "output": 255}, {"input": 255, "output": 0}]
    assert "red" not in curves
    assert np.allclose([exposure["exposure"], exposure["offset"], exposure["gamma"]], [-1.25, 0.0333, 0.9])
    assert (hue["master"]["hue"], hue["master"]["saturation"], hue["master"]["lightness"]) == (-40, 25, -5)
    assert (grey["reds"], grey["cyans"], grey["useTint"]) == (-20, 150, False)
    assert (mixer["red"]["red"], mixer["red"]["blue"], mixer["red"]["constant"]) == (80, 30, -10)
    assert mono["monochrome"] is True
    assert (mono["gray"]["red"], mono["gray"]["green"], mono["gray"]["blue"]) == (30, 60, 10)
    assert steps["levels"] == 7
    assert split["level"] == 99


def raw(tag: Tag, data: bytes) -> TaggedBlocks:
    """Blocks with one whose bytes are given."""
    items: list[Any] = [(tag, TaggedBlock(key=tag, data=data))]
    return TaggedBlocks(items)


def test_what_we_do_not_have_is_named_and_left_out() -> None:
    hue = bytearray(adjustment_blocks(HueSaturation(hue=5))[0].data)
    hue[16 + 8 + 1] = 40  # the reds' own hue
    read = read_adjustment(raw(Tag.HUE_SATURATION, bytes(hue)), ColorMode.RGB)
    assert read is not None
    assert read.adjustment is None
    assert read.remark == "it adjusts single colours, as reds or blues"
    vibrance = read_adjustment(raw(Tag.VIBRANCE, b""), ColorMode.RGB)
    assert vibrance is not None
    assert vibrance.remark == "Vibrance is not supported"
    drawn = read_adjustment(raw(Tag.CURVES, b"\1\0\1\0\0\0\1" + bytes(range(256))), ColorMode.RGB)
    assert drawn is not None
    assert drawn.remark == "its curves are drawn by hand"
    ink = read_adjustment(blocks_of(Invert()), ColorMode.CMYK)
    assert ink is not None
    assert ink.remark == "it adjusts CMYK colours"
    assert read_adjustment(TaggedBlocks(), ColorMode.RGB) is None


@pytest.mark.parametrize("tag", [Tag.LEVELS, Tag.CURVES, Tag.EXPOSURE, Tag.HUE_SATURATION, Tag.CHANNEL_MIXER,
                                 Tag.BLACK_AND_WHITE, Tag.POSTERIZE, Tag.THRESHOLD])  # fmt: skip
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 7, b"\xff" * 700, b"\0\2" + bytes(100)])
def test_damaged_settings_are_said_to_be_damaged(tag: Tag, data: bytes) -> None:
    read = read_adjustment(raw(tag, data), ColorMode.RGB)
    assert read is not None
    if read.adjustment is None:
        assert read.remark in ("its settings are damaged", "its settings are out of range")
    else:  # what happens to be sound bytes is sound settings
        assert Document(size=Size(1, 1), layers=document_of(read.adjustment).layers).validate() == []


def test_a_grey_file_keeps_its_one_channel_for_all_three() -> None:
    levels = Levels(red=LevelsChannel(gamma=152))
    read = read_adjustment(blocks_of(levels), ColorMode.GRAYSCALE)
    one = LevelsChannel(gamma=152)
    assert read is not None
    assert read.adjustment == Levels(red=one, green=one, blue=one)
