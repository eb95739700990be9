"""Layer masks in the panel and the menus, through the real window."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import GroupLayer, Layer, LayerId, Lock, PixelLayer
from psdstudio.core.pixel_commands import AddMask
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.render.compositor import Compositor
from psdstudio.ui.panels.row_layout import RowLayout, Zone
from tests.psd_fixture_loader import fixtures_folder
from tests.ui.hands import props
from tests.ui.rig import Rig

B = LayerId("b")


def layout(rig: Rig, layer_id: LayerId) -> RowLayout:
    """Return where the parts of a row stand."""
    view = rig.window.layers.view
    index = rig.window.layers.model.index_of(layer_id)
    return rig.window.layers.delegate.layout_of(index, view.visualRect(index))


def click(rig: Rig, layer_id: LayerId, zone: Zone, modifiers: Qt.KeyboardModifier) -> None:
    """Click a part of a row."""
    at = getattr(layout(rig, layer_id), zone.value).center()
    QTest.mouseClick(rig.window.layers.view.viewport(), Qt.MouseButton.LeftButton, modifiers, at)


def shown_mask(qtbot: QtBot, rig: Rig, layer_id: LayerId) -> QImage:
    """Return what the row's mask thumbnail shows once every thumbnail is made."""
    view, box = rig.window.layers.view, layout(rig, layer_id).mask
    layer = rig.document.layer(layer_id)
    qtbot.waitUntil(lambda: rig.window.thumbnails.mask(layer, rig.document.size) is not None)
    qtbot.wait(30)
    return view.viewport().grab(box.adjusted(1, 1, -1, -1)).toImage()


@pytest.fixture
def masked(stack: Rig) -> Rig:
    """Layer b has a mask that shows its left half."""
    grey = np.zeros((20, 20), np.uint8)
    grey[:, :10] = 255
    stack.window.bridge.apply(AddMask(layer_id=B, grey=grey, at=Point(10, 10)))
    return stack


def test_the_row_shows_the_mask(qtbot: QtBot, masked: Rig) -> None:
    assert layout(masked, LayerId("a")).mask.isEmpty()
    image = shown_mask(qtbot, masked, B)
    middle, quarter = image.height() // 2, image.width() // 4
    assert QColor(image.pixel(quarter, middle)).lightness() > 240
    assert QColor(image.pixel(image.width() - quarter, middle)).lightness() < 15


def test_a_moved_layer_needs_no_new_mask_picture(qtbot: QtBot, masked: Rig) -> None:
    shown_mask(qtbot, masked, B)
    picture = masked.window.thumbnails.mask(masked.document.layer(B), masked.document.size)
    masked.window.bridge.apply(TranslateLayers(ids=(B,), dx=7, dy=3))
    assert masked.window.thumbnails.mask(masked.document.layer(B), masked.document.size) is picture


def test_shift_click_switches_the_mask_off_and_on(qtbot: QtBot, masked: Rig) -> None:
    shift, none = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier

    def is_enabled() -> bool:
        mask = masked.document.layer(B).mask
        return mask is not None and mask.enabled

    click(masked, B, Zone.MASK, shift)
    assert not is_enabled()
    crossed = shown_mask(qtbot, masked, B)
    reds = sum(
        QColor(crossed.pixel(x, y)).red() > 150 > QColor(crossed.pixel(x, y)).green()
        for x in range(crossed.width())
        for y in range(crossed.height())
    )
    assert reds > 20
    click(masked, B, Zone.MASK, shift)
    assert is_enabled()
    masked.window.undo()
    assert not is_enabled()
    before = masked.document
    click(masked, B, Zone.MASK, none)
    assert masked.document is before


def test_the_chain_parts_layer_and_mask(masked: Rig) -> None:
    click(masked, B, Zone.CHAIN, Qt.KeyboardModifier.NoModifier)
    mask = masked.document.layer(B).mask
    assert mask is not None
    assert not mask.linked
    masked.window.bridge.apply(TranslateLayers(ids=(B,), dx=7, dy=3))
    moved = masked.document.layer(B).mask
    assert moved is not None
    assert moved.offset == mask.offset


MASK_ACTIONS = ("mask", "mask_off", "apply_mask", "unmask")


def offered(rig: Rig) -> set[str]:
    """Return the mask actions that the row's menu lets the user press."""
    actions = {action.objectName(): action for action in rig.window.row_menu().actions()}
    assert set(MASK_ACTIONS) <= actions.keys()
    return {name for name in MASK_ACTIONS if actions[name].isEnabled()}


def test_the_menu_offers_what_can_be_done(stack: Rig) -> None:
    table = stack.window.actions_table
    assert offered(stack) == {"mask"}
    table["mask"].trigger()
    assert offered(stack) == {"mask_off", "apply_mask", "unmask"}
    mask = stack.document.layer(B).mask
    assert mask is not None
    assert (mask.pixels.read(Rect(-5, -5, 80, 80)) == 255).all()
    table["mask_off"].trigger()
    assert offered(stack) == {"mask_off", "unmask"}
    assert table["mask_off"].isChecked()
    table["unmask"].trigger()
    assert stack.document.layer(B).mask is None
    stack.window.bridge.session.select((LayerId("g"),))
    table["mask"].trigger()
    assert offered(stack) == {"mask_off", "unmask"}  # a group has no pixels to apply it to


def test_applying_a_mask_changes_no_pixel_of_the_picture(masked: Rig) -> None:
    masked.window.edits.set_opacity(60)
    before = Compositor().render(masked.document)
    masked.window.actions_table["apply_mask"].trigger()
    layer = masked.document.layer(B)
    assert isinstance(layer, PixelLayer)
    assert layer.mask is None
    assert layer.pixels.bounds() == Rect(10, 10, 10, 20)
    np.testing.assert_allclose(Compositor().render(masked.document), before, atol=1)
    masked.window.undo()
    assert masked.document.layer(B).mask is not None


def test_locked_pixels_keep_their_mask(masked: Rig) -> None:
    masked.window.edits.set_lock(Lock.PIXELS, on=True)
    masked.window.actions_table["apply_mask"].trigger()
    assert masked.document.layer(B).mask is not None
    assert masked.window.notices.isVisible()
    assert props(masked, "b").name in masked.window.notices.message.text()


def all_layers(layers: tuple[Layer, ...]) -> list[Layer]:
    """Return layers and what stands in groups."""
    return [x for y in layers for x in (y, *(all_layers(y.children) if isinstance(y, GroupLayer) else []))]


@pytest.mark.skipif(fixtures_folder() is None, reason="PSDSTUDIO_FIXTURES is not set")
@pytest.mark.parametrize("name", ["mask.psd", "masks3.psd"])
def test_masks_of_an_opened_psd_are_shown(qtbot: QtBot, rig: Rig, name: str) -> None:
    folder = fixtures_folder()
    assert folder is not None
    rig.window.files.open_path(folder / name)
    qtbot.waitUntil(lambda: bool(rig.document.layers))
    masked = [layer for layer in all_layers(rig.document.layers) if layer.mask is not None]
    assert masked
    for layer in masked:
        assert not layout(rig, layer.id).mask.isEmpty()
        assert not shown_mask(qtbot, rig, layer.id).isNull()
