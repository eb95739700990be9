"""Menus with tick marks drawn as vectors: the platform's are pictures of one size, which blur at 150 and 200 %."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QMenu, QProxyStyle, QStyle, QStyleOption, QWidget

from psdstudio.ui import theme
from psdstudio.ui.icons import paint_icon

_TICK = 12


class MenuStyle(QProxyStyle):
    """Fusion with another tick. Only menus wear it: every drawing step of a widget that does goes through Python."""

    def drawPrimitive(
        self,
        element: QStyle.PrimitiveElement,
        option: QStyleOption,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        if element is not QStyle.PrimitiveElement.PE_IndicatorMenuCheckMark:
            super().drawPrimitive(element, option, painter, widget)
            return
        state: QStyle.StateFlag = option.state
        if state & QStyle.StateFlag.State_On:
            middle = QRectF(option.rect).center()
            edge = QRectF(middle.x() - _TICK / 2, middle.y() - _TICK / 2, _TICK, _TICK)
            is_off = not state & QStyle.StateFlag.State_Enabled
            paint_icon(painter, "tick", edge, theme.TEXT_FAINT if is_off else theme.TEXT)


@lru_cache(maxsize=1)
def _style() -> MenuStyle:
    return MenuStyle("Fusion")


def dress(menu: QMenu) -> QMenu:
    """Give a menu the sharp tick; returns it."""
    menu.setStyle(_style())
    return menu
